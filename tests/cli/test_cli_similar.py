"""`fovea index` and `fovea similar` as a user gives them: what they print, and what they refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fovea.cli import group

Fovea = Callable[..., Any]


@pytest.fixture
def photos(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    for number, name in enumerate(("cat/0.png", "dog/1.png", "dog/2.png")):
        draw_picture(tmp_path / "photos" / name, seed=number)
    return tmp_path / "photos"


def test_a_column_is_given_once(fovea: Fovea) -> None:
    said = fovea("similar", "a.jpg", "--in", "photos", "--where", "label=cat", "--where", "label=dog")
    assert said.code == 2
    assert (
        "'label=dog': label was given already, as 'cat', and a picture has one. Search for each by itself."
        in " ".join(said.err.split())
    )


def test_the_matches_stand_under_the_query(
    fovea: Fovea, photos: Path, draw_picture: Callable[..., Path]
) -> None:
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    query = draw_picture(photos.parent / "query.png", seed=2)
    said = fovea("similar", query, "--in", photos, "-k", "2")
    lines = said.out.splitlines()
    assert (said.code, lines[0]) == (0, str(query))
    assert lines[1].split() == ["1.000", "dog/2.png", "dog"]
    assert len(lines) == 3
    assert f"Note: The index of {str(photos)!r} was brought up to date first: 3 new." in said.err


def test_json_has_answers_alone(fovea: Fovea, photos: Path) -> None:
    said = fovea("similar", photos / "cat" / "0.png", "--in", photos, "--json", "--where", "label=dog")
    (answer,) = json.loads(said.out)
    assert said.code == 0
    assert sorted(one["path"] for one in answer["matches"]) == ["dog/1.png", "dog/2.png"]


def test_index_says_what_changed(fovea: Fovea, photos: Path) -> None:
    said = fovea("index", photos)
    assert said.code == 0
    assert said.out.startswith(
        f"3 pictures of {photos} can be searched: 3 new, 0 changed, 0 unchanged, 0 gone; "
    )
    assert said.out.splitlines()[1] == "Compared by: fovea-tiny, head:root."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--crop", "1,2,3"), "'1,2,3': write it as x,y,width,height in pixels, for example 10,20,200,150."),
        (("--where", "shoes"), "'shoes': write it as COLUMN=VALUE, for example label=shoes."),
    ],
)
def test_what_is_written_wrongly_is_told_how_to_write(
    fovea: Fovea, arguments: tuple[str, str], message: str
) -> None:
    said = fovea("similar", "a.jpg", "--in", "photos", *arguments)
    assert said.code == 2
    assert message in " ".join(said.err.split())


def test_every_command_of_the_page_on_search_parses() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "search.md"
    lines = [line.split() for line in page.read_text().splitlines() if line.strip().startswith("fovea ")]
    assert len(lines) >= 10
    for _, name, *words in lines:
        command = group.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        command.make_context(name, words).close()
