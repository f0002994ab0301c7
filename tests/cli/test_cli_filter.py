"""What `fovea filter` says: a first list drawn at random, then verdicts, what they can be trusted for, and how to go on."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Fovea = Callable[..., Any]


@pytest.fixture
def inside(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the photos, where the command runs: 8 red and 8 blue ones, and a broken file."""
    monkeypatch.chdir(tmp_path)
    (photos / "cut.png").write_bytes(b"")
    return photos


def fill(file: str) -> None:
    """Fill labels in as a person would who looks for red ones and leaves empty what does not open."""
    with Path(file).open(encoding="utf-8-sig", newline="") as text:
        rows = list(csv.reader(text))
    for row in rows[1:]:
        row[1] = {"red": "wanted", "blue": "blue"}.get(row[0].partition("/")[0], "")
    with Path(file).open("w", newline="") as text:
        csv.writer(text).writerows(rows)


def test_the_way_from_a_first_list_to_verdicts_is_said_at_every_step(fovea: Fovea, inside: Path) -> None:
    first = fovea("filter", "photos", "--ask", "my first.csv").out.splitlines()
    assert first[:2] == ["17 of 17 pictures are drawn at random.", "To label first:"]
    assert sorted(first[2:19]) == sorted(
        [f"  {colour}/{k}.png" for colour in ("red", "blue") for k in range(8)] + ["  cut.png"]
    )
    assert first[19:] == [
        "List: my first.csv. Fill it in, and give the same command with --labels 'my first.csv' added and new names for its files."
    ]
    fill("my first.csv")
    second = fovea("filter", "photos", "--labels", "my first.csv", "--csv", "out.csv", "--html", "out.html")
    assert second.code == 0
    assert [line.partition(";")[0] for line in second.out.splitlines()] == [
        "Of 0 unlabelled pictures 0 are wanted, 0 junk, 0 unsure",
        # eight right ones of eight: 0.68 ** 8 is 0.046, 0.69 ** 8 above 0.05
        "wanted: none is sure enough for 97 % right: with 95 % confidence 16 labels support 68 %",
        "junk: none is sure enough for 97 % right: with 95 % confidence 16 labels support 68 %",
        "1 file could not be read.",
        "Verdicts: out.csv",
        "Page: out.html",
    ]


def test_questions_are_listed_with_what_to_do_with_them(fovea: Fovea, inside: Path) -> None:
    rows = [f"{colour}/{k}.png,{colour}" for colour in ("red", "blue") for k in range(5)]
    Path("few.csv").write_text("\n".join(["path,label", *rows]))
    said = fovea("filter", "photos", "--labels", "few.csv", "--wanted", "red", "-n", "2", "--ask", "more.csv")
    lines = said.out.splitlines()
    assert lines[0].startswith("Of 6 unlabelled pictures ")
    assert lines[3] == "To label next:"
    assert all((inside / line.strip()).is_file() for line in lines[4:6])
    assert lines[-1] == (
        "List: more.csv. Fill it in, and give the same command with --labels more.csv added and new names for its files."
    )


def test_without_labels_and_a_list_it_says_how_to_begin(fovea: Fovea, inside: Path) -> None:
    said = fovea("filter", "photos")
    assert said.code == 1
    assert said.err.startswith(
        "fovea: No labels were given, so there are no verdicts yet. Have pictures drawn at random "
    )
