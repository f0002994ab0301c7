"""Rows laid out in two dimensions: PCA, or t-SNE with the extra `map`; and how far neighbours stay neighbours.

What comes in are rows as `space.compare_in` makes them. The same input and seed give the same places on one machine.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import MissingExtraError
from fovea.features import available_cores, nearest

LAYOUTS = ("pca", "tsne")
PERPLEXITY = 30  # van der Maaten and Hinton 2008
MAX_JUDGED = 2000
Places = NDArray[np.float32]


def lay_out(rows: NDArray[np.float32], *, method: str, seed: int = 0, threads: int | None = None) -> Places:
    """Return a place for each of rows (n, d): float32 (n, 2), as `method` (one of LAYOUTS) lays them out.

    PCA takes the two directions in which rows differ most. t-SNE (van der Maaten and Hinton 2008; interpolated by FFT, Linderman
    and others 2019, in openTSNE) keeps neighbours together, and far distances mean little. UMAP kept fewer of them, and its
    packages are three times as large (lab/LOG.md).

    Raises:
        MissingExtraError: the packages of the extra `map` are not installed.
    """
    start = _two(rows)
    # Neighbours of neighbours need some rows, and rows that are all the same have none.
    if method == "pca" or len(rows) < 5 or not np.ptp(rows, axis=0).any():
        return start
    return _tsne(rows, start, seed=seed, threads=threads or available_cores())


def require_layout(method: str) -> Any:
    """Return the package that lays out so; None where none is needed. Raises MissingExtraError."""
    from importlib import import_module

    name = {"pca": "", "tsne": "openTSNE"}[method]
    try:
        return import_module(name) if name else None
    except ImportError:
        raise MissingExtraError(
            f'--method {method} needs {name}. Install it: pip install "fovea-vision[map]"; or take pca, which needs nothing more.'
        ) from None


def neighbours_kept(
    rows: NDArray[np.float32], places: Places, *, k: int = 10, seed: int = 0, threads: int | None = None
) -> float:
    """Return the share of each row's k nearest that are also among the k nearest of its place, in [0, 1], 1 is best.

    A mean over 2,000 rows at most, drawn by the seed; by chance it would be near k / n.
    """
    k = min(k, len(rows) - 1)
    if k < 1:
        return 1.0
    some = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MAX_JUDGED])
    found = []
    for points in (rows, places):
        near = nearest(points[some], points, k=k + 1, metric="euclidean", threads=threads)[0]
        # of rows that are the same one may stand before the row itself
        found.append([set(line[line != own][:k].tolist()) for own, line in zip(some, near, strict=True)])
    return float(np.mean([len(a & b) / k for a, b in zip(*found, strict=True)]))


def _two(rows: NDArray[np.float32]) -> Places:
    """Return the first two columns, zeros where there are fewer."""
    places = np.zeros((len(rows), 2), np.float32)
    places[:, : rows.shape[1]] = rows[:, :2]
    return places


def _tsne(rows: NDArray[np.float32], start: Places, *, seed: int, threads: int) -> Places:
    openTSNE = require_layout("tsne")  # noqa: N806  # its name
    made = openTSNE.TSNE(
        perplexity=min(PERPLEXITY, (len(rows) - 1) / 3),
        initialization=openTSNE.initialization.rescale(start),
        metric="euclidean",
        random_state=seed,
        n_jobs=threads,
    ).fit(rows)
    return np.asarray(made, np.float32)
