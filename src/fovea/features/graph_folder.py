"""A graph beside an index (HNSW: Malkov and Yashunin, 2016), for catalogues that an exact search takes too long for.

Its rows are compressed to a byte a number; what it finds is compared again by the index's own. How often it finds what an
exact search would is measured on the catalogue itself when it is made. Extra `search` (usearch).
"""

import os
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import StoreError
from fovea.features.index_folder import CatalogueIndex
from fovea.features.neighbours import Neighbours, nearest
from fovea.features.processor import available_cores
from fovea.progress import Progress, silent

SLOW_MS = 20.0
"""An exact search of one query that takes longer is left to a graph."""
WORTH_BYTES = 64 * 2**20  # of vectors below which no computer takes that long
GOAL = 0.95
_AIMED = 0.97  # on the sample, so that other queries find the goal too
_SAMPLE, _K = 200, 10
_EXPANSIONS = (64, 128, 256, 512, 1024)
_FRESH = 0.05  # the share of rows that a graph may lack: they are searched exactly
_BLOCK = 8192
_LEFT_SECONDS = 3600.0  # a graph that nobody has noted for so long was left by a process that was killed
_KINDS = {"dot": "ip", "euclidean": "l2sq"}


@dataclass(frozen=True, slots=True)
class Graph:
    """What is known of a graph: its file, the rows it holds, and what was measured on `n_sample` of them.

    `recall` is the share of the true ten nearest that it finds; `graph_ms` and `exact_ms` are medians of one query. `scale` is
    what numbers were multiplied by to become bytes, `expansion` how far it looks around; `n_bytes` is the file's size.
    """

    file: str
    vectors: str
    n_slots: int
    scale: float
    expansion: int
    recall: float
    graph_ms: float
    exact_ms: float
    n_sample: int
    n_bytes: int = 0

    @property
    def is_good(self) -> bool:
        """Whether it finds enough to be used; else every row is compared."""
        return self.recall >= GOAL


def read_graph(index: CatalogueIndex) -> Graph | None:
    """Return the graph of an index; None where there is none."""
    told = index.read_meta("graph")
    return None if told is None else Graph(**told)


def refresh_graph(
    index: CatalogueIndex, *, metric: str, threads: int | None = None, progress: Progress = silent
) -> tuple[Graph | None, str]:
    """Make or extend the graph of an index where an exact search is slow; return it, and a sentence for the user or "".

    `metric` is "dot" or "euclidean". Nothing is done where the graph there is lacks few rows. None where there is none, or
    none that finds GOAL of the nearest.
    """
    with index.reading():
        vectors, known = index.read_vectors(), read_graph(index)
        is_there = known is not None and _open(index, known) is not None
    if known and is_there and len(vectors) - known.n_slots <= _FRESH * len(vectors):
        return _judged(known)
    if vectors.nbytes < WORTH_BYTES:
        return None, ""
    exact_ms = _exact_ms(index, vectors, metric=metric, threads=threads)
    if exact_ms <= SLOW_MS:
        return None, ""
    if find_spec("usearch") is None:
        return None, (
            f'An exact search takes {exact_ms:.0f} ms here; with pip install "fovea-vision[search]" a graph makes it quicker.'
        )
    with index.reading():
        rows = _Rows(index.read_meta("vectors"), index.slots(), index.read_vectors(), metric, threads)
    try:
        made = _make(index, rows, known=known, progress=progress)
    except (OSError, RuntimeError) as error:  # usearch raises the latter
        if isinstance(error, StoreError):
            raise
        return None, (
            f"The graph that makes a search quicker than {exact_ms:.0f} ms cannot be written to {str(index.folder)!r}: {error}. "
            "Make room there; until then every picture is compared."
        )
    graph = _tune(index, made, rows, exact_ms=exact_ms)
    if graph is None:  # another process moved the vectors meanwhile, and makes a graph of its own
        _unlink(index.folder / made.file)
        return None, ""
    index.write_graph(asdict(graph))
    _sweep(index, kept=graph.file)
    return _judged(graph)


def _judged(graph: Graph) -> tuple[Graph | None, str]:
    if graph.is_good:
        return graph, ""
    return None, (
        f"A graph of these numbers finds only {100 * graph.recall:.1f} % of the true ten nearest, so every picture is compared: "
        f"some {graph.exact_ms:.0f} ms a query. Another --stage or --metric may have nearer neighbours."
    )


def _sweep(index: CatalogueIndex, *, kept: str) -> None:
    """Delete the graphs that processes left which were killed before they noted them."""
    noted, long_ago = read_graph(index), time.time() - _LEFT_SECONDS
    for file in index.folder.glob("graph-*.usearch"):
        with suppress(OSError):
            if file.name not in (kept, noted and noted.file) and file.stat().st_mtime < long_ago:
                file.unlink()


