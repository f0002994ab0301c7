"""When `sort` accepts an answer: one threshold or one for each class, and the check on labelled pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fovea.errors import InputError
from fovea.wording import percent

if TYPE_CHECKING:
    from fovea.judge import CalibrationScores, Guarantee
    from fovea.model import Prediction

_STEP = 0.005  # the best supported precision is looked for in these steps


@dataclass(frozen=True, slots=True)
class Rule:
    """The lowest accepted probability of every class (None: none is accepted), and what is promised.

    `precision` and `confidence` are None where no promise was asked for: the model's own threshold holds.
    """

    thresholds: dict[str, float | None]
    precision: float | None
    confidence: float | None
    text: str

    def refusal(self, prediction: "Prediction") -> str:
        """Return why an answer is not accepted; "" where it is."""
        threshold = self.thresholds[prediction.class_name or ""]
        if threshold is None:
            return "unsure: no threshold can be promised for this class"
        if (prediction.probability or 0.0) < threshold:
            return f"unsure: below {threshold:.4g}"
        return "unlike anything seen" if prediction.unlike else ""

    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return {
            "thresholds": self.thresholds,
            "precision": self.precision,
            "confidence": self.confidence,
            "text": self.text,
        }


def plain_rule(class_names: Sequence[str], *, threshold: float) -> Rule:
    """Accept what the model itself does not call unsure."""
    text = f"Accepted is a probability of {threshold:.4g} or more (the model's own; without --precision)."
    return Rule(dict.fromkeys(class_names, threshold), None, None, text)


def promised_rule(
    scores: "CalibrationScores",
    class_names: Sequence[str],
    *,
    precision: float,
    confidence: float,
    per_class: bool,
) -> Rule:
    """Take the loosest thresholds for which the stored calibration answers support `precision`.

    Raises:
        InputError: they do not; the text says how many more pictures would, and what they do support.
    """
    from fovea.judge import threshold_for_precision, thresholds_per_class

    if not per_class:
        found = threshold_for_precision(
            scores.top, scores.correct, precision=precision, confidence=confidence
        )
        if found.threshold is None:
            raise InputError(f"{found.text} {_best_supported(scores, precision, confidence)}")
        return Rule(dict.fromkeys(class_names, found.threshold), precision, confidence, found.text)
    each = thresholds_per_class(
        scores.top,
        scores.correct,
        predicted=scores.predicted,
        class_names=class_names,
        precision=precision,
        confidence=confidence,
    )
    if all(found.threshold is None for found in each):
        raise InputError(
            f"No class supports the promise by itself. {each[0].text} "
            f"Without --per-class: {_best_supported(scores, precision, confidence)}"
        )
    thresholds = {name: found.threshold for name, found in zip(class_names, each, strict=True)}
    return Rule(thresholds, precision, confidence, _tell_classes(class_names, each, precision, confidence))


def _best_supported(scores: "CalibrationScores", precision: float, confidence: float) -> str:
    from fovea.judge import threshold_for_precision

    steps = round(1 / _STEP)
    for step in range(min(int(precision / _STEP), steps - 1), steps // 2, -1):
        lower = step / steps
        found = threshold_for_precision(scores.top, scores.correct, precision=lower, confidence=confidence)
        if lower < precision and found.threshold is not None:
            return f"The best they support is --precision {lower:g}, which {percent(found.coverage, 0)} of them reach."
    return "They support no promise of more than one half."


def _tell_classes(
    class_names: Sequence[str], each: "Sequence[Guarantee]", precision: float, confidence: float
) -> str:
    text = (
        f"For each class by itself: with {100 * confidence:.4g} % confidence at least "
        f"{100 * precision:.4g} % of the accepted pictures are right, if they are drawn like the "
        f"calibration ones."
    )
    unsupported = [
        f"{name!r} ({_tell_more(found.n_more_needed)})"
        for name, found in zip(class_names, each, strict=True)
        if found.threshold is None
    ]
    if unsupported:
        text += f" They cannot support it for {', '.join(unsupported)}: all answered so go to unsure."
    return text


def _tell_more(n_more_needed: int | None) -> str:
    if n_more_needed is None:
        return "the surest answers are wrong too often"
    return f"some {n_more_needed:,} more labelled ones would"


@dataclass(frozen=True, slots=True)
class Check:
    """The promise, measured on labelled pictures of the kind that is sorted."""

    n_labelled: int
    n_accepted: int
    n_right: int
    interval: tuple[float, float]  # exact 95 % interval of the share that is right
    holds: bool | None  # None: these pictures cannot tell
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return the check as plain values; `precision` is None where nothing was accepted."""
        return {
            "n_labelled": self.n_labelled,
            "n_accepted": self.n_accepted,
            "n_right": self.n_right,
            "precision": self.n_right / self.n_accepted if self.n_accepted else None,
            "precision_interval": list(self.interval),
            "holds": self.holds,
            "text": self.text,
        }


def check_rule(rule: Rule, predictions: "Sequence[Prediction]", labels: Sequence[str]) -> Check:
    """Count how many accepted answers are right; a label that the model does not know makes its answer wrong.

    Args:
        rule: what is accepted.
        predictions: readable ones, in the order of `labels`.
        labels: the true class of each.
    """
    import numpy as np

    from fovea.judge import check_promise

    accepted = np.array([not rule.refusal(prediction) for prediction in predictions], np.float64)
    correct = np.array(
        [p.class_name == label for p, label in zip(predictions, labels, strict=True)], np.bool_
    )
    n_accepted, n_right, interval = check_promise(accepted, correct, threshold=0.5)
    holds = None
    if rule.precision is not None and n_accepted:
        holds = True if interval[0] >= rule.precision else False if interval[1] < rule.precision else None
    return Check(
        n_labelled=len(labels),
        n_accepted=n_accepted,
        n_right=n_right,
        interval=interval,
        holds=holds,
        text=_tell_check(rule, len(labels), n_accepted, n_right, interval=interval, holds=holds)
        + _tell_unknown(labels, rule),
    )


def _tell_check(
    rule: Rule,
    n_labelled: int,
    n_accepted: int,
    n_right: int,
    *,
    interval: tuple[float, float],
    holds: bool | None,
) -> str:
    if not n_accepted:
        return f"Of {n_labelled:,} labelled pictures none is accepted: they tell nothing about the promise."
    text = (
        f"Of {n_labelled:,} labelled pictures {n_accepted:,} are accepted, {n_right:,} of them right: "
        f"{percent(n_right / n_accepted)} (95 % interval {percent(interval[0])} to {percent(interval[1])})."
    )
    if rule.precision is None:
        return text
    told = {
        True: f" The promise of {rule.precision:.4g} holds here.",
        False: f" The promise of {rule.precision:.4g} does NOT hold here: they are of another kind.",
        None: f" Too few to tell whether the promise of {rule.precision:.4g} holds here: label more of them.",
    }
    return text + told[holds]


def _tell_unknown(labels: Sequence[str], rule: Rule) -> str:
    unknown = sorted(set(labels) - set(rule.thresholds))
    if not unknown:
        return ""
    n = sum(label in unknown for label in labels)
    return (
        f" {n:,} of them are of classes that the model does not know ({', '.join(map(repr, unknown[:5]))})."
    )
