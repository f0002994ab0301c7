"""The graph beside an index: it finds what an exact search finds, and is measured on the index's own pictures."""

import os
from collections.abc import Iterator

import numpy as np
import pytest

from fovea.errors import StoreError
from fovea.features import graph_folder, nearest
from fovea.features.graph_folder import Searcher, read_graph, refine, refresh_graph
from fovea.features.index_folder import CatalogueIndex, open_index
from fovea.features.index_rows import Entry, Made

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
    indices, similarities = refine(rows[:1], rows.__getitem__, np.array([[5, 3, -1, 3]]), k=3, metric="dot")
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


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_graph_that_was_cut_is_done_without_and_made_again(
    index: CatalogueIndex, rows: np.ndarray, share: float
) -> None:
    pytest.importorskip("usearch")
    graph, _ = refresh_graph(index, metric="dot", threads=1)
    assert graph is not None
    with (index.folder / graph.file).open("r+b") as file:
        file.truncate(int(share * graph.n_bytes))
    assert share_found(index, rows, np.arange(N)) == 1
    again, _ = refresh_graph(index, metric="dot", threads=1)
    assert again is not None
    assert again.file != graph.file
    assert share_found(index, rows, np.arange(N)) >= graph_folder.GOAL


def test_where_all_that_a_graph_finds_is_gone_every_picture_is_compared(
    index: CatalogueIndex, rows: np.ndarray
) -> None:
    pytest.importorskip("usearch")
    refresh_graph(index, metric="dot", threads=1)
    query = rows[N : N + 1]
    order, _ = nearest(query, rows[:N], k=N, metric="dot")
    gone = order[0, :100]
    index.append([Entry(str(n), None, "", str(n)) for n in range(N + 1, N + 21)], rows[N + 1 : N + 21])
    index.update([], gone=[str(n) for n in gone])
    found, _ = Searcher(index, metric="dot").search(query, k=10)
    alive = np.setdiff1d(np.arange(N + 20), gone)
    held = np.concatenate([rows[:N], rows[N + 1 : N + 21]])
    np.testing.assert_array_equal(found, nearest(query, held, k=10, metric="dot", among=alive)[0])


def test_what_was_added_last_is_found_where_its_nearest_are_gone(
    index: CatalogueIndex, rows: np.ndarray
) -> None:
    pytest.importorskip("usearch")
    refresh_graph(index, metric="dot", threads=1)
    query = rows[N]
    added = np.concatenate([np.tile(query, (29, 1)), query[None] * 0.99])
    index.append([Entry(f"new {n}", None, "", f"new {n}") for n in range(30)], added)
    index.update([], gone=[f"new {n}" for n in range(29)])
    found, _ = Searcher(index, metric="dot").search(query[None], k=1)
    assert found.tolist() == [[N + 29]]


def test_recall_is_measured_on_what_is_there(index: CatalogueIndex, rows: np.ndarray) -> None:
    pytest.importorskip("usearch")
    refresh_graph(index, metric="dot", threads=1)
    copies = np.repeat(rows[:40], 15, axis=0)
    index.append([Entry(f"copy {n}", None, "", f"copy {n}") for n in range(600)], copies)
    refresh_graph(index, metric="dot", threads=1)
    index.update([], gone=[f"copy {n}" for n in range(600)])
    index.append([Entry(f"new {n}", None, "", f"new {n}") for n in range(200)], rows[N : N + 200])
    graph, _ = refresh_graph(index, metric="dot", threads=1)
    assert graph is not None
    assert graph.recall >= graph_folder.GOAL


