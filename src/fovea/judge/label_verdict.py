"""The verdict on several labels a picture: thresholds, promises and temperature from out-of-fold logits, figures apart.

The validation part is only measured; without one, every fold is answered by the thresholds of the others. A network that
was trained has no out-of-fold logits: there the validation part does both, in the same way.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Logits, Mask, Numbers, Probabilities, Scores
from fovea.judge.calibration import ece_floor, expected_calibration_error, fit_temperature
from fovea.judge.guarantee import Guarantee, threshold_for_precision
from fovea.judge.multilabel import LabelsFigures, Marks, commonest_set, measure_labels

LIKELY = 0.5
"""A precision is promised of answers at least so probable: a bound that no picture chose."""
N_PARTS = 5


@dataclass(frozen=True, slots=True)
class LabelMistake:
    """A label that was answered and should not be, or the other way round: picture and label numbers, probability."""

    index: int
    label: int
    has: bool
    probability: float


@dataclass(frozen=True, slots=True)
class LabelsVerdict:
    """Everything judged of several labels a picture.

    `thresholds` (k): a label of at least that probability is answered: what a promise found for it, else what makes F1
    largest out of fold. `promises`: one a label where a precision was asked for. `ece`: mean gap between the probability
    of a label and how often it is there; `ece_floor`: what perfect probabilities would show. `mistakes`: the most
    confident first.
    """

    names: tuple[str, ...]
    measured: str
    n_train: int
    figures: LabelsFigures
    without_leaks: LabelsFigures | None
    n_leaked: int
    temperature: float
    thresholds: tuple[float, ...]
    promises: tuple[Guarantee, ...]
    ece: float
    ece_before: float
    ece_floor: float
    mistakes: tuple[LabelMistake, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures under the names of metrics.json."""
        figures = self.figures.to_json()
        out: dict[str, Any] = {"target": "labels", "n_measured": figures.pop("n"), **figures}
        out |= {name: getattr(self, name) for name in ("measured", "n_leaked", "temperature", "ece")}
        out |= {"ece_before": self.ece_before, "ece_floor": self.ece_floor, "label_names": list(self.names)}
        out |= {"thresholds": dict(zip(self.names, self.thresholds, strict=True))}
        out["promises"] = {name: asdict(one) for name, one in zip(self.names, self.promises, strict=False)}
        out["without_leaks"] = None if self.without_leaks is None else self.without_leaks.to_json()
        return out | {"n_mistakes": len(self.mistakes)}


@dataclass(frozen=True, slots=True)
class LabelledPart:
    """Pictures with their labels and what a head said of them: bool (n, k), float (n, k), units int (n,)."""

    has: Marks
    logits: Logits
    units: Numbers

    def rows(self, chosen: Mask) -> "LabelledPart":
        """Return some of the pictures."""
        return LabelledPart(self.has[chosen], self.logits[chosen], self.units[chosen])


