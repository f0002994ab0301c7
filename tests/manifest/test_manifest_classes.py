"""Dropping and merging classes, and refusing what cannot be trained."""

from pathlib import Path

import pytest

from fovea.errors import InputError
from fovea.manifest import Manifest, Row, change_classes, require_trainable, unreadable_classes
from fovea.manifest.classes import EXAMPLE_LAYOUT


def pictures(*labels: str | None, **changes: str) -> tuple[Row, ...]:
    return tuple(Row(f"{label}/{number}.jpg", label, **changes) for number, label in enumerate(labels))  # type: ignore[arg-type]


def manifest(*rows: Row) -> Manifest:
    return Manifest(Path("/photos"), rows)


PETS = manifest(*pictures("cat", "cat", "dog", "dog", "kitten", "fox", None))


def test_a_dropped_class_is_gone_and_said() -> None:
    changed = change_classes(PETS, drop=["fox", "dog"], merge={})
    assert [row.label for row in changed.rows] == ["cat", "cat", "kitten", None]
    assert changed.notes == ("Class 'fox' was dropped (1 picture).", "Class 'dog' was dropped (2 pictures).")


def test_merged_classes_bear_the_new_name_and_keep_their_paths() -> None:
    changed = change_classes(PETS, drop=[], merge={"kitten": "cat", "dog": "hound"})
    assert [row.label for row in changed.rows] == ["cat", "cat", "hound", "hound", "cat", "fox", None]
    assert [row.path for row in changed.rows] == [row.path for row in PETS.rows]
    assert changed.notes == (
        "Class 'kitten' was merged into 'cat' (1 picture).",
        "Class 'dog' was merged into 'hound' (2 pictures).",
    )


def test_merges_are_made_at_once_and_not_in_a_chain() -> None:
    changed = change_classes(PETS, drop=[], merge={"cat": "dog", "dog": "cat"})
    assert changed.class_counts == PETS.class_counts
    assert changed.rows[0].label == "dog"


def test_naming_a_class_after_itself_changes_nothing() -> None:
    assert change_classes(PETS, drop=[], merge={"cat": "cat"}) == PETS


def test_quarantined_rows_change_class_too() -> None:
    broken = manifest(Row("a.jpg", "cat", problem="empty"))
    assert change_classes(broken, merge={"cat": "pet"}).rows[0].label == "pet"


