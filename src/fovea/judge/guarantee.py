"""`--precision p`: a threshold of the top probability that bounds the share of wrong accepted pictures.

Learn-then-Test (Angelopoulos et al. 2021): thresholds in an order fixed beforehand, strict to loose, each
tested by the exact binomial tail until one fails. The order is by rank (how many calibration pictures are
accepted), known from their number alone. Several starts share the error budget (fallback procedure, Wiens and
Dmitrienko 2005). What holds, and on which assumption: see `threshold_for_precision`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Counts, Labels, Mask, Scores
from fovea.judge.intervals import Interval, binomial_tail, clopper_pearson, fewest_without_error

# benchmarks/guarantee.py: finer steps cost power by chance failures, coarser ones by what lies between
STEP_LOOSE = 0.97
STEP_STRICT = 2**-0.25


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

    The promise: with probability `confidence` over the drawing of independent calibration pictures, at most 1
    - `precision` of all pictures from the same source that score at least `threshold` are wrong. It assumes
    that loosening the threshold never lowers the share of wrong ones. Proof: let t be the threshold below
    which the share exceeds 1 - p; given how many calibration pictures score above t, those are wrong
    independently with probability 1 - p, and the ones below with more; so the first tested rank beyond t,
    known from that number, passes at its level with at most that probability, and later ones restart with
    their own share of the budget only. Out-of-fold scores come from several heads, each fitted on a part of
    the pictures: then the promise is about heads fitted so, and the saved one, fitted on all, is taken to be
    no worse.

    Args:
        scores: float (n,), the answers' probabilities; higher is surer.
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
    ranked = ranked[order]
    n_wrong = np.cumsum(~np.asarray(correct, dtype=np.bool_)[order]).astype(np.int64)
    ranks, levels = plan_tests(n, share=share, miss=miss)
    best, level = 0, 0.0
    for rank, own in zip(ranks.tolist(), levels.tolist(), strict=True):
        level += own
        # pictures of the same score are accepted together
        end = int(np.searchsorted(-ranked, -ranked[rank - 1], side="right"))
        if level > 0 and binomial_tail(int(n_wrong[end - 1]), end, share=share) <= level:
            best = end
        else:
            level = 0.0
    more = None if best else estimate_more(n_wrong, share=share, miss=miss)
    found = Guarantee(
        threshold=float(ranked[best - 1]) if best else None,
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


def plan_tests(n: int, *, share: float, miss: float) -> tuple[Counts, NDArray[np.float64]]:
    """Return the ranks to test, strict to loose, and what each adds to the level; it does not look at scores.

    Half of the budget `miss` enters at half of the pictures, a quarter at a quarter, and so on, as long as
    that many without an error would pass; what is left enters at the strictest start.
    """
    if n < fewest_without_error(share, miss=miss):
        return np.empty(0, np.int64), np.empty(0)
    starts: dict[int, float] = {}
    while True:
        own = miss / 2 ** (len(starts) + 1)
        rank = -(-n // 2 ** (len(starts) + 1))
        if rank < fewest_without_error(share, miss=own) or rank in starts:
            break
        starts[rank] = own
    if starts:
        starts[min(starts)] += miss - sum(starts.values())
    else:
        starts = {max(fewest_without_error(share, miss=miss), -(-n // 2)): miss}
    loose = n * STEP_LOOSE ** np.arange(24)  # down to half
    strict = n / 2 * STEP_STRICT ** np.arange(4 * len(starts))
    steps = np.ceil(np.concatenate([loose, strict])).astype(np.int64)
    ranks = np.union1d(steps[steps >= min(starts)], list(starts)).astype(np.int64)
    return ranks, np.array([starts.get(rank, 0.0) for rank in ranks.tolist()])


def estimate_more(n_wrong: Counts, *, share: float, miss: float) -> int | None:
    """Estimate how many further pictures would support a promise, the surest staying as often wrong.

    Args:
        n_wrong: int (n,), how many of the surest 1, 2, ... n are wrong.
        share: of wrong ones that is promised, in (0, 1).
        miss: probability of breaking the promise, in (0, 1).

    Returns:
        At least 1, or None where every share of the surest is wrong too often.
    """
    n = len(n_wrong)
    if n == 0:
        return fewest_without_error(share, miss=miss)
    totals = [
        needed * n / rank
        for rank in np.unique(np.ceil(n * STEP_LOOSE ** np.arange(200))).astype(np.int64).tolist()
        if (needed := _accepted_needed(int(n_wrong[rank - 1]) / rank, share=share, miss=miss)) is not None
    ]
    return max(1, int(np.ceil(min(totals))) - n) if totals else None


def _accepted_needed(rate: float, *, share: float, miss: float) -> int | None:
    """Return how many accepted pictures, wrong at `rate`, pass the test; None near or over the share."""
    if rate > 0.9 * share:
        return None
    low = high = fewest_without_error(share, miss=miss)
    while binomial_tail(round(rate * high), high, share=share) > miss:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_tail(round(rate * middle), middle, share=share) > miss:
            low = middle
        else:
            high = middle
    return high


def _tell(found: Guarantee, what: str) -> str:
    wanted, sure = f"{100 * found.precision:.4g} %", f"{100 * found.confidence:.4g} %"
    if found.threshold is not None:
        return (
            f"With {sure} confidence at least {wanted} of the accepted {what} are right, as long as they are "
            f"drawn like the {found.n_calibration:,} calibration ones: {found.n_accepted:,} of these "
            f"({found.coverage:.1%}) reach a probability of {found.threshold:.4g}, "
            f"{found.n_wrong:,} of them wrong."
        )
    head = f"{found.n_calibration:,} calibration {what} cannot support {wanted} right with {sure} confidence"
    if found.n_more_needed is None:
        return f"{head}: even the surest answers are wrong too often. Look at the likely label errors first."
    return f"{head}; some {found.n_more_needed:,} more might, if the surest answers stay as often right."
