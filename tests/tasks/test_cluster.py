"""What `cluster` promises: pictures that look alike in one group, and names that become labels for `train`."""

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fovea.errors import InputError, ManifestError, OutputError
from fovea.manifest import read_source
from fovea.tasks.cluster import Result, cluster

Draw = Callable[..., Path]
KINDS = ("dots", "plain", "stripes")


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory, draw_class: Draw) -> Path:
    """Return a folder of 3 x 24 drawn pictures without labels, and a broken file."""
    folder = tmp_path_factory.mktemp("flat") / "photos"
    for kind in KINDS:
        for number in range(24):
            draw_class(folder, kind, number)
    (folder / "cut.png").write_bytes((folder / "dots_000.png").read_bytes()[:200])
    return folder


def kinds_in(result: Result) -> list[set[str]]:
    return [{Path(path).name.partition("_")[0] for path in one.paths} for one in result.groups]


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def name_groups(file: Path, names: dict[str, str], *, own: dict[str, str] | None = None) -> None:
    """Fill labels in as a person would: of a group's first row, and of single pictures."""
    rows = rows_of(file)
    for row in rows:
        if row["rank"] == "1":
            row["label"] = names.get(row["cluster"], "")
        row["label"] = (own or {}).get(Path(row["path"]).name, row["label"])
    with file.open("w", encoding="utf-8", newline="") as text:
        table = csv.DictWriter(text, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def test_pictures_that_look_alike_come_into_one_group(flat: Path) -> None:
    result = cluster(flat, groups=3)
    assert sorted(map(sorted, kinds_in(result))) == [["dots"], ["plain"], ["stripes"]]
    assert [path for path, _ in result.quarantined] == ["cut.png"]


def test_the_number_of_groups_is_found_and_none_mixes_kinds(flat: Path) -> None:
    result = cluster(flat)
    assert 3 <= len(result.groups) <= 8
    assert [len(kinds) for kinds in kinds_in(result)] == [1] * len(result.groups)


def test_every_picture_is_in_one_group_the_most_typical_first(flat: Path) -> None:
    result = cluster(flat)
    assert sorted(path for one in result.groups for path in one.paths) == sorted(
        path.name for path in flat.iterdir() if path.name != "cut.png"
    )
    for one in result.groups:
        assert list(one.typicality) == sorted(one.typicality, reverse=True)
    sizes = [len(one.paths) for one in result.groups]
    assert sizes == sorted(sizes, reverse=True)


def test_labels_of_class_folders_do_not_matter(flat: Path, tmp_path: Path) -> None:
    for path in sorted(flat.iterdir()):
        (tmp_path / "photos" / path.name[-5]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "photos" / path.name[-5])
    assert sorted(map(sorted, kinds_in(cluster(tmp_path / "photos", groups=3)))) == [[kind] for kind in KINDS]


def test_names_of_groups_in_the_table_become_labels_that_train_takes(flat: Path, tmp_path: Path) -> None:
    table, labels = tmp_path / "groups.csv", tmp_path / "elsewhere" / "labels.csv"
    found = cluster(flat, groups=3, csv=table)
    names = {str(k): f"my {next(iter(kinds))}" for k, kinds in enumerate(kinds_in(found), start=1)}
    name_groups(table, names)
    named = cluster(flat, names=table, csv=labels)
    assert named.labels == {"my dots": 24, "my plain": 24, "my stripes": 24}
    manifest = read_source(labels)
    assert [row.problem for row in manifest.rows] == [""] * 72
    assert {(row.label, row.group) for row in manifest.rows} == {(f"my {kind}", "") for kind in KINDS}
    assert all(row.label == f"my {Path(row.path).name.partition('_')[0]}" for row in manifest.rows)


def test_a_picture_keeps_its_own_label_and_groups_without_a_name_are_left_out(
    flat: Path, tmp_path: Path
) -> None:
    table, labels = tmp_path / "groups.csv", tmp_path / "labels.csv"
    found = cluster(flat, groups=3, csv=table)
    odd, other = found.groups[0].paths[5], found.groups[1].paths[7]
    name_groups(table, {"1": "first"}, own={odd: "odd", other: "odd"})
    named = cluster(flat, names=table, csv=labels)
    assert named.labels == {"first": len(found.groups[0].paths) - 1, "odd": 2}
    n_left = 72 - sum(named.labels.values())
    assert named.notes[-1] == f"{n_left:,} pictures without a name, or marked '-', left out."


def test_what_is_marked_as_of_no_class_is_left_out(flat: Path, tmp_path: Path) -> None:
    table, labels = tmp_path / "groups.csv", tmp_path / "labels.csv"
    found = cluster(flat, groups=3, csv=table)
    name_groups(table, {"1": "first", "2": "-"}, own={found.groups[0].paths[5]: "-"})
    named = cluster(flat, names=table, csv=labels)
    assert named.labels == {"first": len(found.groups[0].paths) - 1}
    name_groups(table, {"1": "-", "2": "-"}, own={found.groups[0].paths[5]: "-"})
    with pytest.raises(ManifestError, match="No label is filled in"):
        cluster(flat, names=table, csv=tmp_path / "again.csv")


def test_two_groups_of_one_name_become_one_class(flat: Path, tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    cluster(flat, groups=3, csv=table)
    name_groups(table, {"1": "same", "2": "same", "3": "other"})
    assert len(cluster(flat, names=table, csv=tmp_path / "labels.csv").labels) == 2


def test_a_table_without_a_name_is_refused(flat: Path, tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    cluster(flat, groups=2, csv=table)
    with pytest.raises(ManifestError) as refused:
        cluster(flat, names=table, csv=tmp_path / "labels.csv")
    assert str(refused.value) == (
        f"No label is filled in {str(table)!r}. Write a name for each group into the label of its first row (rank 1); the "
        "other rows may stay empty."
    )
    assert not (tmp_path / "labels.csv").exists()


def test_another_table_is_refused(flat: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("path,label\ndots_000.png,dots\n")
    with pytest.raises(ManifestError) as refused:
        cluster(flat, names=tmp_path / "mine.csv", csv=tmp_path / "labels.csv")
    assert str(refused.value) == (
        f"{str(tmp_path / 'mine.csv')!r} has no column 'cluster': its first line names 'path', 'label'. --names takes the file "
        "that fovea cluster --csv wrote, with labels filled in."
    )


def test_names_need_a_place_for_the_labels(flat: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        cluster(flat, names=tmp_path / "groups.csv")
    assert str(refused.value) == (
        "--names turns the names of groups into a table of labels: say with --csv where to write it, and leave out -k and --html."
    )


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (0, "-k is 0; a number of groups is 1 or more, or leave it out to have it found."),
        (
            73,
            "-k is 73, and {flat!r} holds 72 pictures that can be read. Ask for 72 groups or fewer, or leave -k out to have their "
            "number found.",
        ),
    ],
)
def test_numbers_that_cannot_be_are_refused(flat: Path, groups: int, said: str) -> None:
    with pytest.raises(InputError) as refused:
        cluster(flat, groups=groups)
    assert str(refused.value) == said.format(flat=str(flat))


def test_a_group_whose_most_typical_name_is_not_utf8_can_be_named(flat: Path, tmp_path: Path) -> None:
    shutil.copytree(flat, tmp_path / "photos")
    typical = tmp_path / "photos" / cluster(tmp_path / "photos", groups=3).groups[0].paths[0]
    typical.rename(os.fsdecode(os.fsencode(typical.parent) + b"/\xff.png"))
    found = cluster(tmp_path / "photos", groups=3, csv=tmp_path / "groups.csv")
    assert found.notes[-1] == "1 name of a file cannot be written in UTF-8: left out of the table of labels."
    name_groups(tmp_path / "groups.csv", {"1": "a", "2": "b", "3": "c"})
    named = cluster(tmp_path / "photos", names=tmp_path / "groups.csv", csv=tmp_path / "labels.csv")
    assert sum(named.labels.values()) == 71


def test_its_own_table_and_page_among_the_pictures_are_no_broken_pictures(flat: Path, tmp_path: Path) -> None:
    shutil.copytree(flat, tmp_path / "photos")
    cluster(tmp_path / "photos", groups=3, csv=tmp_path / "photos" / "groups.csv")
    again = cluster(tmp_path / "photos", groups=3)
    assert [path for path, _ in again.quarantined] == ["cut.png"]
    assert again.notes[-1] == "Left out, no pictures by their names: 'groups.csv'."


def test_nothing_that_is_there_is_overwritten(flat: Path, tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"Choose another name for --csv\.$"):
        cluster(flat, csv=tmp_path / "groups.csv")
    assert (tmp_path / "groups.csv").read_text() == "mine"


def test_the_page_shows_each_content_once_and_names_all_paths(tmp_path: Path, draw_class: Draw) -> None:
    folder = tmp_path / "photos"
    for number in range(6):
        draw_class(folder, "dots", number)
    shutil.copy(folder / "dots_000.png", folder / "copy.png")
    cluster(folder, groups=1, html=tmp_path / "groups.html")
    html = (tmp_path / "groups.html").read_text()
    assert html.count("data:image/jpeg") == 6
    assert '"copy.png"' in html
    assert f'"root":"{folder}/","file":"photos-labels.csv"' in html
