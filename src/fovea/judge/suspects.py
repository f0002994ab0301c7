"""Which labels are likely wrong: the probe's doubt and its neighbours' vote, taken together.

The out-of-fold probabilities say what a picture looks like to the classifier, its nearest pictures' labels what its
surroundings are called (SimiFeat, Zhu et al. 2022). Their weighted geometric mean is compared: the given label against the
likeliest other, as odds. What to expect of the list is told by errors planted on purpose, see `planted`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Labels, Mask, Numbers, Probabilities, Scores

N_VOTERS = 20
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""What the vote may weigh against the probe's 1."""
_SHARPNESS = 10.0  # a neighbour whose cosine is 0.1 lower than the nearest's counts a factor e less
_FAR = 3.5
_QUARTILES = 1.349  # deviations between the quartiles of a normal distribution
_BLOCK_CELLS = 2**18
_FLOOR = 0.02  # of a vote, to every class: twenty neighbours cannot exclude one


@dataclass(frozen=True, slots=True)
class Doubts:
    """How doubtful each label is.

    `doubt` float64 (n,) in [0, 1]: the likeliest other class against the given one, 0.5 where they are alike likely;
    `suggested` int64 (n,): that class.
    """

    doubt: NDArray[np.float64]
    suggested: NDArray[np.int64]


def row_blocks(n: int, n_columns: int) -> Iterator[slice]:
    """Yield the rows of a table block by block: what is worked on at once stays small beside the table itself."""
    size = max(1, _BLOCK_CELLS // max(1, n_columns))
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def neighbours_vote(
    labels: Labels, indices: Numbers, *, similarities: Scores, n_classes: int, counted: Mask | None = None
) -> Probabilities:
    """Return the share of each class among a picture's neighbours, the nearer the more: float32 (n, k), rows sum to 1.

    Args:
        labels: int (n,), 0 to k - 1.
        indices: int (n, m), each picture's nearest others, the best first.
        similarities: float (n, m), their cosines, those of centred features.
        n_classes: k.
        counted: bool (n, m), which of them vote; None: all. Copies of the picture itself should not.
    """
    weights = np.exp(
        _SHARPNESS * (np.asarray(similarities, np.float64) - np.max(similarities, axis=1, keepdims=True))
    )
    if counted is not None:
        weights *= counted
    shares = np.empty((len(labels), n_classes), np.float32)
    for some in row_blocks(len(labels), n_classes):
        own = weights[some]
        flat = np.arange(len(own))[:, None] * n_classes + labels[indices[some]]
        votes = np.bincount(flat.ravel(), weights=own.ravel(), minlength=len(own) * n_classes)
        votes = votes.reshape(len(own), n_classes) / np.maximum(own.sum(axis=1, keepdims=True), 1e-12)
        votes += _FLOOR
        shares[some] = votes / votes.sum(axis=1, keepdims=True)
    return shares


def mix(probabilities: Probabilities, votes: Probabilities, *, weight: float) -> NDArray[np.float64]:
    """Return probe and vote taken together, float64 (n, k), rows sum to 1: see `doubt_labels`."""
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-12))
    logs += weight * np.log(np.maximum(np.asarray(votes, np.float64), 1e-12))
    logs -= logs.max(axis=1, keepdims=True)
    mixed: NDArray[np.float64] = np.exp(logs, out=logs)
    mixed /= mixed.sum(axis=1, keepdims=True)
    return mixed


def doubt_labels(
    labels: Labels, probabilities: Probabilities, *, votes: Probabilities, weight: float
) -> Doubts:
    """Compare each given label with the likeliest other class.

    Args:
        labels: int (n,), 0 to k - 1, as given; k from 2.
        probabilities: float (n, k), of heads that have not seen the picture (out of fold).
        votes: float (n, k), see `neighbours_vote`.
        weight: of the vote, 0 or more; the probe's is 1.
    """
    doubt, suggested = np.empty(len(labels)), np.empty(len(labels), np.int64)
    for some in row_blocks(*probabilities.shape):
        mixed = mix(probabilities[some], votes[some], weight=weight)
        rows, given = np.arange(len(mixed)), labels[some]
        own = np.maximum(mixed[rows, given], 1e-300)
        mixed[rows, given] = -1
        suggested[some] = best = mixed.argmax(axis=1)
        doubt[some] = 1 / (1 + own / np.maximum(mixed[rows, best], 1e-300))
    return Doubts(doubt, suggested)


def far_out(distances: Scores) -> Mask:
    """Return which distances (n,), positive, are far out of the others: bool (n,).

    By the modified z-score above 3.5 (Iglewicz and Hoaglin 1993) of their logarithms, the deviation from the quartiles.
    """
    logs = np.log(np.maximum(np.asarray(distances, np.float64), 1e-6))
    lower, middle, upper = np.quantile(logs, (0.25, 0.5, 0.75))
    far: Mask = logs > middle + _FAR * max(upper - lower, 1e-9) / _QUARTILES
    return far
