"""Given, made, recorded and refused splits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import InputError
from fovea.manifest import Manifest, Row, SplitPlan, assign_splits, read_source


def rows_of(label: str, n: int, *, start: int = 0, **named: str) -> list[Row]:
    """Return rows of n different pictures of one class; a picture's content is its class and number."""
    numbers = range(start, start + n)
    return [Row(f"{label}/{i}.jpg", label, sha256=f"{label}-{i}", **named) for i in numbers]  # type: ignore[arg-type]


def plan(rows: list[Row], *, units: list[int] | None = None, **options: object) -> SplitPlan:
    manifest = Manifest(Path("/photos"), tuple(rows))
    numbers = np.arange(len(rows)) if units is None else np.array(units)
    return assign_splits(manifest, units=numbers, **{"seed": 0, **options})  # type: ignore[arg-type]


def sides(made: SplitPlan) -> dict[str, str]:
    return {row.path: row.split for row in made.manifest.rows}


def held_out(made: SplitPlan, label: str) -> int:
    return sum(row.split == "valid" and row.label == label for row in made.manifest.rows)


PETS = rows_of("cat", 100) + rows_of("dog", 50)


def test_a_fifth_of_every_class_is_held_out() -> None:
    made = plan(PETS)
    assert (held_out(made, "cat"), held_out(made, "dog"), made.protocol) == (20, 10, "held-out")
    assert (made.notes, made.leaks) == ((), ())


def test_the_share_can_be_chosen() -> None:
    assert held_out(plan(PETS, valid_share=0.3), "cat") == 30


def test_another_seed_holds_out_others() -> None:
    assert sides(plan(PETS, seed=1)) != sides(plan(PETS))


def test_renaming_every_file_moves_nobody() -> None:
    renamed = [replace(row, path=f"new/{99 - i:03d}.jpg") for i, row in enumerate(PETS)]
    assert list(sides(plan(renamed)).values()) == list(sides(plan(PETS)).values())


def test_quarantined_and_unlabelled_rows_get_no_split() -> None:
    odd = [Row("x.jpg", "cat", "train", problem="empty"), Row("y.jpg", None, "train")]
    assert [row.split for row in plan(PETS + odd).manifest.rows[-2:]] == ["", ""]


def test_given_splits_are_kept() -> None:
    rows = [replace(row, split=("train", "valid", "test")[i % 3]) for i, row in enumerate(PETS)]
    made = plan(rows)
    assert list(made.manifest.rows) == rows
    assert (made.protocol, made.notes) == ("given", ())


def test_rows_without_a_split_go_to_train_where_others_have_one() -> None:
    made = plan(
        [*rows_of("cat", 8, split="train"), *rows_of("cat", 2, start=8, split="valid"), *rows_of("dog", 3)]
    )
    assert sides(made)["dog/0.jpg"] == "train"
    assert made.notes == ("3 pictures without a split went to train, since others have one.",)


def test_a_valid_split_is_made_out_of_a_given_train_and_test_is_left_alone() -> None:
    made = plan([replace(row, split="train") for row in PETS] + rows_of("cat", 30, start=100, split="test"))
    assert (held_out(made, "cat"), held_out(made, "dog"), made.protocol) == (20, 10, "held-out")
    assert [row.split for row in made.manifest.rows[150:]] == ["test"] * 30


def test_units_on_two_given_sides_are_reported_as_leaks() -> None:
    rows = [*rows_of("cat", 4, split="train"), *rows_of("cat", 2, start=4, split="valid")]
    assert plan(rows, units=[0, 1, 2, 0, 0, 3]).leaks == ((0, 3, 4),)


def test_a_made_split_that_meets_a_given_test_is_reported_too() -> None:
    units = [*range(150), 7]
    assert plan([*PETS, *rows_of("cat", 1, split="test")], units=units).leaks == ((7, 150),)


def test_a_class_of_few_different_pictures_means_cross_validation() -> None:
    made = plan(PETS + rows_of("fox", 4) + rows_of("owl", 3))
    assert set(sides(made).values()) == {"train"}
    assert made.protocol == "cross-validated"
    assert made.notes == (
        "Nothing is held out: 2 classes have fewer than 5 different pictures or groups ('fox', 'owl'). The "
        "figures are cross-validated over all pictures.",
    )


def test_five_pictures_of_a_class_are_enough_to_hold_one_out() -> None:
    assert held_out(plan(PETS + rows_of("fox", 5)), "fox") == 1


def test_few_pictures_in_all_mean_cross_validation() -> None:
    made = plan(rows_of("cat", 50) + rows_of("dog", 47))
    assert made.protocol == "cross-validated"
    assert made.notes == (
        "Nothing is held out: 20 % of 97 pictures would be 19, fewer than 20. The figures are cross-validated "
        "over all pictures.",
    )


def test_recorded_pictures_stay_where_they_were_and_new_ones_fill_the_deficit() -> None:
    earlier = plan(PETS, seed=5)
    made = plan(PETS + rows_of("cat", 50, start=100), since=earlier.manifest)
    before, now = sides(earlier), sides(made)
    assert all(now[path] == before[path] for path in before)
    assert (held_out(made, "cat"), held_out(made, "dog")) == (30, 10)
    assert made.notes == ("150 pictures kept the side of the earlier run; 50 new.",)


