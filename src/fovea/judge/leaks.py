"""Near duplicates among pictures, from their features: a blocked matrix product in bounded memory.

What comes out are candidates; whether two files show the same picture is decided by whoever can decode them. No
cosine means "the same" with every backbone, so a pair is judged by its surroundings: a copy is much nearer than the
other neighbours are.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Counts, Features

BLOCK_BYTES = 32 * 2**20
CHUNK = 128  # columns whose largest is taken first
RATIO = 0.5  # lab/LOG.md: measured on copies of 418 product photos: recompressed, resized, cropped, mirrored
NTH_NEIGHBOUR = 5
FAMILY = 20  # of more copies than NTH_NEIGHBOUR of one picture the fifth nearest is one itself: this far out others begin
SAME_DISTANCE = 2e-5  # rounding: of more copies than NTH_NEIGHBOUR each is as near as any


def near_duplicates(
    features: Features,
    *,
    ratio: float = RATIO,
    max_pairs: int = 1_000_000,
    threads: int = 1,
    one_of: NDArray[np.bool_] | None = None,
) -> tuple[Counts, NDArray[np.float32]]:
    """Find pairs of pictures that are much nearer to each other than to their other neighbours.

    Args:
        features: float (n, d), of the last averaged stage; a row of zeros is nobody's copy.
        ratio: a pair counts whose distance (1 - cosine) is at most this part of the distance that one of the two
            has to its fifth nearest, or the square of this part of that to its twentieth.
        max_pairs: only so many of the nearest are kept.
        threads: to compare in; each holds a block of 16 MB.
        one_of: (n,) only pairs of one that is marked and one that is not; all where None.

    Returns:
        Pairs of row numbers int64 (p, 2), the first below the second, the nearest pair first, and their cosines
        float32 (p,).
    """
    x = normalise(features)
    n = len(x)
    padded = np.concatenate([x, np.zeros((-n % CHUNK, x.shape[1]), np.float32)])
    nth, far = min(NTH_NEIGHBOUR, n - 1), min(FAMILY, n - 1)
    rows = max(1, BLOCK_BYTES // (8 * max(1, n)))
    numbers = np.arange(n) if one_of is None else _could_pair(x, one_of, ratio=ratio, rows=rows)

    def compare(start: int) -> tuple[Counts, NDArray[np.float32]]:
        some = numbers[start : start + rows]
        cosine = x[some] @ padded.T
        own = np.arange(len(cosine))
        cosine[own, some] = -1.0
        cosine[:, n:] = -1.0
        best = cosine.reshape(len(cosine), -1, CHUNK).max(axis=2)
        limit = 1 - _reach(
            _nth_largest(cosine, best, nth=nth), _nth_largest(cosine, best, nth=far), ratio=ratio
        )
        hit = np.flatnonzero(best.max(axis=1) >= limit)  # few rows, and nearly all of the time is saved
        i, j = np.nonzero(cosine[hit] >= limit[hit, None])
        i = hit[i]
        if one_of is not None:
            across = one_of[some[i]] != one_of[j]
            i, j = i[across], j[across]
        pair = np.sort(np.stack([some[i], j]), axis=0)
        return pair[0] * n + pair[1], cosine[i, j]

    keys, cosines = np.empty(0, np.int64), np.empty(0, np.float32)
    with ThreadPoolExecutor(threads) as pool:
        for new_keys, new_cosines in pool.map(compare, range(0, len(numbers) if nth else 0, rows)):
            keys, first = np.unique(np.append(keys, new_keys), return_index=True)
            cosines = np.append(cosines, new_cosines)[first]
            if len(keys) > max_pairs:
                kept = np.argsort(-cosines, kind="stable")[:max_pairs]
                keys, cosines = keys[kept], cosines[kept]
    order = np.argsort(-cosines, kind="stable")
    return np.stack([keys // n, keys % n], axis=1)[order] if n else np.empty((0, 2), np.int64), cosines[order]


def _could_pair(
    x: NDArray[np.float32], marked: NDArray[np.bool_], *, ratio: float, rows: int
) -> NDArray[np.int64]:
    """Return the numbers of the rows whose surroundings can decide on a pair: all marked ones, and few others.

    The fifth (twentieth) nearest of all rows is no further than that of the marked ones: it bounds what can be a pair.
    """
    if marked.sum() < FAMILY:
        return np.arange(len(x))
    others, targets = np.flatnonzero(~marked), x[marked].T
    for start in range(0, len(others), rows):
        some = others[start : start + rows]
        near = np.partition(x[some] @ targets, (-FAMILY, -NTH_NEIGHBOUR), axis=1)[:, -FAMILY:]
        least = 1 - _reach(near[:, -NTH_NEIGHBOUR], near[:, 0], ratio=ratio)
        others[start : start + rows] = np.where(near.max(axis=1) >= least - 1e-5, some, -1)  # rounding
    return np.concatenate([np.flatnonzero(marked), others[others >= 0]])


def _reach(
    fifth: NDArray[np.float32], twentieth: NDArray[np.float32], *, ratio: float
) -> NDArray[np.float32]:
    """Return the distance up to which others are candidates, by the cosines of two neighbours (m,)."""
    reach: NDArray[np.float32] = np.maximum(ratio * (1 - fifth), ratio**2 * (1 - twentieth))
    return np.maximum(reach, SAME_DISTANCE)


def _nth_largest(values: NDArray[np.float32], best: NDArray[np.float32], *, nth: int) -> NDArray[np.float32]:
    """Return the nth largest of each row (m,): it stands in one of the nth chunks whose largest, `best`, are largest."""
    if best.shape[1] > nth:
        chunks = np.argpartition(best, -nth, axis=1)[:, -nth:, None]
        values = np.take_along_axis(values.reshape(*best.shape, CHUNK), chunks, axis=1)
    found: NDArray[np.float32] = np.partition(values.reshape(len(values), -1), -nth, axis=1)[:, -nth]
    return found


def normalise(features: Features) -> NDArray[np.float32]:
    """Return rows of length 1, float32 (n, d); a row of zeros stays zero and is near nothing."""
    rows = np.asarray(features, dtype=np.float32)
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    unit: NDArray[np.float32] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit
