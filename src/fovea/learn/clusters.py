"""Rows into a given number of clusters: k-means on float arrays (n, d), the same answer for the same input and seed.

Rows are compared as they are given: scaling or turning them is the caller's. Which number fits is learn/groups.py's.
"""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from fovea.features import available_cores
from fovea.learn.probe.products import Reals, computing, each

RESTARTS = 4
MAX_ITERATIONS = 100
LEAST_GAIN = 1e-5  # of the sum of squares in a round: less is not worth another
BLOCK_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Clusters:
    """`assignment` int64 (n,), 0 to k - 1, the largest cluster first, none of them empty; `centres` float32 (k, d).

    `distances` float32 (n,): how far each row is from its centre (Euclidean, 0 upwards).
    """

    assignment: NDArray[np.int64]
    centres: NDArray[np.float32]
    distances: NDArray[np.float32]


def cluster(features: Reals, n_clusters: int, *, seed: int = 0, threads: int | None = None) -> Clusters:
    """Return the clusters of features (n, d) with the least sum of squares that a few starts find.

    Each start takes rows far from those taken (k-means++, Arthur and Vassilvitskii 2007, the best of a few candidates
    each time) and moves centres to the means of their rows until little changes (Lloyd 1982).

    Raises:
        ValueError: `n_clusters` is not within 1 and the number of rows.
    """
    n = len(features)
    if not 1 <= n_clusters <= n:
        raise ValueError(f"{n:,} rows cannot make {n_clusters:,} clusters; take a number from 1 to {n:,}")
    middle = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows = features.astype(np.float32) - middle  # products of small numbers lose less
    squares = np.einsum("nd,nd->n", rows, rows)
    with computing(threads or available_cores()):
        found = [
            _descend(rows, _start(rows, squares, n_clusters, rng=np.random.default_rng((seed, k))))
            for k in range(RESTARTS if n_clusters > 1 else 1)
        ]
    best = min(found, key=lambda one: float((one.distances.astype(np.float64) ** 2).sum()))
    return _by_size(best, middle)


def _start(rows: Reals, squares: Reals, n_clusters: int, *, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return rows to begin with, float32 (k, d): each the best of some drawn by their squared distance to those before."""
    n_drawn = 2 + int(log(n_clusters))
    first = int(rng.integers(len(rows)))
    chosen = [first]
    nearest = _squared(rows, squares, [first])[:, 0]
    while len(chosen) < n_clusters:
        total = np.cumsum(nearest, dtype=np.float64)
        if total[-1] <= 0:  # fewer different rows than clusters: any will do
            drawn = rng.integers(len(rows), size=1)
        else:
            drawn = np.searchsorted(total, rng.random(n_drawn) * total[-1], side="right").clip(
                max=len(rows) - 1
            )
        closer = np.minimum(_squared(rows, squares, drawn.tolist()), nearest[:, None])
        best = int(closer.sum(axis=0, dtype=np.float64).argmin())
        chosen.append(int(drawn[best]))
        nearest = closer[:, best]
    return rows[chosen]


def _squared(rows: Reals, squares: Reals, some: list[int]) -> Reals:
    """Return the squared distances (n, s) of all rows to some of them, exactly zero where the rows are the same one."""
    out = np.empty((len(rows), len(some)), np.float32)

    def compute(start: int) -> None:
        block = slice(start, start + BLOCK_ROWS)
        np.matmul(rows[block], rows[some].T, out=out[block])
        out[block] = np.maximum(squares[block, None] + squares[some] - 2 * out[block], 0)

    each(compute, range(0, len(rows), BLOCK_ROWS))
    out[some, np.arange(len(some))] = 0
    return out


def _descend(rows: Reals, centres: NDArray[np.float32]) -> Clusters:
    assignment, distances = _assign(rows, centres)
    before = np.inf
    for _ in range(MAX_ITERATIONS):
        total = float((distances.astype(np.float64) ** 2).sum())
        if before - total <= LEAST_GAIN * total:
            break
        before = total
        centres = _means(rows, assignment, n_clusters=len(centres))
        assignment, distances = _assign(rows, centres)
    return Clusters(assignment, centres, distances)


def _assign(rows: Reals, centres: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest centre of each row and the distance to it; a centre that has none moves onto a far row."""
    half = (centres**2).sum(axis=1) / 2
    assignment = np.empty(len(rows), np.int64)
    distances = np.empty(len(rows), np.float32)

    def compute(start: int) -> None:
        block = slice(start, start + BLOCK_ROWS)
        assignment[block] = (rows[block] @ centres.T - half).argmax(axis=1)
        distances[block] = np.linalg.norm(rows[block] - centres[assignment[block]], axis=1)

    each(compute, range(0, len(rows), BLOCK_ROWS))
    counts = np.bincount(assignment, minlength=len(centres))
    for empty in np.flatnonzero(counts == 0):
        far = int(np.where(counts[assignment] > 1, distances, -1).argmax())
        counts[[assignment[far], empty]] += [-1, 1]
        assignment[far], centres[empty], distances[far] = empty, rows[far], 0
    return assignment, distances


def _means(rows: Reals, assignment: NDArray[np.int64], *, n_clusters: int) -> NDArray[np.float32]:
    from scipy.sparse import csr_matrix

    counts = np.bincount(assignment, minlength=n_clusters)
    members = np.argsort(assignment, kind="stable")
    weights = np.repeat(1 / counts, counts).astype(np.float32)
    total = csr_matrix((weights, members, np.r_[0, counts.cumsum()]), (n_clusters, len(rows))) @ rows
    return np.asarray(total, np.float32)


def _by_size(found: Clusters, middle: NDArray[np.float32]) -> Clusters:
    """Number the clusters anew, the largest first, equal ones by their first row; centres where the rows were given."""
    counts = np.bincount(found.assignment)
    first = np.unique(found.assignment, return_index=True)[1]
    order = np.lexsort((first, -counts))
    return Clusters(np.argsort(order)[found.assignment], found.centres[order] + middle, found.distances)
