"""Curves by subsets: which subsets there are, what judges them, and that more pictures of an easy task do not hurt."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.learn import measure_subsets, nested_order
from fovea.learn.curve import subset_sizes


@pytest.mark.parametrize(
    ("n", "k", "sizes"), [(100, 9, (18, 28, 42, 65, 100)), (10, 9, (10,)), (16, 4, (8, 10, 11, 13, 16))]
)
def test_sizes_rise_by_a_factor_from_two_a_class(n: int, k: int, sizes: tuple[int, ...]) -> None:
    assert subset_sizes(n, n_classes=k) == sizes


def test_every_beginning_keeps_the_proportions_and_two_of_each_class_are_first() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    order = nested_order(labels, seed=0)
    assert sorted(order.tolist()) == list(range(100))
    assert np.bincount(labels[order[:6]]).tolist() == [2, 2, 2]
    for n in (20, 50, 80):
        np.testing.assert_allclose(np.bincount(labels[order[:n]]), [0.6 * n, 0.3 * n, 0.1 * n], atol=1.5)


@pytest.fixture
def task() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return 80 rows of two classes a few deviations apart in 6 columns."""
    labels = np.arange(80) % 2
    noise = np.random.default_rng(0).normal(size=(80, 6))
    return (noise + 1.2 * labels[:, None]).astype(np.float32), labels


def test_given_pictures_judge_every_size(task: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    features, labels = task
    judged = np.arange(80) >= 50
    found = measure_subsets(features, labels, units=np.arange(80), judged=judged, threads=1)
    assert found.sizes[-1] == 50
    assert found.right.shape == (len(found.sizes), 5, 30)
    assert np.isfinite(found.seconds).sum(axis=1).tolist() == [5] * (len(found.sizes) - 1) + [1]
    assert np.nanmean(found.right[-1]) > 0.85


def test_without_given_ones_each_picture_is_judged_once_a_size(
    task: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    features, labels = task
    found = measure_subsets(features, labels, units=np.arange(80), judged=None, threads=1)
    assert np.isfinite(found.right).sum(axis=1).tolist() == [[1] * 80] * len(found.sizes)


def test_copies_never_judge_each_other(task: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    features, labels = task
    units = np.arange(80) // 4 * 2 + labels  # each row twice
    found = measure_subsets(features[units], labels, units=units, judged=None, threads=1)
    fold = np.isfinite(found.right[0]).argmax(axis=0)
    assert all(len(set(fold[units == unit])) == 1 for unit in units)


def test_the_same_seed_gives_the_same_answers(task: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    features, labels = task
    once, again = (
        measure_subsets(features, labels, units=np.arange(80), judged=None, seed=2, threads=1)
        for _ in range(2)
    )
    np.testing.assert_array_equal(once.right, again.right)
