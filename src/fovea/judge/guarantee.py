"""`--precision p`: a threshold of the top probability that bounds the share of wrong accepted pictures.

Learn-then-Test (Angelopoulos et al. 2021): thresholds that were fixed before any picture was seen, from
strict to loose, each tested by the exact binomial tail, until one fails. No correction is due, because each
is only tested when all before it passed (fixed-sequence testing). What exactly holds: see
`threshold_for_precision`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Counts, Labels, Mask, Scores
from fovea.judge.intervals import Interval, binomial_tail, clopper_pearson, fewest_without_error
from fovea.wording import percent

# lab/LOG.md: of eleven ways to begin, this accepted most on the whole, over six simulated kinds of scores
FIRST_ODDS = 0.5  # of the odds of being wrong that are allowed
FIRST_SHARE = 0.1  # of the calibration pictures: one confident mistake does not decide
STEP_ODDS = 1.1
LAST_ODDS = 100.0  # from there on everything is accepted


@dataclass(frozen=True, slots=True)
class CalibrationScores:
    """What a model stores so that any precision can be asked of it: out-of-fold answers on its training part.

    `top` float64 (n,) in [0, 1]: the answer's probability; `correct` bool (n,); `predicted` int64 (n,): its
    class.
    """

    top: NDArray[np.float64]
    correct: NDArray[np.bool_]
    predicted: NDArray[np.int64]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for a file of arrays."""
        return {
            "calibration_top": self.top,
            "calibration_correct": self.correct.astype(np.uint8),
            "calibration_predicted": self.predicted,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "CalibrationScores":
        """Take the arrays of `to_arrays` back.

        Raises:
            ValueError: an array is missing, or they are not of one length.
        """
        names = ("calibration_top", "calibration_correct", "calibration_predicted")
        missing = [name for name in names if name not in arrays]
        if missing:
            raise ValueError(f"the arrays {missing} of the calibration scores are missing")
        top, correct, predicted = (arrays[name] for name in names)
        if top.ndim != 1 or not top.shape == correct.shape == predicted.shape:
            raise ValueError(
                f"calibration scores need three arrays of one length, not {top.shape}, {correct.shape}, "
                f"{predicted.shape}"
            )
        return cls(top.astype(np.float64), correct.astype(np.bool_), predicted.astype(np.int64))


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What can be promised of accepted pictures; `threshold` is None where the data cannot support it.

    `coverage` in [0, 1] is the accepted share of the calibration pictures. `n_more_needed` estimates how many
    further labelled pictures would support it: None where it is supported, or where more would not help.
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

    The promise: with probability `confidence` over the drawing of the calibration pictures, at most 1 -
    `precision` of all pictures from the same source that score at least the threshold are wrong. It needs
    calibration pictures that are independent of each other, and of the scores' model: out-of-fold scores come
    from several heads, each new to the picture it scored, so the promise is about heads fitted so; the saved
    one, fitted on all, is taken to be no worse.

    Thresholds that accept less than a tenth of the calibration pictures, or too few to pass without an error,
    are left out. Where that leaves out one that already is too loose, the promise also needs that loosening
    does not lower the share of wrong ones.

    Args:
        scores: float (n,) in [0, 1], the answers' calibrated probabilities.
        correct: bool (n,), whether each answer is right.
        precision: wanted share of right ones among the accepted, in (0, 1).
        confidence: in (0, 1).
        what: what the pictures are called in the text.

    Raises:
        ValueError: precision or confidence is not between 0 and 1.
    """
    for name, value in (("precision", precision), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value!r}; it has to lie between 0 and 1, as 0.95 does")
    n, share, miss = len(scores), 1 - precision, 1 - confidence
    ranked = np.asarray(scores, dtype=np.float64)
    order = np.argsort(-ranked, kind="stable")
    n_wrong = np.cumsum(~np.asarray(correct, dtype=np.bool_)[order]).astype(np.int64)
    thresholds = plan_thresholds(precision)
    n_accepted = np.searchsorted(-ranked[order], -thresholds, side="right")
    threshold, best = None, 0
    for t, m in zip(thresholds.tolist(), n_accepted.tolist(), strict=True):
        # a looser threshold that accepts no more pictures is tested by the same ones
        if m < _fewest_tested(n, share=share, miss=miss) or m == best:
            continue
        if binomial_tail(int(n_wrong[m - 1]), m, share=share) > miss:
            break
        threshold, best = t, m
    more = None
    if not best:
        # what was seen and what the probabilities expect, in equal parts: few mistakes alone say little
        likely = (n_wrong + np.cumsum(1 - ranked[order])) / 2
        wrong = np.concatenate([[0.0], likely])[n_accepted]
        more = estimate_more(n, n_accepted, n_wrong=wrong, share=share, miss=miss)
    found = Guarantee(
        threshold=threshold,
        precision=precision,
        confidence=confidence,
        n_calibration=n,
        n_accepted=best,
        n_wrong=int(n_wrong[best - 1]) if best else 0,
        coverage=best / n if n else 0.0,
        n_more_needed=more,
        text="",
    )
    return replace(found, text=_tell(found, what))


def thresholds_per_class(
    scores: Scores,
    correct: Mask,
    *,
    predicted: Labels,
    class_names: Sequence[str],
    precision: float,
    confidence: float = 0.95,
) -> tuple[Guarantee, ...]:
    """Find a threshold for each answered class: its accepted pictures are right as often as asked.

    Each class's promise is made by itself; the confidence is not split, so of 20 promises at 95 % one may
    fail. Arguments as `threshold_for_precision`, with `predicted` int (n,), the number of the answered class.
    """
    return tuple(
        threshold_for_precision(
            scores[predicted == c],
            correct[predicted == c],
            precision=precision,
            confidence=confidence,
            what=f"pictures answered {name!r}",
        )
        for c, name in enumerate(class_names)
    )


def check_promise(scores: Scores, correct: Mask, *, threshold: float) -> tuple[int, int, Interval]:
    """Check a promise on a few labelled pictures, also from elsewhere.

    Returns:
        How many score at least `threshold`, how many of these are right, and the exact 95 % interval (Clopper
        and Pearson 1934) of the share that is right among all such pictures.
    """
    accepted = np.asarray(scores) >= threshold
    n, n_right = int(accepted.sum()), int(np.asarray(correct)[accepted].sum())
    return n, n_right, clopper_pearson(n_right, n)


def plan_thresholds(precision: float) -> NDArray[np.float64]:
    """Return the thresholds to test, strict to loose, float64 in [0, 1): they depend on nothing but the wish.

    The first one allows a single answer half the wanted odds of being wrong, each further one a tenth more.
    """
    first = FIRST_ODDS * (1 - precision) / precision
    odds = first * STEP_ODDS ** np.arange(max(1, int(np.log(LAST_ODDS / first) / np.log(STEP_ODDS))))
    return np.append(1 / (1 + odds), 0.0)


def estimate_more(
    n: int, n_accepted: Counts, *, n_wrong: NDArray[np.float64], share: float, miss: float
) -> int | None:
    """Estimate how many further pictures would support a promise, each threshold staying as often wrong.

    Args:
        n: how many calibration pictures there are.
        n_accepted: int (t,), how many of them each threshold accepts, strict to loose.
        n_wrong: float (t,), how many of these are likely to be wrong.
        share: of wrong ones that is promised, in (0, 1).
        miss: probability of breaking the promise, in (0, 1).

    Returns:
        At least 1, or None where a hundred times what is needed without an error would not do.
    """
    fewest = fewest_without_error(share, miss=miss)
    if n == 0:
        return fewest
    total = float(max(n + 1, fewest))
    while total <= max(100 * fewest, 2 * n):
        accepted = np.round(n_accepted * (total / n)).astype(np.int64)
        first = int(np.argmax(accepted >= _fewest_tested(int(total), share=share, miss=miss)))
        wrong = round(float(n_wrong[first]) * total / n)
        if binomial_tail(wrong, int(accepted[first]), share=share) <= miss:
            return int(total) - n
        total = np.ceil(1.05 * total)
    return None


def _fewest_tested(n: int, *, share: float, miss: float) -> int:
    return max(fewest_without_error(share, miss=miss), int(np.ceil(FIRST_SHARE * n)))


def _tell(found: Guarantee, what: str) -> str:
    wanted, sure = f"{100 * found.precision:.4g} %", f"{100 * found.confidence:.4g} %"
    if found.threshold is not None:
        return (
            f"With {sure} confidence at least {wanted} of the accepted {what} are right, as long as they are "
            f"drawn like the {found.n_calibration:,} calibration ones: {found.n_accepted:,} of these "
            f"({percent(found.coverage)}) reach a probability of {found.threshold:.4g}, "
            f"{found.n_wrong:,} of them wrong."
        )
    head = f"{found.n_calibration:,} calibration {what} cannot support {wanted} right with {sure} confidence"
    if found.n_more_needed is None:
        return f"{head}: even the surest answers are wrong too often. Look at the likely label errors first."
    return f"{head}; some {found.n_more_needed:,} more might, if the surest answers stay as often right."
