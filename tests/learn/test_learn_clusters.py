"""k-means: against hand arithmetic, scikit-learn and its own laws."""

import numpy as np
import pytest

from fovea.learn import cluster
from fovea.learn.clusters import RESTARTS

CORNERS = np.array([[0, 0], [0, 2], [10, 0], [10, 2], [10, 4]], np.float32)


def blobs(seed: int, *, n: int = 300, d: int = 8, k: int = 6, spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(k, d)) * 4)[rng.integers(k, size=n)] + rng.normal(size=(n, d)) * spread


def sum_of_squares(rows: np.ndarray, centres: np.ndarray) -> float:
    """Brute force: each row to its nearest centre."""
    return float(((rows[:, None] - centres) ** 2).sum(axis=2).min(axis=1).sum())


def test_two_clusters_of_five_points_by_hand():
    found = cluster(CORNERS, 2)
    assert found.assignment.tolist() == [1, 1, 0, 0, 0]  # the largest first
    assert found.centres == pytest.approx(np.array([[10, 2], [0, 1]]), abs=1e-6)
    assert found.distances == pytest.approx(np.array([1, 1, 2, 0, 2]), abs=1e-6)


def test_one_cluster_lies_at_the_mean():
    found = cluster(CORNERS, 1)
    assert found.assignment.tolist() == [0] * 5
    assert found.centres[0] == pytest.approx(CORNERS.mean(axis=0))


def test_as_many_clusters_as_rows_leave_no_distance():
    found = cluster(CORNERS, 5)
    assert sorted(found.assignment.tolist()) == [0, 1, 2, 3, 4]
    assert found.distances.max() == 0


@pytest.mark.parametrize("k", [2, 6, 15])
def test_sums_of_squares_are_as_small_as_scikit_learns_with_as_many_starts(k):
    from sklearn.cluster import KMeans

    ratios = []
    for seed in range(6):
        rows = blobs(seed)
        theirs = KMeans(k, n_init=RESTARTS, random_state=seed).fit(rows).inertia_
        ratios.append(sum_of_squares(rows, cluster(rows, k, seed=seed).centres) / theirs)
    assert np.mean(ratios) <= 1.01


def test_every_row_belongs_to_its_nearest_centre():
    rows = blobs(3)
    found = cluster(rows, 9)
    far = np.linalg.norm(rows[:, None] - found.centres, axis=2)
    assert (found.assignment == far.argmin(axis=1)).all()
    assert found.distances == pytest.approx(far.min(axis=1), rel=1e-4)


def test_threads_and_repetition_change_nothing():
    rows = blobs(1, n=5000)
    first, again = cluster(rows, 7, threads=1), cluster(rows, 7, threads=3)
    assert (first.assignment == again.assignment).all()
    assert (first.centres == again.centres).all()


def test_a_constant_far_away_changes_no_cluster():
    rows = blobs(2)
    assert (cluster(rows, 6).assignment == cluster(rows + 1000, 6).assignment).all()


def test_no_cluster_is_empty_where_rows_repeat():
    rows = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    found = cluster(rows, 5)
    assert np.bincount(found.assignment).min() >= 1
    assert found.distances.max() == 0


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"^5 rows cannot make 6 clusters; take a number from 1 to 5$"):
        cluster(CORNERS, 6)
    with pytest.raises(ValueError, match=r"^5 rows cannot make 0 clusters; take a number from 1 to 5$"):
        cluster(CORNERS, 0)
