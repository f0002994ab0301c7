"""The exact search against brute force in float64, and the laws that it keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from fovea.features import METRICS, mean_around, nearest, neighbours, unit_rows


def draw(n: int, d: int = 8, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def brute(queries: np.ndarray, catalogue: np.ndarray, metric: str) -> np.ndarray:
    """Every similarity (q, n), by its definition."""
    a, b = queries[:, None].astype(np.float64), catalogue[None].astype(np.float64)
    if metric == "euclidean":
        return -np.linalg.norm(a - b, axis=2)
    dots = (a * b).sum(2)
    return dots if metric == "dot" else dots / np.linalg.norm(a, axis=2) / np.linalg.norm(b, axis=2)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_nearest_are_those_of_brute_force(metric: str, threads: int) -> None:
    queries, catalogue = draw(520, seed=1), draw(1100, seed=2)
    indices, similarities = nearest(queries, catalogue, k=7, metric=metric, threads=threads)
    exact = brute(queries, catalogue, metric)
    order = np.argsort(-exact, axis=1)[:, :7]
    np.testing.assert_allclose(similarities, np.take_along_axis(exact, order, 1), atol=2e-6)
    np.testing.assert_array_equal(indices, order)
    assert (indices.dtype, similarities.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("metric", METRICS)
def test_few_queries_find_the_same_as_many(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, catalogue = draw(6, seed=1), draw(2000, seed=2)
    many, alike = nearest(queries, catalogue, k=5, metric=metric)
    for threads in (1, 2):
        few = [nearest(queries[k : k + 1], catalogue, k=5, metric=metric, threads=threads) for k in range(6)]
        np.testing.assert_array_equal(np.concatenate([one[0] for one in few]), many)
        np.testing.assert_allclose(np.concatenate([one[1] for one in few]), alike, atol=1e-5)
        monkeypatch.setattr(neighbours, "_WORTH", 0)
        monkeypatch.delattr(np, "vecdot", raising=False)


def test_blocks_and_waves_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, catalogue = draw(40, seed=1), draw(300, seed=2)
    whole = nearest(queries, catalogue, k=9)
    for name, value in (("_ROWS", (7, 7)), ("_QUERIES", 11), ("_WAVE", 3), ("_WORTH", 0)):
        monkeypatch.setattr(neighbours, name, value)
    parts = nearest(queries, catalogue, k=9, threads=2)
    np.testing.assert_array_equal(parts[0], whole[0])
    np.testing.assert_allclose(parts[1], whole[1], atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 6))
def test_of_equals_the_lower_row_comes_first(seed: int, k: int, rows: int) -> None:
    generator = np.random.default_rng(seed)
    queries, catalogue = generator.integers(-1, 2, (5, 2)), generator.integers(-1, 2, (20, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_ROWS", (rows, rows))
        indices, _ = nearest(queries.astype(np.float32), catalogue.astype(np.float32), k=k, metric="dot")
    expected = np.argsort(-(queries @ catalogue.T), axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(indices, expected)


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_is_no_answer_to_itself(metric: str) -> None:
    rows = draw(1500)
    indices, _ = nearest(rows, rows, k=5, metric=metric, leave_out_self=True)
    assert not (indices == np.arange(1500)[:, None]).any()
    exact = brute(rows[:50], rows, metric)
    exact[np.arange(50), np.arange(50)] = -np.inf
    np.testing.assert_array_equal(indices[:50], np.argsort(-exact, axis=1)[:, :5])


def test_a_row_of_zeros_has_the_cosine_zero_with_all() -> None:
    catalogue = np.array([[0, 0], [-1, 0], [2, 0]], np.float32)
    indices, similarities = nearest(np.array([[3, 0], [0, 0]], np.float32), catalogue, k=3)
    np.testing.assert_array_equal(indices, [[2, 0, 1], [0, 1, 2]])
    np.testing.assert_array_equal(similarities, [[1, 0, -1], [0, 0, 0]])


def test_a_copy_is_at_no_distance_at_all() -> None:
    catalogue = draw(30) + 1000  # where a difference of squares would be rounding alone
    indices, similarities = nearest(catalogue[:3], catalogue, k=1, metric="euclidean")
    np.testing.assert_array_equal(indices[:, 0], [0, 1, 2])
    np.testing.assert_array_equal(similarities, 0)


def test_no_more_come_back_than_there_are() -> None:
    rows = draw(4)
    assert nearest(rows, rows, k=10)[0].shape == (4, 4)
    assert nearest(rows, rows, k=10, leave_out_self=True)[0].shape == (4, 3)
    assert nearest(rows[:0], rows, k=2)[0].shape == (0, 2)
    assert nearest(rows, rows[:0], k=2)[0].shape == (4, 0)


def test_a_mapped_file_of_halves_is_searched_as_it_lies(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rows = draw(50).astype(np.float16)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    np.testing.assert_array_equal(nearest(rows, mapped, k=4)[0], nearest(rows, rows, k=4)[0])


def test_an_unknown_metric_and_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="metric is 'cosin'; there are: cosine, dot, euclidean"):
        nearest(draw(2), draw(2), k=1, metric="cosin")
    with pytest.raises(ValueError, match=r"queries \(2, 8\) and catalogue \(2, 9\) need the same columns"):
        nearest(draw(2), draw(2, 9), k=1)


def test_only_the_rows_asked_for_are_looked_at() -> None:
    queries, catalogue = draw(5, seed=1), draw(3000, seed=2)
    among = np.arange(1, 3000, 2)
    indices, similarities = nearest(queries, catalogue, k=6, among=among)
    there, expected = nearest(queries, catalogue[among], k=6)
    np.testing.assert_array_equal(indices, among[there])
    np.testing.assert_array_equal(similarities, expected)


def test_the_surroundings_of_a_row_are_itself_and_its_nearest() -> None:
    rows = unit_rows(np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 0.3]], np.float32))
    similarities = np.array([0.9, 0.6, 0.8, 0.2, 0.3], np.float32)
    expected = [(0.9 + 0.6) / 2, (0.6 + 0.9) / 2, (0.8 + 0.2) / 2, (0.2 + 0.8) / 2, (0.3 + 0.6) / 2]
    np.testing.assert_allclose(mean_around(similarities, rows, n=1), expected, rtol=1e-5)
    np.testing.assert_allclose(mean_around(similarities, rows, n=9), similarities.mean(), rtol=1e-5)


def test_copies_of_a_row_are_around_it_and_it_is_too() -> None:
    rows = np.ones((4, 1), np.float32)
    found = mean_around(np.array([1, 0, 0, 0], np.float32), rows, n=1)
    assert found[0] == 0.5


class Watched(np.ndarray):
    """Rows that note how many threads BLAS may start whenever some are read."""

    seen: list[int]

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        self.seen += [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]
        return np.asarray(self)[key]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [40, 4000])
def test_blas_starts_no_threads_of_its_own(threads: int, n: int) -> None:
    rows = draw(n, 64).view(Watched)
    rows.seen = []
    with threadpool_limits(2, user_api="blas"):
        nearest(draw(20, 64, seed=1), rows, k=3, threads=threads)
        after = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
    assert set(rows.seen) == {1}
    assert after == {2}
