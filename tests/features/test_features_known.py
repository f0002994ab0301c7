"""The catalogue: as handed down, and where its files are looked for."""

import csv
from pathlib import Path

import pytest

from fovea.features import cache_folder
from fovea.features.known import KNOWN, on_disk


def test_the_catalogue_is_the_one_handed_down(shared: Path) -> None:
    with (shared / "design" / "onnx_backbones.csv").open(encoding="utf-8") as lines:
        rows = {row["name"]: row for row in csv.DictReader(lines)}
    told = {
        name: (one.file, one.sha256, str(one.n_bytes), one.licence, one.size_px)
        for name, one in KNOWN.items()
    }
    assert told == {
        name: (row["file"], row["sha256"], row["bytes"], row["licence"], int(row["input"].split()[1]))
        for name, row in rows.items()
    }


def test_every_file_has_several_addresses_that_end_in_its_name() -> None:
    for one in KNOWN.values():
        assert len(one.addresses) >= 2
        assert all(it.startswith("https://") and it.endswith(f"/{one.file}") for it in one.addresses)


def test_the_user_s_folder_is_searched_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KNOWN["squeezenet1_1"]
    assert on_disk(known) is None
    for folder in (tmp_path, cache_folder() / "weights"):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / known.file).open("wb") as file:
            file.truncate(known.n_bytes)
    assert on_disk(known) == cache_folder() / "weights" / known.file
    monkeypatch.setenv("FOVEA_WEIGHTS", str(tmp_path))
    assert on_disk(known) == tmp_path / known.file


def test_a_file_of_another_length_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_WEIGHTS", str(tmp_path))
    (tmp_path / KNOWN["resnet18"].file).write_bytes(b"cut")
    assert on_disk(KNOWN["resnet18"]) is None
