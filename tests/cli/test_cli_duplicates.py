"""What `fovea duplicates` says: counts, the first groups, how sure that is, and that nothing was removed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fovea.cli.duplicates import SHOWN
from fovea.tasks import duplicates_find

Fovea = Callable[..., Any]


@pytest.fixture
def twice(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the photos with a copy under another label."""
    monkeypatch.setattr(duplicates_find, "N_PLANTED", 4)
    shutil.copy(photos / "red" / "0.png", photos / "blue" / "again.png")
    return photos


def test_words_name_the_copy_its_kind_and_what_stays(fovea: Fovea, twice: Path, tmp_path: Path) -> None:
    target = tmp_path / "remove.csv"
    said = fovea("duplicates", twice, "--keep", "first", "--csv", target)
    assert said.code == 0
    assert "same bytes" in said.out.splitlines()[0]
    assert "  blue/again.png  stays; more than one label" in said.out.splitlines()
    assert "    red/0.png  same bytes" in said.out.splitlines()
    assert f"What could go: {target}, by paths below {twice}; nothing was removed." in said.out
    assert (twice / "red" / "0.png").is_file()


def test_paths_of_a_table_are_those_below_the_pictures_folder(
    fovea: Fovea, twice: Path, tmp_path: Path
) -> None:
    (tmp_path / "lists").mkdir()
    table = tmp_path / "lists" / "pictures.csv"
    table.write_text("path\n" + "".join(f"{path}\n" for path in twice.glob("*/*.png")))
    said = fovea("duplicates", table, "--csv", tmp_path / "remove.csv")
    assert (
        f"What could go: {tmp_path / 'remove.csv'}, by paths below {twice}; nothing was removed." in said.out
    )
    row = (tmp_path / "remove.csv").read_text(encoding="utf-8-sig").splitlines()[1]
    assert (twice / row.split(",")[0]).is_file()


def test_of_a_large_group_it_is_told_how_many_more_there_are(fovea: Fovea, photos: Path) -> None:
    for number in range(SHOWN + 2):
        shutil.copy(photos / "red" / "0.png", photos / "red" / f"copy{number}.png")
    said = fovea("duplicates", photos).out.splitlines()
    assert "    ... and 3 more" in said


def test_a_copy_without_a_label_contradicts_none(fovea: Fovea, photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "red" / "0.png", photos / "loose.png")
    said = fovea("duplicates", photos, "--html", tmp_path / "page.html")
    assert "    red/0.png  same bytes" in said.out.splitlines()
    assert "more than one label" not in said.out + (tmp_path / "page.html").read_text()


def test_json_holds_the_groups(fovea: Fovea, twice: Path) -> None:
    found = json.loads(fovea("duplicates", twice, "--json").out)
    kinds = {one["path"]: one["kind"] for group in found["groups"] for one in group}
    assert kinds["red/0.png"] == "same bytes"
    assert kinds["blue/again.png"] is None


def test_keeping_without_a_list_is_refused_in_one_paragraph(fovea: Fovea, twice: Path) -> None:
    said = fovea("duplicates", twice, "--keep", "best")
    assert (said.code, said.out) == (1, "")
    assert "say with --csv where to write the list of the others" in said.err
