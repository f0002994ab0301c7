"""What kinds of source are taken, groups, and sources that cannot be used."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fovea.errors import InputError, MissingInputError
from fovea.manifest import read_source
from fovea.manifest.classes import EXAMPLE_LAYOUT

Plant = Callable[..., Path]


def refusal(source: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        read_source(source, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_missing_folder_is_named_with_its_nearest_neighbour(plant: Plant) -> None:
    plant("cat/1.jpg")
    with pytest.raises(MissingInputError) as caught:
        read_source(Path("photo"))
    assert (
        str(caught.value) == f"There is no folder or file 'photo' (did you mean 'photos'?). {EXAMPLE_LAYOUT}"
    )


def test_a_missing_folder_in_a_missing_folder_is_named(plant: Plant) -> None:
    plant("cat/1.jpg")
    assert refusal(Path("no/such")) == f"There is no folder or file 'no/such'. {EXAMPLE_LAYOUT}"


def test_a_picture_is_no_labelled_source(plant: Plant) -> None:
    assert refusal(plant("1.jpg") / "1.jpg") == (
        f"'photos/1.jpg' is neither a folder nor a table (.csv, .tsv, .jsonl, .ndjson, .parquet). {EXAMPLE_LAYOUT}"
    )


def test_without_labels_any_folder_will_do(plant: Plant) -> None:
    manifest = read_source(plant("1.jpg", "a/2.jpg", "a/b/notes.txt", ".hidden"), labelled=False)
    assert [(row.path, row.label) for row in manifest.rows] == [
        ("1.jpg", None),
        ("a/2.jpg", None),
        ("a/b/notes.txt", None),
    ]
    assert manifest.notes == ("Ignored as a hidden file: '.hidden'.",)


def test_without_labels_an_empty_folder_is_refused(plant: Plant) -> None:
    assert refusal(plant(), labelled=False) == f"'photos' holds no pictures. {EXAMPLE_LAYOUT}"


def test_without_labels_one_picture_will_do(plant: Plant) -> None:
    manifest = read_source(plant("a/1.jpg") / "a/1.jpg", labelled=False)
    assert [row.path for row in manifest.rows] == ["1.jpg"]
    assert manifest.file(manifest.rows[0]).read_bytes() == b"content of a/1.jpg"


def test_where_nothing_is_learned_given_splits_keep_every_class(plant: Plant) -> None:
    manifest = read_source(plant("train/cat/1.jpg", "valid/cat/2.jpg", "valid/dog/3.jpg"), to_learn=False)
    assert [(row.label, row.split) for row in manifest.rows] == [
        ("cat", "train"),
        ("cat", "valid"),
        ("dog", "valid"),
    ]
    assert manifest.notes == ()


@pytest.mark.parametrize(("pattern", "group"), [(r"(p\d)_", "p1"), (r"p\d", "p1"), (r"(?:p)(\d)_(\d)", "1")])
def test_a_group_is_the_patterns_first_group_or_all_it_matches(
    plant: Plant, pattern: str, group: str
) -> None:
    manifest = read_source(plant("cat/p1_1.jpg", "dog/p2_1.jpg"), group_pattern=pattern)
    assert manifest.rows[0].group == group
    assert manifest.notes == ("2 groups found in the paths by --group-pattern.",)


def test_paths_without_a_group_stand_for_themselves_and_are_counted(plant: Plant) -> None:
    manifest = read_source(plant("cat/p1_1.jpg", "dog/p1_1.jpg", "dog/x.jpg"), group_pattern=r"(p\d)_")
    assert [row.group for row in manifest.rows] == ["p1", "p1", ""]
    assert manifest.notes == (
        "1 group found in the paths by --group-pattern.",
        "1 path without a group: each stands for itself.",
    )


def test_a_broken_group_pattern_is_refused(plant: Plant) -> None:
    assert refusal(plant("cat/1.jpg"), group_pattern="(p") == (
        "--group-pattern '(p' is not a regular expression: missing ), unterminated subpattern at position 0. "
        "For paths such as cat/p07_001.jpg, --group-pattern '(p\\d+)_' makes the group p07."
    )


def test_a_group_pattern_that_finds_nothing_is_refused(plant: Plant) -> None:
    assert refusal(plant("cat/1.jpg", "dog/2.jpg"), group_pattern=r"p\d") == (
        "--group-pattern 'p\\\\d' finds a group in none of the 2 paths; the first is 'cat/1.jpg'."
    )


def test_a_group_column_of_a_folder_is_refused(plant: Plant) -> None:
    assert refusal(plant("cat/1.jpg"), group_by="patient") == (
        "--group-by 'patient' needs a table, and 'photos' is a folder, which has no columns. Use "
        "--group-pattern with a regular expression over the paths."
    )


def test_two_kinds_of_group_are_refused(plant: Plant) -> None:
    assert refusal(plant("cat/1.jpg"), group_by="patient", group_pattern="p") == (
        "Both --group-by and --group-pattern were given; groups come from one of them."
    )
