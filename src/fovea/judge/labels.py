"""Likely label errors by confident learning (Northcutt, Jiang and Chuang, JAIR 70, 2021).

A class's threshold is the mean probability that pictures with its label give it. A picture whose most
probable class among those that reach their thresholds is not its label counts as a likely error. Ranked by
the odds of the likeliest other class: on people's errors that puts more wrong ones first than the label's own
probability does (lab/LOG.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Labels, Probabilities
from fovea.judge.suspects import doubt_labels, row_blocks


@dataclass(frozen=True, slots=True)
class LabelIssues:
    """Likely label errors, the worst first.

    `indices` int64 (m,) into the pictures; `suggested` int64 (m,), the class to look at; `quality` float64
    (m,) in [0, 1], the probability of the given label (low: likely wrong); `joint` int64 (k, k), given label
    by confident class.
    """

    indices: NDArray[np.int64]
    suggested: NDArray[np.int64]
    quality: NDArray[np.float64]
    joint: NDArray[np.int64]


def label_issues(labels: Labels, probabilities: Probabilities) -> LabelIssues:
    """Find labels that are likely wrong.

    Args:
        labels: int (n,), 0 to k - 1, as given.
        probabilities: float (n, k), of models that have not seen the picture (out of fold).
    """
    p = probabilities
    confident = confident_classes(labels, p)
    joint = confident_joint(labels, confident, k=p.shape[1])
    # an answer that ties with the label is no evidence against it
    quality = label_quality(labels, p)
    found = np.flatnonzero((confident >= 0) & (confident != labels) & (p.max(axis=1) > quality))
    doubt = doubt_labels(labels, p, votes=p, weight=0).doubt
    found = found[np.argsort(-doubt[found], kind="stable")]
    return LabelIssues(found.astype(np.int64), confident[found], quality[found], joint)


def confident_joint(labels: Labels, confident: NDArray[np.int64], *, k: int) -> NDArray[np.int64]:
    """Return how many pictures have each given label (row) and confident class (column): int64 (k, k)."""
    sure = confident >= 0
    pairs = np.bincount(labels[sure] * k + confident[sure], minlength=k * k)
    return pairs.reshape(k, k).astype(np.int64)


def confident_classes(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    """Return each picture's most probable class among those that reach their threshold, or -1: int64 (n,)."""
    k = probabilities.shape[1]
    n_of_class = np.bincount(labels, minlength=k)
    own = np.bincount(labels, weights=label_quality(labels, probabilities), minlength=k)
    limits = np.where(n_of_class > 0, own / np.maximum(n_of_class, 1), np.inf)
    confident = np.empty(len(labels), np.int64)
    for some in row_blocks(*probabilities.shape):
        p = np.asarray(probabilities[some], np.float64)
        reached = np.where(p >= limits - 1e-6, p, -1.0)
        confident[some] = np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)
    return confident


def label_quality(labels: Labels, probabilities: Probabilities) -> NDArray[np.float64]:
    """Return the probability of each given label, (n,) in [0, 1]: low means likely wrong."""
    return np.asarray(probabilities[np.arange(len(labels)), labels], np.float64)
