"""Figures from labels and probabilities: accuracy and its kin, per class, confusion, the simplest answer.

Arrays in, numbers out. What is unknown stays out: a label of -1 (a class that the model does not know) is
counted, not scored; a class without a picture has no recall and stays out of the averages, and is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Labels, Probabilities
from fovea.judge.intervals import Interval, wilson_interval

TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: shares with 95 % intervals (None where nothing was there to count) and counts."""

    class_name: str
    n: int
    n_predicted: int
    n_right: int
    precision: float | None
    precision_interval: Interval
    recall: float | None
    recall_interval: Interval
    f1: float | None
    f1_interval: Interval


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one set of labelled pictures; higher is better, but for `log_loss` (nats)."""

    n: int
    n_right: int
    n_unknown_class: int
    accuracy: float
    accuracy_interval: Interval
    baseline_accuracy: float
    baseline_class: str
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    top5_accuracy: float | None
    per_class: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64]
    classes_left_out: tuple[str, ...]


def measure(
    labels: Labels, probabilities: Probabilities, *, class_names: Sequence[str], commonest: int
) -> Figures:
    """Compute every figure of labelled pictures.

    Args:
        labels: int (n,), 0 to k - 1, or -1 for a class that the model does not know (counted, not scored).
        probabilities: float (n, k), rows sum to 1.
        class_names: the k names.
        commonest: the commonest class of the training part, the baseline's only answer.

    Raises:
        ValueError: no picture has a known class.
    """
    known = labels >= 0
    n_unknown = int(len(labels) - known.sum())
    labels, probabilities = labels[known], probabilities[known]
    n = len(labels)
    if n == 0:
        raise ValueError("no picture of a known class to measure")
    predicted = probabilities.argmax(axis=1)
    confusion = count_confusion(labels, predicted, n_classes=len(class_names))
    per_class = tuple(_class_figures(confusion, c, name) for c, name in enumerate(class_names))
    seen = [c for c in per_class if c.n]
    n_right = int(np.trace(confusion))
    return Figures(
        n=n,
        n_right=n_right,
        n_unknown_class=n_unknown,
        accuracy=n_right / n,
        accuracy_interval=wilson_interval(n_right, n),
        baseline_accuracy=float(np.mean(labels == commonest)),
        baseline_class=class_names[commonest],
        balanced_accuracy=float(np.mean([c.recall for c in seen])),
        macro_f1=float(np.mean([c.f1 for c in seen])),
        log_loss=log_loss(labels, probabilities),
        top5_accuracy=top_accuracy(labels, probabilities, n_best=5) if len(class_names) > 5 else None,
        per_class=per_class,
        confusion=confusion,
        classes_left_out=tuple(c.class_name for c in per_class if not c.n),
    )


def count_confusion(labels: Labels, predicted: Labels, *, n_classes: int) -> NDArray[np.int64]:
    """Count pictures by true class (row) and answered class (column): int64 (k, k)."""
    flat = np.bincount(labels.astype(np.int64) * n_classes + predicted, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean of -ln p(true class), in nats; 0 is best. A probability of 0 counts as 2e-308."""
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(given, TINY)).mean())


def top_accuracy(labels: Labels, probabilities: Probabilities, *, n_best: int) -> float:
    """Return the share of pictures whose true class is among the `n_best` most probable ones."""
    given = probabilities[np.arange(len(labels)), labels][:, None]
    return float(np.mean((probabilities > given).sum(axis=1) < n_best))


def _class_figures(confusion: NDArray[np.int64], c: int, class_name: str) -> ClassFigures:
    n_right, n, n_predicted = int(confusion[c, c]), int(confusion[c].sum()), int(confusion[:, c].sum())
    n_either = n + n_predicted - n_right
    # F1 = 2 J / (1 + J), J the share of right ones among pictures of the class or answered so: its interval
    # carries over
    low, high = wilson_interval(n_right, n_either)
    return ClassFigures(
        class_name=class_name,
        n=n,
        n_predicted=n_predicted,
        n_right=n_right,
        precision=n_right / n_predicted if n_predicted else None,
        precision_interval=wilson_interval(n_right, n_predicted),
        recall=n_right / n if n else None,
        recall_interval=wilson_interval(n_right, n),
        f1=2 * n_right / (n + n_predicted) if n_either else None,
        f1_interval=(2 * low / (1 + low), 2 * high / (1 + high)),
    )
