"""Folds: every class spread, no unit torn, the same at every run."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fovea.manifest import fold_numbers

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(np.array)
UNITS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15)), min_size=1, max_size=80).map(np.array)
FOLDS = st.integers(2, 6)
SEEDS = st.integers(0, 2**32 - 1)


@given(LABELS, FOLDS, SEEDS)
def test_single_pictures_of_a_class_differ_by_at_most_one_between_folds(
    labels, n_folds: int, seed: int
) -> None:
    folds = fold_numbers(labels, units=np.arange(len(labels)), n_folds=n_folds, seed=seed)
    counts = np.array([np.bincount(folds[labels == label], minlength=n_folds) for label in np.unique(labels)])
    assert (np.ptp(counts, axis=1) <= 1).all()


@given(UNITS, FOLDS, SEEDS)
def test_no_unit_stands_in_two_folds(rows, n_folds: int, seed: int) -> None:
    labels, units = rows.T
    folds = fold_numbers(labels, units=units, n_folds=n_folds, seed=seed)
    assert all(len(set(folds[units == unit])) == 1 for unit in units)
    assert folds.min() >= 0
    assert folds.max() < n_folds


@given(UNITS, FOLDS, SEEDS)
def test_every_fold_is_used_as_far_as_there_are_units(rows, n_folds: int, seed: int) -> None:
    labels, units = rows.T
    folds = fold_numbers(labels, units=units, n_folds=n_folds, seed=seed)
    assert len(set(folds.tolist())) >= min(
        n_folds, max(np.unique(units[labels == label]).size for label in labels)
    )


@given(UNITS, SEEDS)
def test_one_seed_gives_one_answer_whatever_the_units_are_numbered(rows, seed: int) -> None:
    labels, units = rows.T
    first = fold_numbers(labels, units=units, n_folds=4, seed=seed)
    assert (fold_numbers(labels, units=units * 7 + 3, n_folds=4, seed=seed) == first).all()


def test_another_seed_gives_other_folds() -> None:
    labels = np.repeat([0, 1], 50)
    first, second = (fold_numbers(labels, units=np.arange(100), n_folds=5, seed=seed) for seed in (0, 1))
    assert (first != second).any()


def test_folds_are_of_equal_size_although_classes_are_not() -> None:
    labels = np.repeat(np.arange(7), [3, 4, 6, 11, 13, 2, 9])
    folds = fold_numbers(labels, units=np.arange(48), n_folds=4, seed=0)
    assert np.bincount(folds).tolist() == [12, 12, 12, 12]


def test_large_groups_are_spread_and_singles_even_them_out() -> None:
    # One class: groups of 6, 5 and 4, and nine singles are 24 pictures, 8 for each of three folds.
    units = np.concatenate([np.repeat([0, 1, 2], [6, 5, 4]), np.arange(3, 12)])
    folds = fold_numbers(np.zeros(24, dtype=int), units=units, n_folds=3, seed=5)
    assert np.bincount(folds).tolist() == [8, 8, 8]


def test_nothing_has_no_folds() -> None:
    empty = np.zeros(0, dtype=int)
    assert fold_numbers(empty, units=empty, n_folds=3, seed=0).shape == (0,)
