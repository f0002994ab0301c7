"""Near duplicates among pictures, from their features: a blocked matrix product in bounded memory.

What comes out are candidates; whether two files show the same picture is decided by whoever can decode them.
"""

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Counts, Features

BLOCK_BYTES = 32 * 2**20
NEAR_COSINE = 0.97


def near_duplicates(
    one: Features, other: Features | None = None, *, limit: float = NEAR_COSINE, max_pairs: int = 1_000_000
) -> tuple[Counts, NDArray[np.float32]]:
    """Find pairs whose features point the same way.

    Args:
        one: float (n, d).
        other: float (m, d), or None for pairs within `one` (each pair once, never a picture with itself).
        limit: smallest cosine that counts, in (0, 1].
        max_pairs: only so many of the nearest are kept.

    Returns:
        Pairs of row numbers int64 (p, 2), the nearest first, and their cosines float32 (p,).
    """
    a = normalise(one)
    b = a if other is None else normalise(other)
    rows = max(1, BLOCK_BYTES // (4 * max(1, len(b))))
    pairs, cosines = np.empty((0, 2), np.int64), np.empty(0, np.float32)
    for start in range(0, len(a), rows):
        # within one set only what comes later is new
        first = start if other is None else 0
        product = a[start : start + rows] @ b[first:].T
        i, j = np.nonzero(product >= limit)
        if other is None:
            i, j = i[j > i], j[j > i]
        pairs = np.concatenate([pairs, np.stack([i + start, j + first], axis=1)])
        cosines = np.concatenate([cosines, product[i, j]])
        if len(pairs) > max_pairs:
            kept = np.sort(np.argsort(-cosines, kind="stable")[:max_pairs])
            pairs, cosines = pairs[kept], cosines[kept]
            limit = max(limit, float(cosines.min()))
    order = np.argsort(-cosines, kind="stable")
    return pairs[order], cosines[order]


def normalise(features: Features) -> NDArray[np.float32]:
    """Return rows of length 1, float32 (n, d); a row of zeros stays zero and is near nothing."""
    rows = np.asarray(features, dtype=np.float32)
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    unit: NDArray[np.float32] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit
