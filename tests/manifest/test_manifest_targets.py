"""Numbers and several labels in tables: what a cell means, what is refused, how sides and folds are made alike."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import InputError, ManifestError
from fovea.manifest import (
    Manifest,
    Row,
    assign_splits,
    canonical_labels,
    change_labels,
    label_fold_numbers,
    label_strata,
    labels_of,
    learned_labels,
    number_of,
    read_source,
    require_labels,
    require_numbers,
    suggest_target,
    value_strata,
)


def rows(*cells: str) -> Manifest:
    return Manifest(
        Path("/photos"), tuple(Row(f"{k}.jpg", cell, sha256=f"{k:064d}") for k, cell in enumerate(cells))
    )


@pytest.fixture
def write(tmp_path: Path, draw_picture: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes a table of path,label beside its pictures."""

    def make(*lines: str) -> Path:
        for line in lines:
            draw_picture(tmp_path / line.partition(",")[0])
        table = tmp_path / "table.csv"
        table.write_text("path,label\n" + "\n".join(lines) + "\n")
        return table

    return make


@pytest.mark.parametrize(
    ("cell", "number"),
    [("3.5", 3.5), (" -2e3 ", -2000.0), ("7", 7.0), ("3,5", None), ("12 kg", None), ("nan", None), ("inf", None),
     ("1_000", None), ("", None)],
)  # fmt: skip
def test_a_cell_holds_a_number_or_none(cell: str, number: float | None) -> None:
    assert number_of(cell) == number


@pytest.mark.parametrize(
    ("cell", "labels"),
    [("b;a", ("a", "b")), (" a ; ;a", ("a",)), ("none", ()), ("none;a", ("a",)), (";", ())],
)
def test_a_cell_holds_labels(cell: str, labels: tuple[str, ...]) -> None:
    assert labels_of(cell) == labels


def test_a_cell_without_a_number_is_refused_with_its_row(write: Callable[..., Path]) -> None:
    table = write("a.png,3.5", "b.png,heavy", "c.png,")
    with pytest.raises(ManifestError) as caught:
        read_source(table, target="regression")
    assert str(caught.value) == (
        f"--target regression: 1 cell of 3 in the column 'label' of {str(table)!r} holds no number (row 3: 'heavy'). Write "
        "numbers as in 3.5, leave unknown ones empty, or name another column with --label-by."
    )


def test_an_empty_cell_sets_its_row_aside(write: Callable[..., Path]) -> None:
    manifest = read_source(write("a.png,3.5", "b.png,"), target="regression")
    assert [row.problem for row in manifest.rows] == [
        "", "row 3 of table.csv: the label is empty; write a number or delete the row",
    ]  # fmt: skip


def test_a_row_a_label_is_as_good_as_several_in_a_cell(write: Callable[..., Path]) -> None:
    manifest = read_source(write("a.png,dog", "a.png,outdoor;wet", "b.png,none"), target="labels")
    assert [(row.path, row.label) for row in manifest.rows] == [
        ("a.png", "dog;outdoor;wet"),
        ("b.png", "none"),
    ]


def test_an_empty_cell_of_labels_is_told_what_to_write(write: Callable[..., Path]) -> None:
    manifest = read_source(write("a.png,dog", "b.png,"), target="labels")
    assert manifest.rows[1].problem == (
        "row 3 of table.csv: the label is empty; write its labels with ';' between them, 'none' where it has none, or "
        "delete the row"
    )


def test_folders_cannot_give_several_labels() -> None:
    with pytest.raises(InputError) as caught:
        require_labels(rows(*["cat", "dog"] * 10), is_folder=True)
    assert str(caught.value) == (
        "--target labels needs several labels a picture, and folders give each picture one. Write a table with the columns "
        "path,label and cells such as dog;outdoor, or leave --target out."
    )


def test_folders_called_by_numbers_give_numbers() -> None:
    require_numbers(rows(*["1", "2"] * 10))


def test_folders_called_otherwise_give_none() -> None:
    with pytest.raises(InputError) as caught:
        require_numbers(rows(*["1", "cat"] * 10))
    assert str(caught.value) == (
        "--target regression needs a number as every label, and 'cat' is none. Give a table path,label with numbers, or "
        "name its column with --label-by."
    )


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        require_numbers(rows("1", "2", "3"))
    assert str(caught.value) == (
        "There are 3 different labelled pictures to learn from, and at least 10 are needed; some hundreds make a figure "
        "worth reading. Add pictures."
    )


def test_one_number_for_all_is_refused() -> None:
    with pytest.raises(
        InputError, match="All 12 pictures to learn from have the number 4: there is nothing to tell apart"
    ):
        require_numbers(rows(*["4"] * 12))


