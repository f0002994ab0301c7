"""What `taught_by` promises: the pictures whose labels a run's network was trained on, and no others."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fovea.errors import MissingInputError
from fovea.manifest import Manifest, Row, manifest_bytes
from fovea.tasks.train.taught import taught_by, taught_file
from fovea.tasks.train.train import train


def write_run(folder: Path, *, kept: str | None, backbone: str | None = None, name: str = "a") -> Path:
    """Write what is read of a run: a picture to train on, one held out, one that cannot be read."""
    folder.mkdir()
    settings: dict[str, Any] = {"backbone": {"backbone": backbone}}
    (folder / "model.json").write_text(json.dumps({"settings": settings}))
    training = {} if kept is None else {"training": {"kept": kept}}
    (folder / "metrics.json").write_text(json.dumps({"protocol": "split", **training}))
    rows = (
        Row("1.png", "x", "train", sha256=f"{name}1"),
        Row("2.png", "x", "valid", sha256=f"{name}2"),
        Row("3.png", "x", "train", problem="an empty file (0 bytes)"),
    )
    (folder / "manifest.csv").write_bytes(manifest_bytes(Manifest(folder, rows)))
    return folder


@pytest.mark.parametrize("kept", [None, "the probe"])
def test_a_probes_network_was_taught_nothing(tmp_path: Path, kept: str | None) -> None:
    assert taught_by(write_run(tmp_path / "run", kept=kept)) == frozenset()


def test_a_trained_network_was_taught_what_it_was_trained_on(tmp_path: Path) -> None:
    assert taught_by(write_run(tmp_path / "run", kept="the last block")) == {"a1"}


@pytest.mark.parametrize(("kept", "taught"), [(None, {"a1"}), ("all of it", {"a1", "b1"})])
def test_what_the_run_before_it_taught_counts_too(tmp_path: Path, kept: str | None, taught: set[str]) -> None:
    first = write_run(tmp_path / "first", kept="the last block")
    assert taught_by(write_run(tmp_path / "second", kept=kept, backbone=str(first), name="b")) == taught


def test_a_network_that_is_no_run_was_taught_nothing(tmp_path: Path) -> None:
    assert taught_by(None) == taught_by("resnet18") == taught_by(tmp_path) == frozenset()


def test_a_trained_run_without_its_manifest_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", kept="the last block")
    (run / "manifest.csv").unlink()
    with pytest.raises(MissingInputError, match=r"Give the manifest\.csv of a finished run\.$"):
        taught_by(run)


def test_a_run_whose_first_network_is_gone_says_itself_what_that_one_knew(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", kept="the last block")
    assert taught_file(None, first) == {"taught.txt": b"a1\n"}
    second = write_run(tmp_path / "second", kept=None, backbone="gone", name="b")
    (second / "taught.txt").write_bytes(taught_file(first)["taught.txt"])
    assert taught_by(second) == {"a1"}


def test_what_knows_nothing_leaves_no_file(tmp_path: Path) -> None:
    assert taught_file(None, "resnet18", write_run(tmp_path / "run", kept=None)) == {}


@pytest.mark.parametrize("private", [False, True])
def test_what_a_trained_network_knows_goes_with_every_run_on_it(
    photos: Path, tmp_path: Path, private: bool
) -> None:
    first = train(photos, out=tmp_path / "first").folder
    metrics = json.loads((first / "metrics.json").read_text())
    (first / "metrics.json").write_text(json.dumps({**metrics, "training": {"kept": "the last block"}}))
    known = taught_by(first)
    second = train(photos, out=tmp_path / "second", backbone=str(first), private=private).folder
    shutil.rmtree(first)
    third = train(photos, out=tmp_path / "third", backbone=str(second), private=private).folder
    shutil.rmtree(second)
    assert taught_by(third) == known != frozenset()