def test_a_picture_is_recorded_by_content_whatever_its_name_and_label() -> None:
    earlier = plan(PETS)
    changed = [replace(row, path=f"moved/{i}.jpg", label="cat") for i, row in enumerate(PETS[:140])] + PETS[
        140:
    ]
    made = plan(changed, since=earlier.manifest, seed=9)
    assert list(sides(made).values()) == list(sides(earlier).values())


def test_a_new_picture_of_a_recorded_group_follows_it() -> None:
    first = [replace(row, group=f"g{i // 5}") for i, row in enumerate(PETS)]
    earlier = plan(first, units=[i // 5 for i in range(150)])
    new = [replace(row, group=f"g{i}") for i, row in enumerate(rows_of("cat", 20, start=100))]
    made = plan(new + PETS[100:] + rows_of("fox", 60), since=earlier.manifest)
    side_of_group = {row.group: row.split for row in earlier.manifest.rows}
    assert [row.split for row in made.manifest.rows[:20]] == [side_of_group[row.group] for row in new]


def test_a_unit_that_was_on_both_sides_goes_where_most_of_it_was() -> None:
    since = Manifest(
        Path("/p"), (*rows_of("cat", 60, split="valid"), *rows_of("cat", 60, start=60, split="train"))
    )
    units = [
        0,
        *range(1, 59),
        0,
        0,
        *range(61, 120),
    ]  # Rows 0, 59 (valid) and 60 (train) belong together now.
    made = plan(rows_of("cat", 120) + rows_of("dog", 50), units=[*units, *range(200, 250)], since=since)
    assert [made.manifest.rows[i].split for i in (0, 59, 60)] == ["valid"] * 3
    assert made.notes[1] == "1 unit stood on both sides in the earlier run, and now on one only."


def test_a_unit_evenly_on_both_sides_goes_to_train() -> None:
    since = Manifest(
        Path("/p"), (*rows_of("cat", 60, split="valid"), *rows_of("cat", 60, start=60, split="train"))
    )
    units = [*range(60), 0, *range(61, 170)]
    made = plan(rows_of("cat", 120) + rows_of("dog", 50), units=units, since=since)
    assert [made.manifest.rows[i].split for i in (0, 60)] == ["train", "train"]


def test_an_earlier_test_picture_is_not_learned_from() -> None:
    since = Manifest(Path("/p"), tuple(rows_of("cat", 25, split="test")))
    made = plan(PETS, since=since)
    assert {sides(made)[f"cat/{i}.jpg"] for i in range(25)} == {"valid"}


def test_a_small_new_class_does_not_end_a_recorded_held_out_split() -> None:
    earlier = plan(PETS)
    made = plan(PETS + rows_of("fox", 3), since=earlier.manifest)
    assert (made.protocol, held_out(made, "fox")) == ("held-out", 1)


def test_a_cross_validated_run_becomes_held_out_by_new_pictures_alone() -> None:
    earlier = plan(rows_of("cat", 20) + rows_of("dog", 20))
    made = plan(rows_of("cat", 50) + rows_of("dog", 50), since=earlier.manifest)
    assert (earlier.protocol, made.protocol) == ("cross-validated", "held-out")
    assert all(sides(made)[path] == "train" for path in sides(earlier))
    assert (held_out(made, "cat"), held_out(made, "dog")) == (10, 10)


def test_nothing_new_since_a_run_that_held_nothing_out_is_cross_validated() -> None:
    since = Manifest(Path("/p"), tuple(replace(row, split="train") for row in PETS))
    made = plan(PETS, since=since)
    assert made.protocol == "cross-validated"
    assert made.notes == (
        "150 pictures kept the side of the earlier run; 0 new.",
        "Nothing is held out: the earlier run learned from all of these pictures. The figures are "
        "cross-validated over all pictures.",
    )


def test_a_class_that_was_learned_from_whole_is_named() -> None:
    since = Manifest(Path("/p"), tuple(replace(row, split="train") for row in PETS[100:]))
    made = plan(PETS, since=since)
    assert made.notes[1:] == ("Nothing is held out of 'dog': the figures say nothing about it.",)


def test_a_class_of_one_group_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        plan(rows_of("cat", 5) + rows_of("dog", 3), units=[0, 1, 2, 3, 4, 5, 5, 5])
    assert str(caught.value) == (
        "All 3 pictures of class 'dog' to learn from belong together (the same picture, or one group): a "
        "class cannot be learned and judged by one. Add other pictures or groups, leave the class out with "
        "--drop 'dog', or join it to another with --merge."
    )


def test_a_class_of_one_picture_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        plan(rows_of("cat", 5) + rows_of("dog", 1))
    assert str(caught.value) == (
        "The only picture of class 'dog' to learn from: a class cannot be learned and judged by one. Add "
        "other pictures or groups, leave the class out with --drop 'dog', or join it to another with --merge."
    )


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        plan(rows_of("cat", 5, split="valid"))
    assert str(caught.value) == (
        "There is nothing to learn from: no labelled picture without a problem stands outside the valid and "
        "test splits. Put pictures into train, or give no splits."
    )


@pytest.mark.parametrize("share", [0, 0.6, -1.0, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(InputError) as caught:
        plan(PETS, valid_share=share)
    assert str(caught.value) == f"The share to hold out is {share!r}; it must be above 0 and at most 0.5."


def test_the_given_split_of_products_is_kept(shared: Path) -> None:
    manifest = read_source(shared / "data/products")
    made = assign_splits(manifest, units=np.arange(len(manifest.rows)), seed=0)
    assert (made.protocol, made.manifest) == ("given", manifest)
