"""What `fovea check` says: counts first, then what is wrong, and as JSON the documented keys alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Fovea = Callable[..., Any]


@pytest.fixture
def messy(photos: Path) -> Path:
    """Return the photos with a copy and twelve files that are no pictures."""
    shutil.copy(photos / "red" / "0.png", photos / "blue" / "again.png")
    for number in range(12):
        (photos / "red" / f"broken_{number:02d}.jpg").write_bytes(b"")
    return photos


def test_json_holds_what_was_found(fovea: Fovea, messy: Path) -> None:
    said = fovea("check", messy, "--json")
    found = json.loads(said.out)
    assert (said.code, said.err) == (0, "")
    assert (found["n_pictures"], found["n_quarantined"], found["classes"]) == (17, 12, {"blue": 9, "red": 8})
    assert found["quarantined"][0] == {"path": "red/broken_00.jpg", "reason": "an empty file (0 bytes)"}
    assert found["duplicates"] == [["blue/again.png", "red/0.png"]]


def test_words_hold_the_same_the_first_of_each_kind(fovea: Fovea, messy: Path) -> None:
    said = fovea("check", messy)
    lines = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert lines[:3] == ["17 pictures, 12 files that cannot be used.", "  9  blue", "  8  red"]
    assert lines[3] == "Cannot be used: red/broken_00.jpg: an empty file (0 bytes)"
    assert lines[13:16] == [
        "... and 2 more; --json lists them all.",
        "1 set of pictures that are the same:",
        "  blue/again.png = red/0.png",
    ]


def test_one_picture_is_not_called_pictures(
    fovea: Fovea, tmp_path: Path, draw_picture: Callable[..., Path]
) -> None:
    draw_picture(tmp_path / "cat" / "1.png")
    assert fovea("check", tmp_path).out.splitlines()[0] == "1 picture, 0 files that cannot be used."


def test_names_are_shown_so_that_a_terminal_obeys_none(fovea: Fovea, photos: Path) -> None:
    (photos / "red").rename(photos / "\x1b[31mred")
    assert "\ufffd[31mred" in fovea("check", photos).out


def test_a_page_is_written_where_it_says(fovea: Fovea, photos: Path, tmp_path: Path) -> None:
    said = fovea("check", photos, "--html", tmp_path / "page.html")
    assert said.out.splitlines()[-1] == f"Page: {tmp_path / 'page.html'}"
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_a_page_is_not_overwritten(fovea: Fovea, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("mine")
    said = fovea("check", photos, "--html", tmp_path / "page.html")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"fovea: There is something at {str(tmp_path / 'page.html')!r} already. Choose another name for --html.\n"
    )
    assert (tmp_path / "page.html").read_text() == "mine"


def test_a_strict_table_is_refused(fovea: Fovea, photos: Path) -> None:
    (photos / "table.csv").write_text("path,label\nred/0.png,red\nnowhere.png,red\n")
    assert fovea("check", photos / "table.csv").code == 0
    said = fovea("check", photos / "table.csv", "--strict")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "'nowhere.png'" in said.err
