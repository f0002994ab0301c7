"""What `fovea data` writes: the digits as class folders, never over something."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Fovea = Callable[..., Any]


def test_the_digits_are_written_as_class_folders(fovea: Fovea, tmp_path: Path) -> None:
    said = fovea("data", "digits", "--out", tmp_path / "numbers", "--json")
    folder = tmp_path / "numbers"
    assert json.loads(said.out) == {"name": "digits", "folder": str(folder), "n_pictures": 1797, "sets": []}
    assert sorted(path.name for path in folder.iterdir()) == list("0123456789")
    assert sum(1 for _ in folder.rglob("*.png")) == 1797
    again = fovea("data", "digits", "--out", folder)
    assert (again.code, again.out) == (1, "")
    assert again.err.startswith(f"fovea: {str(folder)!r} is already there and not an empty folder")


def test_without_a_name_the_sets_are_listed_and_nothing_is_written(fovea: Fovea, tmp_path: Path) -> None:
    lines = fovea("data").out.splitlines()
    assert lines[0] == (
        "digits            8 MB  CC BY 4.0     1,797 handwritten digits, 10 classes; inside this package"
    )
    assert [line.split()[0] for line in lines[1:7]] == (
        ["mnist", "fashion-mnist", "cifar10", "cifar100", "flowers102", "ants-bees"]
    )
    assert lines[7:] == [
        "MB is the room that writing it needs; all but digits are downloaded, by torchvision's own code (extra torch).",
        "Write one: fovea data NAME --out FOLDER",
    ]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_data_set_is_refused_with_the_closest(fovea: Fovea, tmp_path: Path) -> None:
    said = fovea("data", "digit", "--out", tmp_path / "numbers")
    assert said.code == 1
    assert said.err == (
        "fovea: There is no data set 'digit' (did you mean 'digits'?). There are: digits, mnist, fashion-mnist, cifar10, "
        "cifar100, flowers102, ants-bees.\n"
    )


def test_an_interrupt_leaves_nothing_half_written(fovea: Fovea, tmp_path: Path, monkeypatch: Any) -> None:
    from fovea.manifest import named

    def interrupt(folder: Path) -> int:
        folder.mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(named, "_write_digit_files", interrupt)
    assert fovea("data", "digits", "--out", tmp_path / "numbers").code == 130
    assert list(tmp_path.iterdir()) == []