def test_a_graph_that_finds_too_little_is_not_used(
    index: CatalogueIndex, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usearch")
    with monkeypatch.context() as patch:
        patch.setattr(
            graph_folder, "refine", lambda *given, **named: (np.full((1, 11), -1), np.zeros((1, 11)))
        )
        graph, note = refresh_graph(index, metric="dot", threads=1)
    assert graph is None
    assert note.startswith(
        "A graph of these numbers finds only 0.0 % of the true ten nearest, so every picture is compared:"
    )
    assert note.endswith(" ms a query. Another --stage or --metric may have nearer neighbours.")
    assert share_found(index, rows, np.arange(N)) == 1
    monkeypatch.setattr(graph_folder, "_make", None)  # it is not made again each time
    assert refresh_graph(index, metric="dot", threads=1) == (None, note)


def test_a_graph_that_cannot_be_written_is_done_without(
    index: CatalogueIndex, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usearch")

    def fail(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(graph_folder.os, "fsync", fail)
    graph, note = refresh_graph(index, metric="dot", threads=1)
    assert graph is None
    assert note.startswith("The graph that makes a search quicker than ")
    assert note.endswith(
        f" ms cannot be written to {str(index.folder)!r}: [Errno 28] No space left on device. Make room there; until then every "
        "picture is compared."
    )
    assert list(index.folder.glob("graph*")) == []
    assert share_found(index, rows, np.arange(N)) == 1


@pytest.mark.parametrize("moment", ["_make", "_tune"])
def test_two_processes_that_make_a_graph_leave_one_that_is_noted(
    index: CatalogueIndex, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    pytest.importorskip("usearch")
    real = getattr(graph_folder, moment)

    def make_another(*given: object, **named: object) -> object:
        monkeypatch.setattr(graph_folder, moment, real)
        found = real(*given, **named)
        with open_index(index.made) as other:  # as another process would meanwhile
            assert refresh_graph(other, metric="dot", threads=1)[0] is not None
        return found

    monkeypatch.setattr(graph_folder, moment, make_another)
    graph, _ = refresh_graph(index, metric="dot", threads=1)
    assert graph is not None
    assert graph == read_graph(index)
    assert [one.name for one in index.folder.glob("graph*")] == [graph.file]
    assert share_found(index, rows, np.arange(N)) >= graph_folder.GOAL


@pytest.mark.parametrize("moment", ["_make", "_tune"])
def test_vectors_that_move_while_a_graph_is_made_are_searched_exactly(
    index: CatalogueIndex, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    pytest.importorskip("usearch")
    real = getattr(graph_folder, moment)

    def clear_meanwhile(*given: object, **named: object) -> object:
        found = real(*given, **named)
        with open_index(index.made) as other:
            other.clear()
            other.append([Entry(str(n), None, "", str(n)) for n in range(50)], rows[50:100])
        return found

    monkeypatch.setattr(graph_folder, moment, clear_meanwhile)
    refresh_graph(index, metric="dot", threads=1)
    assert read_graph(index) is None
    assert list(index.folder.glob("graph*")) == []
    found, _ = Searcher(index, metric="dot").search(rows[50:51], k=1)
    assert found.tolist() == [[0]]


def test_graphs_of_processes_that_were_killed_are_deleted(index: CatalogueIndex) -> None:
    pytest.importorskip("usearch")
    old, young = (index.folder / f"graph-{n}.usearch" for n in (1, 2))
    for file in (old, young):
        file.touch()
    os.utime(old, (1_700_000_000, 1_700_000_000))
    graph, _ = refresh_graph(index, metric="dot", threads=1)
    assert graph is not None
    assert sorted(one.name for one in index.folder.glob("graph*")) == sorted([young.name, graph.file])


def test_vectors_that_are_cut_while_they_are_searched_are_told(
    index: CatalogueIndex, rows: np.ndarray
) -> None:
    pytest.importorskip("usearch")
    refresh_graph(index, metric="dot")
    searcher = Searcher(index, metric="dot", threads=1)
    (file,) = index.folder.glob("vectors-*.f32")
    os.truncate(file, 4 * WIDTH)
    with pytest.raises(StoreError, match=r"row [\d,]+ of its vectors is cut"):
        searcher.search(rows[N : N + 5], k=10)
