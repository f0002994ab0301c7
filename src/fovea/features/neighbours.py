"""The rows of a catalogue that are most like each query: an exact search in bounded memory, in threads of our own.

A blocked matrix product with a running top k. A catalogue may be a memory-mapped file: it is read once for 512 queries.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.features.processor import available_cores

METRICS = ("cosine", "dot", "euclidean")
Rows: TypeAlias = NDArray[np.floating]
Neighbours: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
Spread: TypeAlias = Callable[[Callable[[int], Neighbours], range], Iterable[Neighbours]]

_CELLS = 512 * 1024  # similarities in one product
_ROWS = (
    1024,
    8192,
)  # of the catalogue in one product at least and at most: of few queries more, which costs fewer calls
_QUERIES = 512
_FEW = 4  # queries that are compared one by one, which costs less than one product
_WAVE = 32  # products whose best are held before they are merged
_WORTH = 2e6  # multiplications below which starting threads costs more than it saves


def nearest(
    queries: Rows,
    catalogue: Rows,
    *,
    k: int,
    metric: str = "cosine",
    threads: int | None = None,
    leave_out_self: bool = False,
    among: NDArray[np.int64] | None = None,
) -> Neighbours:
    """Return the k rows of `catalogue` that are most like each query, the best first; of equals the lower row.

    Args:
        queries: float (q, d), finite.
        catalogue: float (n, d), finite, in memory or mapped from a file.
        k: how many; no more than there are come back.
        metric: "cosine" (a row of zeros has 0 with every other), "dot", or "euclidean".
        threads: to search in; None: one a core.
        leave_out_self: the queries are the catalogue, and row i is no answer to query i.
        among: rows of the catalogue (m,), ascending: the others are not looked at; not with `leave_out_self`.

    Returns:
        Row numbers int64 (q, k) and similarities float32 (q, k), higher is more alike: the cosine in [-1, 1], the dot
        product, or minus the Euclidean distance.

    Raises:
        ValueError: an unknown metric, or numbers of columns that differ.
    """
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; there are: {', '.join(METRICS)}")
    if queries.ndim != 2 or catalogue.ndim != 2 or queries.shape[1] != catalogue.shape[1]:
        raise ValueError(f"queries {queries.shape} and catalogue {catalogue.shape} need the same columns")
    n = len(catalogue) if among is None else len(among)
    k = max(0, min(k, n - leave_out_self))
    indices, similarities = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    threads = threads or available_cores()
    is_small = len(queries) * n * catalogue.shape[1] < _WORTH
    with _spreading(1 if is_small else threads, has_products=len(queries) > _FEW) as spread:
        for start in range(0, len(queries) if k else 0, _QUERIES):
            some = slice(start, start + _QUERIES)
            block = _Block(np.asarray(queries[some], np.float32), catalogue, k, metric=metric, among=among)
            if leave_out_self:
                block.own = np.arange(start, start + len(block.queries))
            block.n_rows = max(_ROWS[0], min(_ROWS[1], _CELLS // len(block.queries), -(-n // threads)))
            for wave in range(0, n, _WAVE * block.n_rows):
                starts = range(wave, min(wave + _WAVE * block.n_rows, n), block.n_rows)
                for found in spread(block.search, starts):
                    block.keep(found)
            indices[some], similarities[some] = block.finish()
    return indices, similarities


@contextmanager
def _spreading(threads: int, *, has_products: bool) -> Iterator[Spread]:
    """Give a `map` that works in so many threads; BLAS's own threads, which wait by spinning (lab/LOG.md), are kept out."""
    # Without products none start, and the limit would cost as much as a fifth of a search.
    with _blas().limit(limits=1, user_api="blas") if has_products else nullcontext():
        if threads == 1:
            yield map
            return
        with ThreadPoolExecutor(threads - 1, thread_name_prefix="fovea-search") as pool:
            yield partial(_share, pool, threads - 1)


@cache
def _blas() -> Any:
    """Return what limits BLAS's threads; made once, since looking for the libraries takes as long as a small search."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _share(
    pool: ThreadPoolExecutor, n_others: int, function: Callable[[int], Neighbours], numbers: range
) -> list[Neighbours]:
    """Return the function's answers in order; this thread works too, which is quicker than to wait for one more."""
    todo = iter(range(len(numbers)))
    found: dict[int, Neighbours] = {}

    def work() -> None:
        for at in todo:
            found[at] = function(numbers[at])

    others = [pool.submit(work) for _ in range(min(n_others, len(numbers) - 1))]
    work()
    for one in others:
        one.result()
    return [found[at] for at in range(len(numbers))]


