"""A backbone folder: read back as written; refused when cut, edited or too new."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fovea.errors import BackboneError
from fovea.features.card import CARD, NETWORK, WEIGHTS, read_card, write_card


@pytest.fixture
def folder(small_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_folder, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads((folder / CARD).read_text())
    change(content)
    (folder / CARD).write_text(json.dumps(content))


def test_a_card_is_read_as_it_was_written(folder: Path) -> None:
    card = dataclasses.replace(read_card(folder), licence="CC0 é", difference=0.25, any_shape=False)
    write_card(folder, card)
    assert read_card(folder) == card


@pytest.mark.parametrize("name", [NETWORK, WEIGHTS])
def test_an_edited_network_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BackboneError) as raised:
        read_card(folder)
    assert str(raised.value) == (
        f"The backbone in {str(folder)!r} is not as it was written: {name} changed. "
        "Copy the whole folder again, or train again."
    )


@pytest.mark.parametrize("name", [NETWORK, WEIGHTS, CARD])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BackboneError, match=f"cannot be read .FileNotFoundError: .*{name}"):
        read_card(folder)


def test_a_cut_card_is_refused(folder: Path) -> None:
    (folder / CARD).write_text((folder / CARD).read_text()[:100])
    with pytest.raises(
        BackboneError, match=r"cannot be read \(JSONDecodeError: .*Copy the whole folder again"
    ):
        read_card(folder)


def test_a_newer_format_is_refused(folder: Path) -> None:
    edit(folder, lambda content: content.update(format=2))
    with pytest.raises(BackboneError) as raised:
        read_card(folder)
    assert str(raised.value) == (
        "The backbone has format 2; this fovea reads up to 1. Update it: pip install --upgrade fovea-vision."
    )


@pytest.mark.parametrize(
    "change", [lambda c: c.update(more=1), lambda c: c.pop("stages"), lambda c: c.update(stages=3)]
)
def test_unknown_missing_and_wrong_keys_are_refused(
    folder: Path, change: Callable[[dict[str, object]], object]
) -> None:
    edit(folder, change)
    with pytest.raises(BackboneError, match="cannot be read"):
        read_card(folder)


def test_a_card_that_names_no_files_is_refused(folder: Path) -> None:
    edit(folder, lambda content: content.update(files=[]))
    with pytest.raises(BackboneError, match="is not as it was written"):
        read_card(folder)