def test_pictures_of_too_few_groups_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        value_strata(rows(*map(str, range(12))), np.arange(12) % 3)
    assert str(caught.value) == (
        "The 12 pictures to learn from are 3 units only (a group, or copies of one picture, count once), and at least 5 are "
        "needed. Add others, or group less."
    )


def test_held_out_numbers_are_spread_like_the_others() -> None:
    manifest = rows(*(f"{k * k}" for k in range(200)))
    units = np.arange(200)
    plan = assign_splits(manifest, units=units, seed=0, strata=value_strata(manifest, units))
    held_out = [k for k, row in enumerate(plan.manifest.rows) if row.split == "valid"]
    assert len(held_out) == 40
    assert np.bincount(np.array(held_out) // 20, minlength=10).tolist() == [4] * 10


def test_held_out_labels_are_spread_like_the_others() -> None:
    rng = np.random.default_rng(0)
    has = rng.random((400, 3)) < [0.5, 0.2, 0.05]
    cells = [";".join(np.array(["a", "b", "c"])[row]) or "none" for row in has]
    manifest, units = rows(*cells), np.arange(400)
    plan = assign_splits(manifest, units=units, seed=0, strata=label_strata(manifest, units))
    held_out = np.array([row.split == "valid" for row in plan.manifest.rows])
    assert held_out.sum() == pytest.approx(80, abs=8)
    for k in range(3):
        assert has[held_out, k].sum() == pytest.approx(0.2 * has[:, k].sum(), abs=2)


def test_labels_are_spread_over_folds_and_units_are_not_torn() -> None:
    rng = np.random.default_rng(1)
    has, units = rng.random((300, 4)) < [0.4, 0.2, 0.1, 0.03], np.arange(300) // 2
    folds = label_fold_numbers(has, units=units, n_folds=5, seed=0)
    assert all(len(set(folds[units == unit])) == 1 for unit in np.unique(units))
    for k in range(4):
        inside = np.bincount(folds[has[:, k]], minlength=5)
        assert inside.max() - inside.min() <= 3


def test_a_label_with_as_many_pictures_as_folds_is_in_every_fold() -> None:
    has = np.zeros((100, 2), bool)
    has[:5, 0], has[3:60, 1] = True, True
    folds = label_fold_numbers(has, units=np.arange(100), n_folds=5, seed=0)
    assert sorted(folds[:5].tolist()) == [0, 1, 2, 3, 4]
    assert np.bincount(folds).tolist() == [20] * 5


def test_labels_on_too_few_or_nearly_all_pictures_are_left_out_by_name() -> None:
    cells = ["all;rare;some"] * 4 + ["all;some"] * 6 + ["all"] * 10
    kept, notes = learned_labels(rows(*cells), np.arange(20))
    assert kept == ("some",)
    assert notes == (
        "1 label left out, on fewer than 5 different pictures: 'rare (4)'.",
        "1 label left out, on nearly all of 20 different pictures: 'all (20)'.",
    )


def test_no_label_to_learn_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        learned_labels(rows(*["a"] * 12), np.arange(12))
    assert str(caught.value) == (
        "No label can be learned: of 12 different pictures at least 5 must have it and 5 must not. Found: 'a (12)'. Add "
        "pictures."
    )


def test_labels_are_dropped_and_merged() -> None:
    changed = change_labels(
        canonical_labels(rows("pup; dog", "cat", "red;none")), drop=["red"], merge={"pup": "dog"}
    )
    assert [row.label for row in changed.rows] == ["dog", "cat", "none"]
    assert changed.notes == ("The label 'red' was dropped.", "The label 'pup' was merged into 'dog'.")


def test_a_label_that_is_not_there_cannot_be_dropped() -> None:
    with pytest.raises(
        InputError, match=r"--drop names the label 'dgo', which is not there \(did you mean 'dog'\?\)"
    ):
        change_labels(rows("dog;cat"), drop=["dgo"], merge={})


def test_cells_of_several_labels_get_a_note_that_names_the_option() -> None:
    assert suggest_target(rows(*["a;b", "a", "b"] * 5)) == (
        "5 of 15 labels hold ';', as 'a;b' does, and each is taken for the name of one class. To learn several labels a "
        "picture: --target labels."
    )


def test_cells_of_numbers_get_a_note_that_names_the_option() -> None:
    assert suggest_target(rows("1.5", "2.5", "3", "1.5")) == (
        "4 of 4 labels are numbers, 3 different ones, and each is taken for the name of a class. To learn the number: "
        "--target regression."
    )


@pytest.mark.parametrize("cells", [["0", "1", "2", "9"] * 5, ["cat", "dog"] * 5, ["1.5", "cat"] * 5, []])
def test_classes_get_no_note(cells: list[str]) -> None:
    assert suggest_target(rows(*cells)) == ""
