"""What a head tells that is not one class of several: a number, or which labels; how its logits become answers."""

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.judge import sigmoid, softmax


@dataclass(frozen=True, slots=True)
class Values:
    """A number: the head's one logit, in the user's unit.

    `half_width`: in a share `coverage` of pictures drawn like those of training the true number is no further off.
    `spread`, `median`, `mean`, `lowest` and `highest` are those of the training numbers; the spread is their deviation,
    above 0.
    """

    coverage: float
    half_width: float
    spread: float
    median: float
    mean: float
    lowest: float
    highest: float

    @property
    def kind(self) -> str:
        """What the target is called."""
        return "regression"

    @property
    def baseline(self) -> tuple[float, float]:
        """What always answering would be: the median, the mean."""
        return self.median, self.mean

    def answers(self, logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
        """Return the numbers (n, 1) in training deviations: what a stored answer is compared in."""
        found: NDArray[np.float64] = logits.astype(np.float64) / self.spread
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what model.json holds."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Labels:
    """Several labels, or none: each is answered from a probability of its own on, `thresholds` (k) in [0, 1].

    `precisions` (k): what was promised of answers at that threshold, None where nothing was; with this `confidence`.
    `commonest`: the commonest set of labels of the training pictures, which figures are compared with.
    """

    thresholds: tuple[float, ...]
    precisions: tuple[float | None, ...]
    confidence: float | None = None
    commonest: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What the target is called."""
        return "labels"

    def answers(self, logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
        """Return the probability (n, k) of each label."""
        return sigmoid(logits, temperature)

    def to_json(self) -> dict[str, Any]:
        """Return what model.json holds."""
        told = {"thresholds": list(self.thresholds), "precisions": list(self.precisions)}
        return {"kind": self.kind, **told, "confidence": self.confidence, "commonest": list(self.commonest)}


Target: TypeAlias = Values | Labels


def head_answers(
    logits: NDArray[np.float32], *, target: Target | None, temperature: float
) -> NDArray[np.float64]:
    """Return what logits (n, k) of a head say, float64 (n, k): without a target the probabilities of classes."""
    if target is None:
        return np.asarray(softmax(logits, temperature), np.float64)
    return target.answers(logits, temperature)
