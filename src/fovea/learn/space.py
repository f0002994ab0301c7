"""The space in which pictures are grouped and laid out: features in, 64 numbers a picture out, without labels.

Rows of length 1 less their mean, in their leading directions, not whitened: on flowers and products that groups as well as all
columns of the last average do, and better than with whitening, standardising, more stages or the classifier's answers (lab/LOG.md).
"""

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Features
from fovea.judge.leaks import normalise
from fovea.judge.novelty import leading_directions

BASIS_ROWS = 5000  # that the directions are found on
BLOCK_ROWS = 4096


def compare_in(features: Features, *, seed: int = 0) -> NDArray[np.float32]:
    """Return features (n, d) as they are compared without labels: float32 (n, r), the longest direction first.

    The length of each row is at most 1 before the mean is taken away; r is 64, or n or d where that is less.
    """
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(features))[:BASIS_ROWS])
    basis = normalise(features[some])
    middle = basis.mean(axis=0)
    directions = leading_directions(basis - middle, rng=rng)
    out = np.empty((len(features), directions.shape[1]), np.float32)
    for start in range(0, len(features), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        out[block] = (normalise(features[block]) - middle) @ directions
    return _with_signs(out)


def _with_signs(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn each direction so that the number furthest from zero is positive: a picture's place is then no accident."""
    far = np.take_along_axis(places, np.abs(places).argmax(axis=0)[None], axis=0)
    signed: NDArray[np.float32] = np.where(far < 0, -places, places)
    return signed
