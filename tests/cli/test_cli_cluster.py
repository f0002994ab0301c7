"""What `fovea cluster` and `fovea map` say: counts, what to look at, and what to do next."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Fovea = Callable[..., Any]


@pytest.fixture
def inside(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the photos, where the command runs."""
    monkeypatch.chdir(tmp_path)
    return photos


def test_groups_are_listed_with_their_most_typical_picture(fovea: Fovea, inside: Path) -> None:
    said = fovea("cluster", inside, "-k", "2")
    lines = said.out.splitlines()
    assert said.code == 0
    assert lines[0] == "16 pictures in 2 groups; the most typical of each:"
    assert [line.split()[0] for line in lines[1:3]] == ["1", "2"]
    assert sum(int(line.split()[1]) for line in lines[1:3]) == 16
    assert all((inside / line.split()[2]).is_file() for line in lines[1:3])
    assert lines[-1] == "Look at them, and name them: --html groups.html"


def test_the_way_from_groups_to_labels_is_said_at_every_step(fovea: Fovea, inside: Path) -> None:
    first = fovea("cluster", inside, "-k", "2", "--csv", "groups.csv")
    assert first.out.splitlines()[-1] == (
        f"Table: groups.csv. Name groups in it, then: fovea cluster {inside} --names groups.csv --csv labels.csv"
    )
    with Path("groups.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    for row in rows[1:]:
        row[1] = "mine" if row[2:4] == ["1", "1"] else ""
    with Path("groups.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    second = fovea("cluster", inside, "--names", "groups.csv", "--csv", "labels.csv").out.splitlines()
    n = sum(row[2] == "1" for row in rows[1:])
    assert second[0] == f"{n} pictures in 1 class:"
    assert second[1].split() == [str(n), "mine"]
    assert second[-1] == "Labels: labels.csv. Next: fovea train labels.csv --out runs/first"


def test_names_with_spaces_are_quoted_where_they_are_to_be_copied(fovea: Fovea, inside: Path) -> None:
    said = fovea("cluster", inside.rename(inside.with_name("my photos")), "-k", "2", "--csv", "my groups.csv")
    assert said.out.splitlines()[-1] == (
        f"Table: my groups.csv. Name groups in it, then: fovea cluster '{inside.with_name('my photos')}' --names 'my groups.csv' "
        "--csv labels.csv"
    )


def test_a_map_says_how_many_neighbours_it_keeps(fovea: Fovea, inside: Path) -> None:
    said = fovea("map", inside)
    lines = said.out.splitlines()
    assert said.code == 0
    assert lines[0].startswith("16 pictures by PCA: of the 10 nearest to each by its features, ")
    assert lines[1:3] == ["More neighbours stay together with --method tsne.", "Colours: Label, Group."]
    assert lines[-1] == f"Page: map.html ({Path('map.html').stat().st_size / 1e6:.1f} MB)"


def test_a_second_map_does_not_overwrite_the_first(fovea: Fovea, inside: Path) -> None:
    Path("map.html").write_text("mine")
    said = fovea("map", inside)
    assert said.code == 1
    assert said.err == "fovea: There is something at 'map.html' already. Choose another name for --html.\n"
