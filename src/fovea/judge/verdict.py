"""The verdict on a trained head: every figure with its interval, thresholds with their promise, what to look at.

One protocol. Temperature, thresholds and likely errors of the training part come from its out-of-fold logits; the
validation part is only measured. Without a validation part the figures come from the out-of-fold logits as well, each
fold scaled by the temperature of the others, so that no label judges itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    """A wrong answer on a measured picture: `index` into the measured part, class numbers, the answer's probability."""

    index: int
    label: int
    answer: int
    probability: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """A likely label error: `part` is "train" or "valid", `index` into it; `quality` in [0, 1], low is worse."""

    part: str
    index: int
    label: int
    suggested: int
    quality: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything judged. The parts that are not plain say: `measured` is "valid" or "out-of-fold".

    `ece_before` is the calibration error without temperature. `unsure_threshold`: an answer is unsure below it; `unsure` says by
    what right. `promise_kept`: of the measured pictures, accepted at that threshold, right, and the exact interval (None when the
    threshold was found on the same pictures). `calibration` is what the model stores.
    """

    class_names: tuple[str, ...]
    measured: str
    n_train: int
    figures: Figures
    without_leaks: Figures | None
    n_leaked: int
    temperature: float
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
    precisions: Sequence[float] = (),
    per_class: bool = False,
    confidence: float = 0.95,
    seed: int = 0,
) -> Verdict:
    """Judge a head by its out-of-fold logits and, where there is one, a validation part.

    Args:
        train_labels: int (n,), 0 to k - 1.
        oof_logits: float (n, k), each row by a head that has not seen the row's fold.
        class_names: the k names.
        valid_labels: int (m,), -1 for a class that the model does not know; None: cross-validated only.
        valid_logits: float (m, k), by the saved head.
        leaked: bool (m,), validation pictures that stand in the training part too.
        folds: int (n,), the folds of the out-of-fold logits; None: five parts drawn by `seed`.
        train_units: int (n,), pictures of one unit (copies, a user's group) are not independent: one of each calibrates.
        precisions: shares of right ones to find thresholds for, besides 0.95 for "unsure".
        per_class: find thresholds for each answered class too.
        confidence: of the promises.
        seed: for parts, choice within units, and the floor of the calibration error.
    """
    k = len(class_names)
    parts = np.random.default_rng(seed).permutation(len(train_labels)) % N_PARTS if folds is None else folds
    temperature = fit_temperature(oof_logits, train_labels)
    fair = cross_fitted(oof_logits, train_labels, parts=parts)
    scores = calibration_scores(fair, train_labels, units=train_units, seed=seed)
    commonest = int(np.bincount(train_labels, minlength=k).argmax())
    if valid_labels is None or valid_logits is None:
        labels, logits, probabilities = train_labels, oof_logits, fair
    else:
        labels, logits, probabilities = valid_labels, valid_logits, softmax(valid_logits, temperature)
    known = labels >= 0
    figures = measure(labels, probabilities, class_names=class_names, commonest=commonest)
    top, correct = probabilities[known].max(axis=1), probabilities[known].argmax(axis=1) == labels[known]
    raw = softmax(logits[known])
    unsure = threshold_for_precision(
        scores.top, scores.correct, precision=UNSURE_PRECISION, confidence=confidence
    )
    unsure_threshold = UNSURE_PRECISION if unsure.threshold is None else unsure.threshold
    clean = None if leaked is None or not leaked.any() or not (known & ~leaked).any() else known & ~leaked
    held_out = valid_labels is not None
    return Verdict(
        class_names=tuple(class_names),
        measured="valid" if held_out else "out-of-fold",
        n_train=len(train_labels),
        figures=figures,
        without_leaks=None
        if clean is None
        else measure(labels[clean], probabilities[clean], class_names=class_names, commonest=commonest),
        n_leaked=0 if leaked is None else int(leaked.sum()),
        temperature=temperature,
        ece=expected_calibration_error(top, correct),
        ece_before=expected_calibration_error(raw.max(axis=1), correct),
        ece_floor=ece_floor(top, seed=seed),
        reliability=reliability_bins(top, correct),
        unsure_threshold=unsure_threshold,
        unsure=unsure,
        promise_kept=check_promise(top, correct, threshold=unsure_threshold) if held_out else None,
        guarantees=tuple(
            threshold_for_precision(scores.top, scores.correct, precision=p, confidence=confidence)
            for p in precisions
        ),
        per_class_guarantees=tuple(
            thresholds_per_class(
                scores.top,
                scores.correct,
                predicted=scores.predicted,
                class_names=class_names,
                precision=p,
                confidence=confidence,
            )
            for p in (precisions if per_class else ())
        ),
        mistakes=find_mistakes(labels, probabilities),
        suspects=find_suspects(train_labels, fair, valid=(labels, probabilities) if held_out else None),
        calibration=scores,
    )


def calibration_scores(
    probabilities: Probabilities, labels: Labels, *, units: Numbers | None = None, seed: int = 0
) -> CalibrationScores:
    """Take answers and whether they are right from probabilities (n, k); of each unit one picture, drawn by `seed`."""
    keep = np.arange(len(labels))
    if units is not None:
        shuffled = np.random.default_rng(seed).permutation(len(labels))
        keep = np.sort(shuffled[np.unique(units[shuffled], return_index=True)[1]])
    p = np.asarray(probabilities[keep], dtype=np.float64)
    predicted = p.argmax(axis=1).astype(np.int64)
    return CalibrationScores(p.max(axis=1), predicted == labels[keep], predicted)


def find_mistakes(labels: Labels, probabilities: Probabilities) -> tuple[Mistake, ...]:
    """List the wrong answers, the most confident first; labels of -1 are left out."""
    answers, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero((answers != labels) & (labels >= 0))
    wrong = wrong[np.argsort(-top[wrong], kind="stable")]
    return tuple(Mistake(int(i), int(labels[i]), int(answers[i]), float(top[i])) for i in wrong)


def find_suspects(
    train_labels: Labels, fair: Probabilities, *, valid: tuple[Labels, Probabilities] | None
) -> tuple[Suspect, ...]:
    """List likely label errors of both parts together: every probability is of a head that has not seen the picture."""
    labels, probabilities, n = train_labels, fair, len(train_labels)
    rows = np.arange(n)
    if valid is not None:
        known = np.flatnonzero(valid[0] >= 0)
        labels = np.concatenate([labels, valid[0][known]])
        probabilities = np.concatenate([fair, valid[1][known]])
        rows = np.concatenate([rows, known])
    issues = label_issues(labels, probabilities)
    return tuple(
        Suspect("train" if i < n else "valid", int(rows[i]), int(labels[i]), int(s), float(q))
        for i, s, q in zip(
            issues.indices.tolist(), issues.suggested.tolist(), issues.quality.tolist(), strict=True
        )
    )
