"""`--precision p`: a threshold of the top probability that bounds the share of wrong ones among all accepted pictures.

Learn-then-Test (Angelopoulos 2021): thresholds in an order fixed beforehand, from strict to loose, each tested by the
exact binomial tail, until one fails. The order is by rank (how many calibration pictures are accepted), a function
of their number alone. Several starts share the confidence (fallback procedure, Wiens and Dmitrienko 2005).
What holds and on which assumption: `threshold_for_precision`. Numpy only: any p can be asked of a saved model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Mask, Scores
from fovea.judge.intervals import Interval, binomial_tail, clopper_pearson, fewest_without_error

N_STARTS = 4
STEP = 0.97  # each tested threshold accepts this share of the next looser one's pictures


@dataclass(frozen=True, slots=True)
class CalibrationScores:
    """What a model stores so that any precision can be asked of it later: out-of-fold answers on the training part.

    `top` float64 (n,): the answer's probability; `correct` bool (n,); `predicted` int64 (n,): the answered class.
    """

    top: NDArray[np.float64]
    correct: NDArray[np.bool_]
    predicted: NDArray[np.int64]

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name, for a file of arrays."""
        return {
            "calibration_top": self.top,
            "calibration_correct": self.correct.astype(np.uint8),
            "calibration_predicted": self.predicted,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "CalibrationScores":
        """Take the arrays of `to_arrays` back; a missing one raises KeyError."""
        return cls(
            top=arrays["calibration_top"].astype(np.float64),
            correct=arrays["calibration_correct"].astype(np.bool_),
            predicted=arrays["calibration_predicted"].astype(np.int64),
        )


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What can be promised of the accepted pictures; `threshold` is None where the data cannot support it.

    `coverage` is the share of the calibration pictures that is accepted; `n_more_needed` an estimate of how many
    further labelled pictures would do, None where it is supported, or where more would not help.
    """

    threshold: float | None
    precision: float
    confidence: float
    n_calibration: int
    n_accepted: int
    n_wrong: int
    coverage: float
    n_more_needed: int | None
    text: str


def threshold_for_precision(
    scores: Scores, correct: Mask, *, precision: float, confidence: float = 0.95, what: str = "pictures"
) -> Guarantee:
    """Find the loosest threshold for which at least `precision` of the accepted pictures are right.

    Args:
        scores: float (n,), the answers' probabilities on calibration pictures; any order-preserving score does.
        correct: bool (n,), whether each answer is right.
        precision: wanted share of right ones among the accepted, in (0, 1).
        confidence: probability, over draws of the calibration pictures, that the promise is kept, in (0, 1).
        what: what the pictures are called in the text.
    """
    n = len(scores)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    ranked = np.asarray(scores, dtype=np.float64)[order]
    n_wrong = np.cumsum(~np.asarray(correct, dtype=np.bool_)[order])
    ranks, weights = _plan(n, precision=precision, confidence=confidence)
    # pictures with the same score are accepted together
    ends = np.searchsorted(-ranked, -ranked[ranks - 1], side="right") if n else ranks
    best, level = 0, 0.0
    for end, weight in zip(ends.tolist(), weights.tolist(), strict=True):
        level += weight
        if level > 0 and binomial_tail(int(n_wrong[end - 1]), end, share=1 - precision) <= level:
            best = max(best, end)
        else:
            level = 0.0
    wrong = int(n_wrong[best - 1]) if best else 0
    more = None if best else _estimate_more(n_wrong, ranks, precision=precision, confidence=confidence)
    threshold = float(ranked[best - 1]) if best else None
    return Guarantee(
        threshold=threshold,
        precision=precision,
        confidence=confidence,
        n_calibration=n,
        n_accepted=best,
        n_wrong=wrong,
        coverage=best / n if n else 0.0,
        n_more_needed=more,
        text=_tell(threshold, precision, confidence, counts=(n, best, wrong), more=more, what=what),
    )


def thresholds_per_class(
    scores: Scores,
    correct: Mask,
    *,
    predicted: NDArray[np.integer],
    class_names: Sequence[str],
    precision: float,
    confidence: float = 0.95,
) -> tuple[Guarantee, ...]:
    """Find one threshold for each answered class: the promise is made for each class's accepted pictures by itself.

    The confidence is not split: of 20 classes at 95 % one promise may fail. Arguments as `threshold_for_precision`,
    with `predicted` int (n,), the answered class's number.
    """
    found = []
    for c, name in enumerate(class_names):
        own = predicted == c
        found.append(
            threshold_for_precision(
                scores[own],
                correct[own],
                precision=precision,
                confidence=confidence,
                what=f"pictures answered {name!r}",
            )
        )
    return tuple(found)


def check_promise(scores: Scores, correct: Mask, *, threshold: float) -> tuple[int, int, Interval]:
    """Check a promise on labelled pictures from elsewhere.

    Returns:
        How many are accepted (score at least `threshold`), how many of these are right, and the exact 95 % interval
        (Clopper and Pearson) of the share that is right.
    """
    accepted = np.asarray(scores) >= threshold
    n, n_right = int(accepted.sum()), int(np.asarray(correct)[accepted].sum())
    return n, n_right, clopper_pearson(n_right, n)


def _plan(n: int, *, precision: float, confidence: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the ranks to test, ascending, and each one's own share of 1 - confidence (0 but at the starts)."""
    miss = 1 - confidence
    fewest = fewest_without_error(1 - precision, miss=miss / N_STARTS)
    if n < fewest:
        fewest = fewest_without_error(1 - precision, miss=miss)
        if n < fewest:
            return np.empty(0, np.int64), np.empty(0)
        return np.array([n]), np.array([miss])
    n_steps = int(np.floor(np.log(fewest / n) / np.log(STEP))) + 1
    ranks = np.unique(np.maximum(np.ceil(n * STEP ** np.arange(n_steps)), fewest).astype(np.int64))
    weights = np.zeros(len(ranks))
    starts = np.searchsorted(ranks, n * 0.5 ** np.arange(1, N_STARTS + 1)).clip(max=len(ranks) - 1)
    np.add.at(weights, starts, miss / N_STARTS)
    return ranks, weights


def _estimate_more(
    n_wrong: NDArray[np.int64], ranks: NDArray[np.int64], *, precision: float, confidence: float
) -> int | None:
    """Estimate how many further pictures would do if some share of the most sure ones stayed as often wrong as now."""
    n, miss = len(n_wrong), 1 - confidence
    if n == 0 or len(ranks) == 0:
        ranks = np.arange(1, n + 1)
    best: int | None = None
    for rank in [*ranks.tolist()]:
        need = _pictures_needed(int(n_wrong[rank - 1]) / rank, share=1 - precision, miss=miss)
        if need is not None:
            total = int(np.ceil(need * n / rank))
            best = total if best is None else min(best, total)
    if n == 0:
        return fewest_without_error(1 - precision, miss=miss)
    return None if best is None else max(1, best - n)


def _pictures_needed(rate: float, *, share: float, miss: float) -> int | None:
    """Return how many accepted pictures, wrong at `rate`, would pass the test (None: at that rate none)."""
    if rate >= 0.9 * share:
        return None
    low = high = fewest_without_error(share, miss=miss)
    while binomial_tail(int(np.floor(rate * high)), high, share=share) > miss:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_tail(int(np.floor(rate * middle)), middle, share=share) > miss:
            low = middle
        else:
            high = middle
    return high


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _tell(
    threshold: float | None,
    precision: float,
    confidence: float,
    *,
    counts: tuple[int, int, int],
    more: int | None,
    what: str,
) -> str:
    n, n_accepted, n_wrong = counts
    if threshold is not None:
        return (
            f"With {_percent(confidence)} confidence at least {_percent(precision)} of the accepted {what} are right, "
            f"if they are drawn like the {n:,} calibration ones: accepted is a probability of {threshold:.4g} or more, "
            f"which {n_accepted:,} of these reach ({_percent(n_accepted / n)}), {n_wrong:,} of them wrong."
        )
    head = f"{n:,} calibration {what} cannot support a precision of {_percent(precision)} at {_percent(confidence)} confidence"
    if more is None:
        return f"{head}: even the surest answers are wrong too often. Look at the likely label errors, or take a better backbone."
    return (
        f"{head}: some {more:,} more labelled ones would, if the surest answers stay as often right as now."
    )
