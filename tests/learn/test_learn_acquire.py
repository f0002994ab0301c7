"""What to label next: typical pictures of groups without a label, then doubtful and different ones; the truth is never used."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.features import Stage
from fovea.learn import is_early, labelling_space, margins_of, pick_typical, pick_unsure


@pytest.fixture
def blobs() -> NDArray[np.float32]:
    """Return 60 rows: groups of 30, 20 and 10 at three places, the first row of each in the middle of a ring of the others."""
    rows = []
    for place, n in (((0.0, 0.0), 30), ((10.0, 0.0), 20), ((0.0, 10.0), 10)):
        turns = np.arange(n - 1) / (n - 1) * 2 * np.pi + 0.1
        ring = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        rows.append(place + np.concatenate([np.zeros((1, 2)), ring]))
    return np.concatenate(rows).astype(np.float32)


def masks(labelled: list[int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    known = np.zeros(60, bool)
    known[labelled] = True
    return known, ~known


def test_the_middle_of_each_group_is_typical_and_the_largest_group_first(blobs: NDArray[np.float32]) -> None:
    labelled, free = masks([])
    picks = pick_typical(blobs, n=3, labelled=labelled, free=free)
    assert picks.rows.tolist() == [0, 30, 50]
    assert picks.n_like.tolist() == [30, 20, 10]


def test_groups_that_have_a_label_come_last(blobs: NDArray[np.float32]) -> None:
    labelled, free = masks([0])
    groups = [0] * 30 + [1] * 20 + [2] * 10
    first = pick_typical(blobs, n=2, labelled=labelled, free=free).rows
    assert sorted(groups[k] for k in first.tolist()) == [1, 2]


def test_nothing_is_picked_that_is_not_free_and_nothing_twice(blobs: NDArray[np.float32]) -> None:
    labelled, free = masks([0, 30])
    free[::2] = False
    rows = pick_typical(blobs, n=40, labelled=labelled, free=free).rows
    assert sorted(rows.tolist()) == np.flatnonzero(free).tolist()


def test_typical_rows_do_not_depend_on_the_order_of_columns(blobs: NDArray[np.float32]) -> None:
    labelled, free = masks([])
    ways = [
        pick_typical(rows, n=3, labelled=labelled, free=free).rows.tolist()
        for rows in (blobs, np.ascontiguousarray(blobs[:, ::-1]))
    ]
    assert ways[0] == ways[1]


def test_of_each_doubtful_group_the_most_doubtful_is_asked(blobs: NDArray[np.float32]) -> None:
    margins = np.full(60, 0.9)
    margins[[5, 6, 35, 36, 55, 56]] = [0.10, 0.12, 0.04, 0.06, 0.08, 0.09]
    probabilities = np.stack([0.5 + margins / 2, 0.5 - margins / 2], axis=1)
    picks = pick_unsure(blobs, probabilities, n=3, free=np.ones(60, bool) & (margins < 0.5))
    assert picks.rows.tolist() == [35, 55, 5]
    assert picks.n_like.tolist() == [2, 2, 2]


def test_sure_rows_are_not_asked_about(blobs: NDArray[np.float32]) -> None:
    margins = np.linspace(0, 1, 60)
    probabilities = np.stack([0.5 + margins / 2, 0.5 - margins / 2], axis=1)
    assert pick_unsure(blobs, probabilities, n=4, free=np.ones(60, bool)).rows.max() < 5 * 4


def test_fewer_free_rows_than_asked_for_are_all_picked(blobs: NDArray[np.float32]) -> None:
    free = np.zeros(60, bool)
    free[[3, 40]] = True
    uniform = np.full((60, 3), 1 / 3)
    assert sorted(pick_unsure(blobs, uniform, n=9, free=free).rows.tolist()) == [3, 40]
    assert len(pick_unsure(blobs, uniform, n=9, free=np.zeros(60, bool)).rows) == 0


def test_margins_are_between_the_two_likeliest() -> None:
    assert margins_of(np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])).tolist() == pytest.approx([0.2, 0.4])


@pytest.mark.parametrize(("n", "k", "early"), [(0, 0, True), (500, 1, True), (44, 9, True), (45, 9, False)])
def test_labels_are_few_below_five_a_class(n: int, k: int, early: bool) -> None:
    assert is_early(n, n_classes=k) is early


def test_the_space_holds_the_standardised_columns_in_their_leading_directions() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(40, 3)) @ rng.normal(size=(3, 12)) * rng.uniform(1, 9, 12) + 5).astype(
        np.float32
    )
    space = labelling_space([features[:30], features[30:]], stages=(Stage("last", 0, 12),), threads=1)
    z = (features - features[:30].mean(0)) / features[:30].std(0)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    np.testing.assert_allclose(space @ space.T, z @ z.T, atol=2e-3)


def test_pictures_without_any_difference_have_a_place() -> None:
    space = labelling_space([np.ones((6, 4), np.float32)], stages=(Stage("last", 0, 4),), threads=1)
    assert np.isfinite(space).all()
