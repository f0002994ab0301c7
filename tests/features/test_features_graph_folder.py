"""The graph beside an index: it finds what an exact search finds, and is measured on the index's own pictures."""

from collections.abc import Iterator

import numpy as np
import pytest

from fovea.features import graph_folder, nearest
from fovea.features.graph_folder import Searcher, read_graph, refine, refresh_graph
from fovea.features.index_folder import CatalogueIndex, Entry, Made, open_index

N, WIDTH = 600, 32


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_folder, "WORTH_BYTES", 0)
    monkeypatch.setattr(graph_folder, "SLOW_MS", -1.0)


@pytest.fixture
def rows() -> np.ndarray:
    generator = np.random.default_rng(0)
    drawn = generator.normal(size=(40, WIDTH))[generator.integers(0, 40, 2 * N)]
    drawn += 0.5 * generator.normal(size=drawn.shape)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def index(rows: np.ndarray) -> Iterator[CatalogueIndex]:
    with open_index(Made("/photos", "net", "f32", "f" * 64, "default", WIDTH)) as opened:
        opened.append(
            [Entry(str(n), "even" if n % 2 == 0 else "odd", "", str(n)) for n in range(N)], rows[:N]
        )
        yield opened


def share_found(index: CatalogueIndex, rows: np.ndarray, alive: np.ndarray, metric: str = "dot") -> float:
    queries = rows[N : N + 50]
    found, _ = Searcher(index, metric=metric, threads=1).search(queries, k=10)
    true, _ = nearest(queries, rows, k=10, metric=metric, among=alive)
    return float(
        np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.tolist(), true.tolist(), strict=True)])
    )


def test_without_the_extra_a_slow_search_says_what_would_help(
    index: CatalogueIndex, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_folder, "find_spec", lambda name: None)
    graph, note = refresh_graph(index, metric="dot")
    assert graph is None
    assert note.startswith("An exact search takes ")
    assert note.endswith(' ms here; with pip install "fovea-vision[search]" a graph makes it quicker.')
    assert share_found(index, rows, np.arange(N)) == 1


def test_a_quick_search_needs_no_graph(index: CatalogueIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_folder, "SLOW_MS", 1e9)
    assert refresh_graph(index, metric="dot") == (None, "")
    monkeypatch.setattr(graph_folder, "nearest", None)  # what was measured is remembered
    assert refresh_graph(index, metric="dot") == (None, "")


def test_what_was_found_is_compared_again_by_the_rows_themselves(rows: np.ndarray) -> None:
    indices, similarities = refine(rows[:1], rows, np.array([[5, 3, -1, 3]]), k=3, metric="dot")
    order = sorted([3, 5], key=lambda slot: -float(rows[0] @ rows[slot]))
    assert indices.tolist() == [[*order, -1]]
    np.testing.assert_allclose(similarities[0, :2], [rows[0] @ rows[slot] for slot in order], rtol=1e-5)


@pytest.mark.parametrize("metric", ["dot", "euclidean"])
def test_the_graph_finds_what_is_nearest_and_tells_how_often(
    index: CatalogueIndex, rows: np.ndarray, metric: str
) -> None:
    pytest.importorskip("usearch")
    graph, note = refresh_graph(index, metric=metric, threads=1)
    assert note == ""
    assert graph is not None
    assert graph == read_graph(index)
    assert graph.recall >= graph_folder.GOAL
    assert graph.n_sample == 200
    assert share_found(index, rows, np.arange(N), metric) >= graph_folder.GOAL


def test_pictures_added_and_gone_since_are_followed(index: CatalogueIndex, rows: np.ndarray) -> None:
    pytest.importorskip("usearch")
    first, _ = refresh_graph(index, metric="dot", threads=1)
    assert first is not None
    index.append([Entry(str(n), None, "", str(n)) for n in range(N, N + 20)], rows[N : N + 20])
    index.update([], gone=[str(n) for n in range(100)])
    assert refresh_graph(index, metric="dot", threads=1)[0] == first  # few enough to be searched beside it
    alive = np.arange(100, N + 20)
    assert share_found(index, rows, alive) >= graph_folder.GOAL
    index.append([Entry(str(n), None, "", str(n)) for n in range(N + 20, N + 200)], rows[N + 20 : N + 200])
    second, _ = refresh_graph(index, metric="dot", threads=1)
    assert second is not None
    assert (second.n_slots, second.scale) == (N + 200, first.scale)
    assert share_found(index, rows, np.arange(100, N + 200)) >= graph_folder.GOAL
    assert [one.name for one in index.folder.glob("graph*")] == [second.file]


def test_a_filter_is_searched_exactly(index: CatalogueIndex, rows: np.ndarray) -> None:
    pytest.importorskip("usearch")
    refresh_graph(index, metric="dot", threads=1)
    found, _ = Searcher(index, metric="dot").search(rows[N : N + 5], k=10, where={"label": "odd"})
    true, _ = nearest(rows[N : N + 5], rows, k=10, metric="dot", among=np.arange(1, N, 2))
    np.testing.assert_array_equal(found, true)


def test_a_graph_that_was_cut_is_done_without(index: CatalogueIndex, rows: np.ndarray) -> None:
    pytest.importorskip("usearch")
    graph, _ = refresh_graph(index, metric="dot", threads=1)
    assert graph is not None
    (index.folder / graph.file).write_bytes(b"cut")
    assert share_found(index, rows, np.arange(N)) == 1