def _unlink(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


class Searcher:
    """An index as it is now, ready to be searched many times: vectors and graph are mapped once.

    `metric` is how its rows are compared, see `nearest`. Make and use it in one `index.reading()`: what others write meanwhile
    is not seen then.
    """

    def __init__(self, index: CatalogueIndex, *, metric: str, threads: int | None = None) -> None:
        self._index, self._metric, self._threads = index, metric, threads
        self._vectors = index.read_vectors()
        graph = read_graph(index)
        self._graph = graph if graph and graph.is_good else None
        self._opened = None if self._graph is None else _open(index, self._graph)
        if self._opened is not None:
            self._file = os.open(index.folder / index.read_meta("vectors"), os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)

    def search(
        self, queries: NDArray[np.float32], *, k: int, where: Mapping[str, str] | None = None
    ) -> Neighbours:
        """Return the slots of the k pictures most like each query (q, width), and similarities; see `nearest`.

        By the graph where there is one and every picture is looked at, else exactly. Slot -1: there are no more.
        """
        if self._opened is None or self._graph is None or where:
            return self._search_exactly(queries, k=k, where=where)
        indices, similarities, is_short = self._search_graph(queries, self._graph, k=k)
        if is_short.any():
            exact = self._search_exactly(queries[is_short], k=k, where=None)
            n = exact[0].shape[1]
            indices[is_short, :n], similarities[is_short, :n] = exact
        return indices, similarities

    def _search_graph(
        self, queries: NDArray[np.float32], graph: Graph, *, k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
        """Return slots, similarities and, for each query, whether too much of what the graph holds nearest is gone."""
        found = _ask(self._opened, queries, graph, n=min(4 * k + _K, graph.n_slots), threads=self._threads)
        has_gaps, fresh = self._index.has_gaps, np.arange(graph.n_slots, len(self._vectors))
        if has_gaps:
            found = np.where(np.isin(found, list(self._index.read(np.unique(found).tolist()))), found, -1)
            fresh = self._index.slots(first=graph.n_slots)
        n_there = self._index.read_meta("n_pictures") - len(fresh)
        is_short = (found >= 0).sum(axis=1) < min(k, n_there)
        if len(fresh):
            newest, _ = nearest(
                queries, self._vectors, k=k, metric=self._metric, threads=self._threads, among=fresh
            )
            found = np.concatenate([found, newest], axis=1)
        return *refine(queries, self._take, found, k=k, metric=self._metric), is_short

    def _take(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of some slots (m, width), read: where a file is mapped, each brings what lies around it into memory.

        Raises StoreError where the file was cut.
        """
        rows = np.empty((len(slots), self._vectors.shape[1]), np.float32)
        for row, slot in zip(rows, slots.tolist(), strict=True):
            if os.preadv(self._file, [row.data], slot * row.nbytes) != row.nbytes:
                raise self._index.damage(f"row {slot:,} of its vectors is cut")
        return rows

    def _search_exactly(
        self, queries: NDArray[np.float32], *, k: int, where: Mapping[str, str] | None
    ) -> Neighbours:
        among = self._index.slots(where) if where or self._index.has_gaps else None
        return nearest(queries, self._vectors, k=k, metric=self._metric, threads=self._threads, among=among)


def refine(
    queries: NDArray[np.float32],
    take: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    found: NDArray[np.int64],
    *,
    k: int,
    metric: str,
) -> Neighbours:
    """Compare each query (q, d) with the rows found for it (q, m), -1 for none, and keep the best k; `take` gives the rows."""
    indices = np.full((len(queries), k), -1, np.int64)
    similarities = np.full((len(queries), k), -np.inf, np.float32)
    for at, query in enumerate(queries):
        there = np.unique(found[at][found[at] >= 0])
        best, alike = nearest(query[None], take(there), k=k, metric=metric, threads=1)
        indices[at, : best.shape[1]], similarities[at, : best.shape[1]] = there[best[0]], alike[0]
    return indices, similarities


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a graph is made of: the file of the vectors, its rows in use and all of them, and how they are compared."""

    file: str
    slots: NDArray[np.int64]
    vectors: NDArray[np.float32]
    metric: str
    threads: int | None


def _make(index: CatalogueIndex, rows: _Rows, *, known: Graph | None, progress: Progress) -> Graph:
    """Write a graph of all rows, or what was there with the new rows added. Raises OSError, RuntimeError."""
    from usearch.index import Index

    graph = None if known is None else _open(index, known, to_write=True)
    if graph is None or known is None:
        graph = Index(ndim=rows.vectors.shape[1], metric=_KINDS[rows.metric], dtype="i8")
        first, scale = 0, _scale(rows.vectors, rows.slots)
    else:
        first, scale = known.n_slots, known.scale
    todo = rows.slots[rows.slots >= first]
    for start in range(0, len(todo), _BLOCK):
        progress("graph", start, len(todo))
        some = todo[start : start + _BLOCK]
        keys, values = some.astype(np.uint64), _to_bytes(rows.vectors[some], scale)
        graph.add(keys, values, threads=rows.threads or available_cores())
    progress("graph", len(todo), len(todo))
    file = index.folder / f"graph-{time.time_ns()}.usearch"  # no other has this name
    try:
        graph.save(str(file))
        with file.open("r+b") as written:
            os.fsync(written.fileno())
    except BaseException:
        _unlink(file)
        raise
    n_bytes = file.stat().st_size
    return Graph(
        file.name, rows.file, len(rows.vectors), scale, _EXPANSIONS[0], 0.0, 0.0, 0.0, 0, n_bytes=n_bytes
    )


def _tune(index: CatalogueIndex, graph: Graph, rows: _Rows, *, exact_ms: float) -> Graph | None:
    """Measure recall on rows of the catalogue, each looked for among the others, and look around until it is enough.

    None where the graph cannot be opened.
    """
    slots, vectors, opened = rows.slots, rows.vectors, _open(index, graph)
    if opened is None:
        return None
    sample = np.sort(np.random.default_rng(0).choice(slots, min(_SAMPLE, len(slots)), replace=False))
    queries = np.asarray(vectors[sample])
    true, _ = nearest(queries, vectors, k=_K + 1, metric=rows.metric, threads=rows.threads, among=slots)
    is_there = np.zeros(len(vectors) + 1, bool)  # the last is for "none", -1
    is_there[slots] = True
    for expansion in _EXPANSIONS:
        graph = replace(graph, expansion=expansion)
        took, hits = [], 0
        for query, own, best in zip(queries, sample, true, strict=True):
            begun = time.perf_counter()
            found = _ask(opened, query[None], graph, n=min(4 * _K + _K, len(slots)), threads=1)
            found[~is_there[found]] = -1  # a graph that was extended holds what is gone
            near, _ = refine(query[None], vectors.__getitem__, found, k=_K + 1, metric=rows.metric)
            took.append(time.perf_counter() - begun)
            wanted = [slot for slot in best.tolist() if slot != own][:_K]
            hits += len(set(wanted) & set(near[0].tolist()))
        recall = hits / (len(sample) * min(_K, len(slots) - 1))
        graph_ms = float(np.median(took) * 1000)
        if recall >= _AIMED:
            break
    return replace(
        graph,
        recall=round(recall, 4),
        graph_ms=round(graph_ms, 3),
        exact_ms=round(exact_ms, 3),
        n_sample=len(sample),
    )


def _open(index: CatalogueIndex, graph: Graph, *, to_write: bool = False) -> Any:
    """Return a graph of the library, mapped from its file unless `to_write`; None where that is not possible."""
    if find_spec("usearch") is None or graph.vectors != index.read_meta("vectors"):
        return None
    from usearch.index import Index

    file = index.folder / graph.file
    try:
        if file.stat().st_size != graph.n_bytes:
            return None
        opened = Index.restore(str(file), view=not to_write)
    except (RuntimeError, OSError, ValueError):  # cut or gone: an exact search answers as well
        return None
    return opened


def _ask(
    opened: Any, queries: NDArray[np.float32], graph: Graph, *, n: int, threads: int | None
) -> NDArray[np.int64]:
    """Return the slots of what the graph holds nearest (q, n), -1 where it gave fewer."""
    opened.expansion_search = max(graph.expansion, n)
    found = opened.search(_to_bytes(queries, graph.scale), n, threads=threads or available_cores())
    keys = np.atleast_2d(np.asarray(found.keys)).astype(np.int64)
    counts = np.atleast_1d(getattr(found, "counts", np.full(len(keys), keys.shape[1])))
    keys[np.arange(keys.shape[1])[None] >= counts[:, None]] = -1
    return keys


def _scale(vectors: NDArray[np.float32], slots: NDArray[np.int64]) -> float:
    """Return what makes bytes of numbers: all but the largest one in a thousand fit."""
    some = vectors[slots[:: max(1, len(slots) // 2000)]]
    largest = float(np.quantile(np.abs(some), 0.999))
    return 127 / largest if largest > 0 else 1.0


def _to_bytes(rows: NDArray[np.float32], scale: float) -> NDArray[np.int8]:
    whole: NDArray[np.int8] = np.clip(np.rint(rows * np.float32(scale)), -127, 127).astype(np.int8)
    return whole


def _exact_ms(
    index: CatalogueIndex, vectors: NDArray[np.float32], *, metric: str, threads: int | None
) -> float:
    """Return the milliseconds that one query takes, as noted, or measured where there are other rows since.

    The median of three, after one that warms up.
    """
    noted = index.read_meta("timed")
    if noted is not None and abs(len(vectors) - noted["n_slots"]) <= _FRESH * len(vectors):
        return float(noted["exact_ms"])
    took: list[float] = []
    for _ in range(4):
        begun = time.perf_counter()
        nearest(np.asarray(vectors[:1]), vectors, k=_K, metric=metric, threads=threads)
        took.append(time.perf_counter() - begun)
    exact_ms = float(np.median(took[1:]) * 1000)
    index.write_meta(timed={"n_slots": len(vectors), "exact_ms": exact_ms})
    return exact_ms
