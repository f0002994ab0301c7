"""From which probability on pictures are taken, at a wanted precision: promised where the labels support it, else estimated."""

from dataclasses import dataclass

import numpy as np

from fovea.judge.arrays import Mask, Scores
from fovea.judge.guarantee import threshold_for_precision

LEAST_PROMISE = 0.5


@dataclass(frozen=True, slots=True)
class Cut:
    """Pictures that score at least `threshold` are taken; None: no picture is.

    `is_promised`: the labelled pictures support the precision. `supported` is the most they support (None: not even one half),
    `n_more_needed` how many more might support the wanted one (None: it is, or no number would), `n_labelled` how many there
    were. `n_taken` of the unlabelled are taken; `expected` is the mean of their probabilities (None where none is).
    """

    threshold: float | None
    is_promised: bool
    supported: float | None
    n_more_needed: int | None
    n_labelled: int
    n_taken: int
    expected: float | None


def find_cut(
    scores: Scores, correct: Mask, *, unlabelled: Scores, precision: float, confidence: float = 0.95
) -> Cut:
    """Find from which probability on pictures are taken.

    Where the labelled pictures support it, the threshold of `threshold_for_precision`: its promise is about pictures drawn like
    them. Else an estimate, see `estimate_cut`.

    Args:
        scores: float (n,) in [0, 1], out-of-fold probabilities of the labelled.
        correct: bool (n,), whether each is what is looked for.
        unlabelled: float (m,) in [0, 1].
        precision: wanted share of right ones among the taken, in (0, 1).
        confidence: of a promise, in (0, 1).
    """
    promise = threshold_for_precision(scores, correct, precision=precision, confidence=confidence)
    threshold, supported = promise.threshold, precision
    if threshold is None:
        threshold = estimate_cut(scores, correct, unlabelled=unlabelled, precision=precision)
        supported = most_supported(scores, correct, below=precision, confidence=confidence) or 0.0
    elif threshold < 0.5:  # then all is taken that is likelier so than not
        threshold = 0.5
    taken = unlabelled[unlabelled >= threshold] if threshold is not None else unlabelled[:0]
    return Cut(
        threshold=threshold,
        is_promised=promise.threshold is not None,
        supported=supported or None,
        n_more_needed=promise.n_more_needed,
        n_labelled=len(scores),
        n_taken=len(taken),
        expected=float(taken.mean()) if len(taken) else None,
    )


def estimate_cut(scores: Scores, correct: Mask, *, unlabelled: Scores, precision: float) -> float | None:
    """Return the smallest probability, one half or more, from which on the wanted share seems right; None where there is none.

    Both by the mean probability of the unlabelled from there on, and by the share of right ones among the labelled.
    """
    ranked = np.sort(np.asarray(unlabelled, np.float64))[::-1]
    mean = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    n_right = np.concatenate([[0], np.cumsum(np.asarray(correct, bool)[order])])
    n_above = np.searchsorted(-np.asarray(scores, np.float64)[order], -ranked, side="right")
    enough = (mean >= precision) & (ranked >= 0.5) & (n_right[n_above] >= precision * n_above)
    return float(ranked[np.flatnonzero(enough)[-1]]) if enough.any() else None


def most_supported(scores: Scores, correct: Mask, *, below: float, confidence: float) -> float | None:
    """Return the highest precision, in whole percents, that the labelled pictures support; None below one half."""
    for percent in range(int(np.ceil(100 * below - 1e-9)) - 1, round(100 * LEAST_PROMISE) - 1, -1):
        promise = threshold_for_precision(scores, correct, precision=percent / 100, confidence=confidence)
        if promise.threshold is not None:
            return percent / 100
    return None