@pytest.mark.parametrize(
    ("drop", "merge", "message"),
    [
        (
            ["Foxx"],
            {},
            "--drop names the class 'Foxx', which is not there (did you mean 'fox'?). The 4 classes: 'cat', "
            "'dog', 'fox', 'kitten'.",
        ),
        (
            [],
            {"zebra": "cat"},
            "--merge names the class 'zebra', which is not there. The 4 classes: 'cat', 'dog', 'fox', "
            "'kitten'.",
        ),
        (
            ["cat"],
            {"cat": "dog"},
            "The class 'cat' is both dropped and merged; give it to --drop or to --merge, not both.",
        ),
        ([], {"cat": " "}, "--merge gives class 'cat' an empty name; write it as --merge cat=NEW_NAME."),
    ],
)
def test_impossible_changes_are_refused(drop: list[str], merge: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        change_classes(PETS, drop=drop, merge=merge)
    assert str(caught.value) == message


def refusal(*rows: Row) -> str:
    with pytest.raises(InputError) as caught:
        require_trainable(manifest(*rows))
    return str(caught.value)


def test_two_classes_of_two_pictures_are_enough() -> None:
    require_trainable(manifest(*pictures("cat", "cat", "dog", "dog")))


def test_no_rows_are_refused() -> None:
    assert refusal() == f"There are no pictures to learn from. {EXAMPLE_LAYOUT}"


def test_nothing_readable_is_refused_with_the_counts_by_reason() -> None:
    heic = pictures(
        *["cat"] * 811, problem='a HEIC picture, which needs an optional package: pip install "x[heic]"'
    )
    assert refusal(*heic, *pictures("dog", problem="empty")) == (
        "0 of 812 files could be read as a picture: 811 x a HEIC picture, which needs an optional package: "
        "pip install "
        '"x[heic]"; 1 x empty. JPEG, PNG, WebP, GIF, BMP, TIFF, PPM and AVIF pictures can be read. '
        + EXAMPLE_LAYOUT
    )


def test_many_reasons_are_cut_after_five() -> None:
    rows = [row for number in range(7) for row in pictures("cat", problem=f"reason {number}")]
    assert refusal(*rows).startswith(
        "0 of 7 files could be read as a picture: 1 x reason 0; 1 x reason 1; 1 x reason 2; 1 x reason 3; 1 "
        "x reason 4; and 2 other reasons. JPEG,"
    )


def test_pictures_without_labels_are_refused() -> None:
    assert refusal(*pictures(None, None)) == f"None of the 2 pictures has a label. {EXAMPLE_LAYOUT}"


def test_pictures_that_are_all_held_out_are_refused() -> None:
    assert refusal(*pictures("cat", "dog", split="valid")) == (
        "Only the valid split is there (2 labelled pictures): there is nothing to learn from. Add the training part: folders "
        "train/CLASS beside those given, or, in a table, rows whose column split is 'train' or empty. Pictures in CLASS folders "
        "alone do without: a validation part is then drawn from them."
    )


@pytest.mark.parametrize(
    ("file", "missing", "known"),
    [
        (
            "t10k-images-idx3-ubyte.gz#0",
            "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz",
            "mnist (or fashion-mnist)",
        ),
        ("cifar/test_batch#0", "data_batch_1 to data_batch_5", "cifar10"),
    ],
)
def test_a_well_known_sets_test_part_alone_is_refused_with_what_is_missing(
    file: str, missing: str, known: str
) -> None:
    assert refusal(Row(file, "1", "test")) == (
        "Only the test split is there (1 labelled picture): there is nothing to learn from. Add the training part: "
        f"{missing}; put them into the same folder, or fetch the whole set with fovea data {known}."
    )


def test_one_class_only_is_refused() -> None:
    assert refusal(*pictures("cat", "cat", "cat")) == (
        "There is one class only: 'cat' with 3 pictures. A classifier needs at least two classes with two "
        f"pictures each. {EXAMPLE_LAYOUT}"
    )


def test_one_class_beside_a_table_is_refused_with_what_was_noticed() -> None:
    odd = Manifest(Path("/photos"), pictures("all", "all"), ("1 table not read: 'labels.csv'.",))
    with pytest.raises(InputError) as caught:
        require_trainable(odd)
    assert str(caught.value) == (
        "There is one class only: 'all' with 2 pictures. A classifier needs at least two classes with two "
        f"pictures each. 1 table not read: 'labels.csv'. {EXAMPLE_LAYOUT}"
    )


def test_a_class_with_a_single_picture_is_refused() -> None:
    assert refusal(*pictures("cat", "cat", "dog")) == (
        "Class 'dog' has a single picture to learn from (the same file twice counts once). The others: 'cat' with 2. "
        "A class needs at least two pictures, and ten or more to be judged well: add pictures, leave the class out "
        f"with --drop 'dog', or join it to another with --merge. {EXAMPLE_LAYOUT}"
    )


def test_several_classes_with_a_single_picture_are_counted() -> None:
    assert refusal(*pictures("cat", "cat", "dog", "fox")) == (
        "2 of 3 classes have a single picture to learn from: 'dog', 'fox' (the same file twice counts once). "
        "The others: 'cat' with 2. A class needs at least two pictures, and ten or more to be judged well: add "
        "pictures, leave the class out with --drop 'dog' --drop 'fox', or join it to another with --merge. "
        f"{EXAMPLE_LAYOUT}"
    )


def test_classes_that_all_have_a_single_picture_have_no_others_beside() -> None:
    assert refusal(*pictures("cat", "dog")) == (
        "2 of 2 classes have a single picture to learn from: 'cat', 'dog' (the same file twice counts once). "
        "A class needs at least two pictures, and ten or more to be judged well: add pictures, leave the class out "
        f"with --drop 'cat' --drop 'dog', or join it to another with --merge. {EXAMPLE_LAYOUT}"
    )


def test_beside_a_single_picture_five_other_classes_are_shown() -> None:
    assert "The others: 'a' with 2, 'b' with 2, 'c' with 2, 'd' with 2, 'e' with 2 and 2 more. A class" in (
        refusal(*pictures(*"aabbccddeeffggh"))
    )


def test_a_class_without_a_readable_picture_is_named_with_the_counts_by_reason() -> None:
    mixed = manifest(
        *pictures("cat", "cat", "dog", "dog"),
        *pictures("fox", "fox", problem="an empty file (0 bytes)"),
        *pictures("fox", problem="it is cut short"),
        *pictures("ape", problem="it is cut short"),
        *pictures("dog", problem="it is cut short"),
    )
    assert unreadable_classes(mixed) == (
        "Class 'ape' is left out: 0 of 1 file to learn from could be read as a picture: 1 x it is cut short.",
        "Class 'fox' is left out: 0 of 3 files to learn from could be read as a picture: 2 x an empty file (0 bytes); "
        "1 x it is cut short.",
    )


def test_held_out_pictures_do_not_make_a_class_known() -> None:
    broken = manifest(
        *pictures("fox", split="train", problem="empty"), *pictures("fox", "cat", split="valid")
    )
    assert unreadable_classes(broken) == (
        "Class 'fox' is left out: 0 of 1 file to learn from could be read as a picture: 1 x empty.",
    )


def test_one_class_left_beside_unreadable_ones_is_refused_and_they_are_named() -> None:
    assert refusal(*pictures("cat", "cat"), *pictures("dog", "dog", problem="empty")) == (
        "There is one class only: 'cat' with 2 pictures. A classifier needs at least two classes with two pictures "
        "each. Class 'dog' is left out: 0 of 2 files to learn from could be read as a picture: 2 x empty. "
        f"{EXAMPLE_LAYOUT}"
    )


def test_copies_of_one_file_count_once() -> None:
    rows = (*pictures("cat", "cat", sha256="11"), *pictures("dog", "dog"))
    assert refusal(*rows).startswith(
        "Class 'cat' has a single picture to learn from (the same file twice counts once)."
    )


def test_held_out_pictures_of_a_class_do_not_count() -> None:
    rows = (*pictures("cat", "cat", "dog", split="train"), *pictures("dog", "dog", split="valid"))
    assert refusal(*rows).startswith("Class 'dog' has a single picture to learn from")


def test_quarantined_pictures_of_a_class_do_not_count() -> None:
    rows = (*pictures("cat", "cat", "dog"), *pictures("dog", problem="empty"))
    assert refusal(*rows).startswith("Class 'dog' has a single picture to learn from")