def judge_labels(
    train: LabelledPart,
    *,
    names: Sequence[str],
    folds: Numbers | None,
    valid: LabelledPart | None = None,
    leaked: Mask | None = None,
    precision: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> LabelsVerdict:
    """Judge labels by out-of-fold logits and, where there is one, a validation part.

    Args:
        train: the training part, its logits out of fold; (0, k) of a network that was trained, where `valid` calibrates.
        names: the k labels.
        folds: int (n,), the folds of the out-of-fold logits; None: five parts drawn by `seed`.
        valid: the validation part, its logits by the saved head; None: the training part is measured, crosswise. Where it
            calibrates, it is measured crosswise too.
        leaked: bool (m,), validation pictures that (nearly) stand in the training part too.
        precision: share of right ones to promise for each label, in (0, 1); None: none is.
        confidence: of the promises.
        seed: of what is drawn.
    """
    part = train if valid is None else valid
    by_valid = not len(train.logits)
    learn = partial(_learn, precision=precision, confidence=confidence, names=names, seed=seed)
    learned = learn(part if by_valid else train)
    if valid is None or by_valid:
        if folds is None or by_valid:
            _, unit = np.unique(part.units, return_inverse=True)
            folds = np.random.default_rng(seed).permutation(unit.max() + 1)[unit] % N_PARTS
        probabilities, answers = np.empty(part.has.shape), np.empty(part.has.shape, np.bool_)
        for fold in np.unique(folds):
            out = folds == fold
            probabilities[out], answers[out] = learn(part if out.all() else part.rows(~out)).answer(
                part.logits[out]
            )
    else:
        probabilities, answers = learned.answer(valid.logits)
    commonest = commonest_set(train.has)

    def figures(chosen: Mask) -> LabelsFigures:
        return measure_labels(
            part.has[chosen],
            answers[chosen],
            probabilities=probabilities[chosen],
            names=names,
            commonest=commonest,
            units=part.units[chosen],
            seed=seed,
        )

    leaked = np.zeros(len(part.has), np.bool_) if leaked is None or valid is None else leaked
    truth, stated = part.has.ravel(), probabilities.ravel()
    return LabelsVerdict(
        names=tuple(names),
        measured="out-of-fold" if valid is None else "valid",
        n_train=len(train.has),
        figures=figures(np.ones(len(part.has), np.bool_)),
        without_leaks=figures(~leaked) if leaked.any() and not leaked.all() else None,
        n_leaked=int(leaked.sum()),
        temperature=learned.temperature,
        thresholds=tuple(learned.thresholds.tolist()),
        promises=learned.promises,
        ece=expected_calibration_error(stated, truth),
        ece_before=expected_calibration_error(sigmoid(part.logits).ravel(), truth),
        ece_floor=ece_floor(stated, seed=seed),
        mistakes=_mistakes(part.has, answers, probabilities),
    )


def sigmoid(logits: Logits, temperature: float = 1.0) -> NDArray[np.float64]:
    """Turn logits of any shape into probabilities float64, each by itself."""
    z = np.asarray(logits, np.float64) / temperature
    small = np.exp(-np.abs(z))
    found: NDArray[np.float64] = np.where(z >= 0, 1, small) / (1 + small)
    return found


def best_f1_threshold(has: NDArray[np.bool_], probabilities: Scores) -> float:
    """Return the threshold in (0, 1] that makes F1 largest, half-way to the next lower probability.

    Of equally good ones the highest; 1, which answers nothing, where no picture has the label.
    """
    order = np.argsort(-np.asarray(probabilities, np.float64), kind="stable")
    ranked, right = np.asarray(probabilities, np.float64)[order], np.cumsum(has[order])
    if not len(ranked) or not right[-1]:
        return 1.0
    f1 = 2 * right / (np.arange(1, len(ranked) + 1) + right[-1])
    is_last = np.append(ranked[1:] < ranked[:-1], True)  # equal probabilities cannot be told apart
    at = int(np.where(is_last, f1, -1).argmax())
    below = ranked[at + 1] if at + 1 < len(ranked) else 0.0
    return float((ranked[at] + below) / 2)


@dataclass(frozen=True, slots=True)
class _Learned:
    temperature: float
    thresholds: NDArray[np.float64]
    promises: tuple[Guarantee, ...]

    def answer(self, logits: Logits) -> tuple[NDArray[np.float64], Marks]:
        """Return probabilities (n, k), and which labels are answered."""
        probabilities = sigmoid(logits, self.temperature)
        return probabilities, probabilities >= self.thresholds


def _learn(
    part: LabelledPart, *, precision: float | None, confidence: float, names: Sequence[str], seed: int
) -> _Learned:
    """Find the temperature and each label's threshold, and make the promises, on one picture of each unit."""
    flat = part.logits.reshape(-1)
    pairs = np.column_stack([np.zeros(len(flat), flat.dtype), flat])
    temperature = fit_temperature(pairs, part.has.reshape(-1).astype(np.int64))
    probabilities = sigmoid(part.logits, temperature)
    thresholds = np.array(
        [best_f1_threshold(has, p) for has, p in zip(part.has.T, probabilities.T, strict=True)]
    )
    if precision is None:
        return _Learned(temperature, thresholds, ())
    shuffled = np.random.default_rng(seed).permutation(len(part.has))
    one_each = shuffled[np.unique(part.units[shuffled], return_index=True)[1]]
    promises = []
    for k, name in enumerate(names):
        likely = one_each[probabilities[one_each, k] >= LIKELY]
        promises.append(
            threshold_for_precision(
                probabilities[likely, k],
                part.has[likely, k],
                precision=precision,
                confidence=confidence,
                what=f"pictures answered {name!r}",
            )
        )
    kept = [
        own if one.threshold is None else max(one.threshold, LIKELY)
        for own, one in zip(thresholds.tolist(), promises, strict=True)
    ]
    return _Learned(temperature, np.array(kept), tuple(promises))


def _mistakes(has: Marks, answers: Marks, probabilities: Probabilities) -> tuple[LabelMistake, ...]:
    """List the wrong answers, the most confident first."""
    wrong = np.argwhere(has != answers)
    sure = np.abs(has[tuple(wrong.T)] - probabilities[tuple(wrong.T)])
    wrong = wrong[np.argsort(-sure, kind="stable")]
    return tuple(LabelMistake(i, k, bool(has[i, k]), float(probabilities[i, k])) for i, k in wrong.tolist())
