"""The verdict on a trained head: figures with intervals, thresholds with promises, what to look at.

One protocol. Temperature, thresholds and likely errors of the training part come from its out-of-fold logits;
the validation part is only measured. Without one the figures come from the out-of-fold logits too, each fold
scaled by the temperature of the others, so that no label judges itself (the penalty was chosen on them: a
slight optimism). A network that was trained has no out-of-fold logits: there the validation part does both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Labels, Logits, Mask, Numbers, Probabilities
from fovea.judge.calibration import (
    ReliabilityBin,
    cross_fitted,
    ece_floor,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    softmax,
)
from fovea.judge.guarantee import (
    CalibrationScores,
    Guarantee,
    check_promise,
    threshold_for_precision,
    thresholds_per_class,
)
from fovea.judge.intervals import Interval
from fovea.judge.labels import label_issues
from fovea.judge.metrics import Figures, measure

UNSURE_PRECISION = 0.95
N_PARTS = 5


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer: `index` into the measured pictures, class numbers, the answer's probability."""

    index: int
    label: int
    answer: int
    probability: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """A likely label error: `part` ("train" or "valid"), `index` into it; `quality` in [0, 1], low is bad."""

    part: str
    index: int
    label: int
    suggested: int
    quality: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything judged.

    `measured`: "valid", or "out-of-fold" where there was no validation part. `ece_before`: without
    temperature. `unsure_threshold`: an answer of a lower probability is unsure; it is that of `unsure`, the
    promise of 95 % right ones, or, where the data cannot support that, 0.95: each accepted answer is then
    likely enough by itself, without a promise. `promise_kept`: of the measured pictures at that threshold,
    accepted, right, and the exact interval; None where the threshold was found on the same pictures.
    `calibration`: what the model stores. `train_temperature`: that of the out-of-fold logits, which is `temperature` but
    where the validation part calibrated.
    """

    class_names: tuple[str, ...]
    measured: str
    n_train: int
    figures: Figures
    without_leaks: Figures | None
    n_leaked: int
    temperature: float
    train_temperature: float
    ece: float
    ece_before: float
    ece_floor: float
    reliability: tuple[ReliabilityBin, ...]
    unsure_threshold: float
    unsure: Guarantee
    promise_kept: tuple[int, int, Interval] | None
    guarantees: tuple[Guarantee, ...]
    per_class_guarantees: tuple[tuple[Guarantee, ...], ...]
    mistakes: tuple[Mistake, ...]
    suspects: tuple[Suspect, ...]
    calibration: CalibrationScores

    def to_json(self) -> dict[str, object]:
        """Return the figures under the names of metrics.json; lists, numbers, strings and None only."""
        from fovea.judge.write_json import verdict_json

        return verdict_json(self)


def judge(
    *,
    train_labels: Labels,
    oof_logits: Logits,
    class_names: Sequence[str],
    valid_labels: Labels | None = None,
    valid_logits: Logits | None = None,
    leaked: Mask | None = None,
    folds: Numbers | None = None,
    train_units: Numbers | None = None,
    valid_units: Numbers | None = None,
    by_valid: bool = False,
    precisions: Sequence[float] = (),
    per_class: bool = False,
    confidence: float = 0.95,
    seed: int = 0,
) -> Verdict:
    """Judge a head by its out-of-fold logits and, where there is one, a validation part.

    Args:
        train_labels: int (n,), 0 to k - 1.
        oof_logits: float (n, k), each row by a head that has not seen the row's fold; (0, k) where there are none.
        class_names: the k names.
        valid_labels: int (m,), -1 for a class that the model does not know; None: cross-validated only.
        valid_logits: float (m, k), by the saved head.
        leaked: bool (m,), validation pictures that (nearly) stand in the training part too.
        folds: int (n,), the folds of the out-of-fold logits; None: five parts drawn by `seed`.
        train_units: int (n,), pictures of one unit (copies, a user's group) are not independent: one of each
            calibrates.
        valid_units: int (m,), the same of the validation part.
        by_valid: the network was trained, so the validation part calibrates, and what it is measured by is scaled by the
            temperature of its other parts; the out-of-fold logits, of another head, only tell likely label errors.
        precisions: shares of right ones to find thresholds for; the first that the data support says what is unsure,
            else 0.95 does.
        per_class: find thresholds for each answered class too.
        confidence: of the promises.
        seed: for parts, the choice within units, and the floor of the calibration error.

    Raises:
        ValueError: no measured picture has a known class; a precision is not between 0 and 1.
    """
    train_temperature = fit_temperature(oof_logits, train_labels) if len(oof_logits) else 1.0
    temperature, cal_labels, cal_logits, cal_units = train_temperature, train_labels, oof_logits, train_units
    if by_valid:
        cal_labels, cal_logits, cal_units = _known(valid_labels, valid_logits, valid_units)
        temperature = fit_temperature(cal_logits, cal_labels)
    scores = calibration_scores(softmax(cal_logits, temperature), cal_labels, units=cal_units, seed=seed)
    guarantees = _promises(scores, precisions, confidence=confidence)
    unsure = _first_supported(guarantees, scores, confidence=confidence)
    unsure_threshold = UNSURE_PRECISION if unsure.threshold is None else unsure.threshold
    if valid_labels is None or valid_logits is None:
        labels, logits, leaked, held_out = train_labels, oof_logits, None, None
        parts = _parts(len(labels), seed) if folds is None else folds
        probabilities = cross_fitted(logits, labels, parts=parts)
    else:
        labels, logits, probabilities = valid_labels, valid_logits, softmax(valid_logits, temperature)
        if by_valid:
            parts = _parts(len(cal_labels), seed)
            probabilities[labels >= 0] = cross_fitted(cal_logits, cal_labels, parts=parts)
        held_out = (labels, probabilities)
    known = labels >= 0
    commonest = int(np.bincount(train_labels, minlength=len(class_names)).argmax())
    top, correct = _answers(labels[known], probabilities[known])
    return Verdict(
        class_names=tuple(class_names),
        measured="valid" if held_out else "out-of-fold",
        n_train=len(train_labels),
        figures=measure(labels, probabilities, class_names=class_names, commonest=commonest),
        without_leaks=_without(leaked, labels, probabilities, class_names=class_names, commonest=commonest),
        n_leaked=0 if leaked is None else int(leaked.sum()),
        temperature=temperature,
        train_temperature=train_temperature,
        ece=expected_calibration_error(top, correct),
        ece_before=expected_calibration_error(*_answers(labels[known], softmax(logits[known]))),
        ece_floor=ece_floor(top, seed=seed),
        reliability=reliability_bins(top, correct),
        unsure_threshold=unsure_threshold,
        unsure=unsure,
        promise_kept=check_promise(top, correct, threshold=unsure_threshold)
        if held_out and not by_valid
        else None,
        guarantees=guarantees,
        per_class_guarantees=_promises_per_class(
            scores, precisions if per_class else (), class_names=class_names, confidence=confidence
        ),
        mistakes=find_mistakes(labels, probabilities),
        suspects=find_suspects(
            train_labels[: len(oof_logits)], softmax(oof_logits, train_temperature), valid=held_out
        ),
        calibration=scores,
    )


def _known(
    labels: Labels | None, logits: Logits | None, units: Numbers | None
) -> tuple[Labels, Logits, Numbers | None]:
    """Return the validation pictures of classes that the model knows. Raises ValueError where there is no such part."""
    if labels is None or logits is None:
        raise ValueError("a trained network is judged by a validation part, and there is none")
    known = labels >= 0
    return labels[known], logits[known], None if units is None else units[known]


def _first_supported(
    guarantees: Sequence[Guarantee], scores: CalibrationScores, *, confidence: float
) -> Guarantee:
    """Return the first promise that the data support, else what they say of the usual one."""
    supported = [one for one in guarantees if one.threshold is not None]
    return supported[0] if supported else _promises(scores, (UNSURE_PRECISION,), confidence=confidence)[0]


def _parts(n: int, seed: int) -> Numbers:
    """Return the number of each of n pictures' part, drawn by `seed`."""
    return np.random.default_rng(seed).permutation(n) % N_PARTS


def calibration_scores(
    probabilities: Probabilities, labels: Labels, *, units: Numbers | None = None, seed: int = 0
) -> CalibrationScores:
    """Take answers and whether they are right from probabilities (n, k); of each unit one picture."""
    keep = np.arange(len(labels))
    if units is not None:
        shuffled = np.random.default_rng(seed).permutation(len(labels))
        keep = np.sort(shuffled[np.unique(units[shuffled], return_index=True)[1]])
    p = np.asarray(probabilities[keep], dtype=np.float64)
    top, correct = _answers(labels[keep], p)
    return CalibrationScores(top, correct, p.argmax(axis=1).astype(np.int64))


def find_mistakes(labels: Labels, probabilities: Probabilities) -> tuple[Mistake, ...]:
    """List the wrong answers, the most confident first; labels of -1 are left out."""
    answers, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero((answers != labels) & (labels >= 0))
    wrong = wrong[np.argsort(-top[wrong], kind="stable")]
    return tuple(Mistake(int(i), int(labels[i]), int(answers[i]), float(top[i])) for i in wrong)


def find_suspects(
    train_labels: Labels, scaled: Probabilities, *, valid: tuple[Labels, Probabilities] | None
) -> tuple[Suspect, ...]:
    """List likely label errors of both parts together: every head was new to the picture it judged."""
    labels, probabilities, n = train_labels, scaled, len(train_labels)
    rows = np.arange(n)
    if valid is not None:
        known = np.flatnonzero(valid[0] >= 0)
        labels = np.concatenate([labels, valid[0][known]])
        probabilities = np.concatenate([scaled, valid[1][known]])
        rows = np.concatenate([rows, known])
    issues = label_issues(labels, probabilities)
    return tuple(
        Suspect("train" if i < n else "valid", int(rows[i]), int(labels[i]), suggested, quality)
        for i, suggested, quality in zip(
            issues.indices.tolist(), issues.suggested.tolist(), issues.quality.tolist(), strict=True
        )
    )


def _answers(labels: Labels, probabilities: Probabilities) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the answers' probabilities float64 (n,) and whether they are right, bool (n,)."""
    return probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels


def _promises(
    scores: CalibrationScores, precisions: Sequence[float], *, confidence: float
) -> tuple[Guarantee, ...]:
    return tuple(
        threshold_for_precision(scores.top, scores.correct, precision=p, confidence=confidence)
        for p in precisions
    )


def _promises_per_class(
    scores: CalibrationScores, precisions: Sequence[float], *, class_names: Sequence[str], confidence: float
) -> tuple[tuple[Guarantee, ...], ...]:
    return tuple(
        thresholds_per_class(
            scores.top,
            scores.correct,
            predicted=scores.predicted,
            class_names=class_names,
            precision=precision,
            confidence=confidence,
        )
        for precision in precisions
    )


def _without(
    leaked: Mask | None,
    labels: Labels,
    probabilities: Probabilities,
    *,
    class_names: Sequence[str],
    commonest: int,
) -> Figures | None:
    """Measure again without the leaked pictures; None where none leaked or nothing is left."""
    if leaked is None or not leaked.any() or not (labels[~leaked] >= 0).any():
        return None
    return measure(labels[~leaked], probabilities[~leaked], class_names=class_names, commonest=commonest)
