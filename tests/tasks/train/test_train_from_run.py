"""`train --backbone runs/first`: the network of an earlier run, its stored features shared."""

import json
from pathlib import Path

import pytest

from fovea.errors import ModelError
from fovea.tasks.train.train import train


def test_a_run_is_the_backbone_of_the_next_and_its_features_are_shared(photos: Path, tmp_path: Path) -> None:
    first = train(photos, out=tmp_path / "first")
    second = train(photos, out=tmp_path / "second", backbone=str(tmp_path / "first"), seed=1)
    assert (first.metrics["n_decoded"] > 0, second.metrics["n_decoded"]) == (True, 0)
    told = [json.loads((run.folder / "model.json").read_text())["backbone"] for run in (first, second)]
    assert told[0] == told[1]


def test_a_run_that_was_edited_is_no_backbone_and_nothing_is_written(photos: Path, tmp_path: Path) -> None:
    train(photos, out=tmp_path / "first")
    with (tmp_path / "first" / "backbone" / "network.xml").open("a") as file:
        file.write(" ")
    with pytest.raises(ModelError) as caught:
        train(photos, out=tmp_path / "second", backbone=str(tmp_path / "first"))
    assert str(caught.value) == (
        f"The model in {str(tmp_path / 'first')!r} is refused: the file 'backbone/network.xml' was cut or changed after it "
        "was saved (its SHA-256 is another). Copy the whole run folder again from where it was made, or train it again "
        "with `fovea train`."
    )
    assert not (tmp_path / "second").exists()