def mean_around(
    similarities: NDArray[np.float32], rows: NDArray[np.float32], *, n: int = 10
) -> NDArray[np.float32]:
    """Return how alike the surroundings of each candidate are to a query: the mean over it and its n nearest candidates.

    Database-side augmentation (Arandjelovic and Zisserman, 2012) without bringing the means to length 1, so that loose
    surroundings count less. `similarities` float32 (m,) are those of a query with `rows` float32 (m, d), of length 1; (m,) comes
    back, higher is more alike. Finds more of a kind, and less surely the very same thing (benchmarks/retrieval.py).
    """
    alike = rows @ rows.T
    np.fill_diagonal(alike, np.inf)
    n = min(n, len(rows) - 1)
    around = np.argpartition(-alike, n, axis=1)[:, : n + 1]
    mean: NDArray[np.float32] = similarities[around].mean(axis=1)
    return mean


class _Block:
    """A few queries and the best that they have found so far, in the order of rows where equal."""

    def __init__(
        self,
        queries: NDArray[np.float32],
        catalogue: Rows,
        k: int,
        *,
        metric: str,
        among: NDArray[np.int64] | None,
    ) -> None:
        self.queries = unit_rows(queries) if metric == "cosine" else queries
        self.catalogue, self.k, self.metric, self.among = catalogue, k, metric, among
        self.own: NDArray[np.int64] | None = None
        self.n_rows = _ROWS[0]
        self.indices = np.empty((len(queries), 0), np.int64)
        self.scores = np.empty((len(queries), 0), np.float32)

    def search(self, start: int) -> Neighbours:
        """Return the best of the rows from `start` on, each query's in the order of rows."""
        some = slice(start, start + self.n_rows)
        rows = np.asarray(self.catalogue[some if self.among is None else self.among[some]], np.float32)
        if len(self.queries) > _FEW:
            scores = self.queries @ rows.T
        else:
            scores = np.stack([_row_products(rows, query) for query in self.queries])
        if self.metric == "cosine":
            scores *= _inverse_lengths(rows)
        elif self.metric == "euclidean":  # minus half the squared distance, but for the same term in all rows
            scores -= _row_products(rows, rows) / 2
        if self.own is not None:
            mine = np.flatnonzero((self.own >= start) & (self.own < start + len(rows)))
            scores[mine, self.own[mine] - start] = -np.inf
        best = _largest(scores, k=self.k)
        numbers = best + start if self.among is None else self.among[best + start]
        return numbers, np.take_along_axis(scores, best, axis=1)

    def keep(self, found: Neighbours) -> None:
        """Merge the best of further rows, which come after those before."""
        indices = np.concatenate((self.indices, found[0]), axis=1)
        scores = np.concatenate((self.scores, found[1]), axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.k]
        self.indices = np.take_along_axis(indices, order, axis=1)
        self.scores = np.take_along_axis(scores, order, axis=1)

    def finish(self) -> Neighbours:
        """Return the best and their similarities."""
        if self.metric == "cosine":
            return self.indices, np.clip(self.scores, -1, 1)
        if self.metric == "dot":
            return self.indices, self.scores
        similarities = np.empty_like(self.scores)
        for query, best, out in zip(self.queries, self.indices, similarities, strict=True):
            # by differences: what a product of float32 leaves of a small distance is rounding
            out[:] = -np.linalg.norm(np.asarray(self.catalogue[best], np.float32) - query, axis=1)
        order = np.lexsort((self.indices, -similarities), axis=1)
        best = np.take_along_axis(self.indices, order, axis=1)
        return best, np.take_along_axis(similarities, order, axis=1)


def _largest(scores: NDArray[np.float32], *, k: int) -> NDArray[np.int64]:
    """Return the columns of the k largest of each row (q, min(k, n)), ascending; of equals the first."""
    n = scores.shape[1]
    if n <= k:
        return np.broadcast_to(np.arange(n), scores.shape)
    kth = np.partition(scores, n - k, axis=1)[:, n - k, None]
    kept = scores >= kth
    if np.count_nonzero(kept) > k * len(scores):  # more equals of the last than there is room for
        above = scores > kth
        equal = kept & ~above
        kept = above | (equal & (np.cumsum(equal, axis=1) <= k - above.sum(axis=1, keepdims=True)))
    return np.nonzero(kept)[1].reshape(len(scores), k)


def _inverse_lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one over the length of each row (n,); 0 for a row of zeros."""
    lengths = np.sqrt(_row_products(rows, rows))
    inverse: NDArray[np.float32] = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return inverse


def _row_products(rows: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the product of each row (n, d) with its own of `others`, or with the one that this is (n,)."""
    if hasattr(
        np, "vecdot"
    ):  # numpy 2: as quick as the memory, a product of matrices takes 1.8 times as long
        quick: NDArray[np.float32] = np.vecdot(rows, others)
        return quick
    slow: NDArray[np.float32] = np.einsum("nd,nd->n" if others.ndim == 2 else "nd,d->n", rows, others)
    return slow


def unit_rows(rows: Rows) -> NDArray[np.float32]:
    """Return rows of length 1, float32 (n, d); a row of zeros stays zero."""
    single = np.asarray(rows, np.float32)
    return single * _inverse_lengths(single)[:, None]
