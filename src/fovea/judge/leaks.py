"""Near duplicates across two sets of pictures, from their features: a blocked matrix product in bounded memory.

What comes out are candidates; whether two files show the same picture is decided by whoever can decode them.
"""

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Features

BLOCK_BYTES = 32 * 2**20
NEAR_COSINE = 0.97


def near_duplicates(
    one: Features, other: Features | None = None, *, limit: float = NEAR_COSINE, max_pairs: int = 1_000_000
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find pairs whose features point the same way.

    Args:
        one: float (n, d).
        other: float (m, d), or None for pairs within `one` (each pair once, never a picture with itself).
        limit: smallest cosine that counts, in (0, 1].
        max_pairs: the search stops collecting at so many.

    Returns:
        Pairs of row numbers int64 (p, 2), the nearest first, and their cosines float32 (p,).
    """
    a = normalise(one)
    b = a if other is None else normalise(other)
    rows = max(1, BLOCK_BYTES // (4 * max(1, len(b))))
    pairs, cosines, n_found = [], [], 0
    for start in range(0, len(a), rows):
        product = a[start : start + rows] @ b.T
        i, j = np.nonzero(product >= limit)
        if other is None:
            i, j = i[j > i + start], j[j > i + start]
        pairs.append(np.stack([i + start, j], axis=1))
        cosines.append(product[i, j])
        n_found += len(i)
        if n_found >= max_pairs:
            break
    if not pairs:
        return np.empty((0, 2), np.int64), np.empty(0, np.float32)
    found, cosine = np.concatenate(pairs)[:max_pairs], np.concatenate(cosines)[:max_pairs]
    order = np.argsort(-cosine, kind="stable")
    return found[order].astype(np.int64), cosine[order].astype(np.float32)


def normalise(features: Features) -> NDArray[np.float32]:
    """Return rows of length 1, float32 (n, d); a row of zeros stays zero and is near nothing."""
    rows = np.asarray(features, dtype=np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1.0)
