"""What a linear head is fitted by: cross-entropy over classes, or over each label by itself. Logits in, numbers out.

Logits and probabilities are (k, problems, m): k classes, or k = 1 where every problem has labels of its own.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fovea.learn.probe.products import Reals


class Loss(Protocol):
    """A mean loss over weighted rows (problems, m), convex in the logits, and its derivatives."""

    @property
    def n_columns(self) -> int:
        """The logits of one row and problem: k."""

    def value(self, logits: Reals, weights: Reals) -> tuple[NDArray[np.float64], Reals]:
        """Return the loss (problems,) and the probabilities; the logits' memory is used again."""

    def residuals(self, probabilities: Reals, weights: Reals) -> Reals:
        """Return the derivative by the logits (k, problems, m)."""

    def spread(self, probabilities: Reals, along: Reals) -> Reals:
        """Return the second derivative of each row's loss (problems, m) along a change of the logits."""


@dataclass(frozen=True, slots=True)
class Softmax:
    """Cross-entropy of labels (m,) in [0, n_columns), smoothed: 1 - smoothing for the label, the rest for all alike."""

    labels: NDArray[np.int64]
    n_columns: int
    smoothing: float = 0.0

    def value(self, logits: Reals, weights: Reals) -> tuple[NDArray[np.float64], Reals]:
        """Return the loss and the probabilities."""
        z = logits
        z -= z.max(0)
        hit = (1 - self.smoothing) * z[self.labels, :, np.arange(len(self.labels))].T  # (problems, m)
        if self.smoothing:
            hit += self.smoothing * z.mean(0)
        np.exp(z, out=z)
        total = z.sum(0)
        z /= total
        return np.einsum("pm,pm->p", weights.astype(np.float64), np.log(total) - hit), z

    def residuals(self, probabilities: Reals, weights: Reals) -> Reals:
        """Return the derivative by the logits."""
        residuals: Reals = (probabilities - self.smoothing / self.n_columns) * weights
        residuals[self.labels, :, np.arange(len(self.labels))] -= (1 - self.smoothing) * weights.T
        return residuals

    def spread(self, probabilities: Reals, along: Reals) -> Reals:
        """Return the second derivative along a change of the logits."""
        weighted = probabilities * along
        mean = weighted.sum(0)
        found: Reals = np.einsum("kpm,kpm->pm", weighted, along) - mean * mean
        return found


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """Cross-entropy of yes and no: `has` (problems, m) is 1 where a row has the problem's label, else 0."""

    has: Reals

    @property
    def n_columns(self) -> int:
        """One logit a row and problem."""
        return 1

    def value(self, logits: Reals, weights: Reals) -> tuple[NDArray[np.float64], Reals]:
        """Return the loss and the probabilities."""
        z = logits[0]
        small = np.exp(-np.abs(z))
        # log(1 + e^z) - y z, without overflow on either side
        lost = np.log1p(small) + np.maximum(z, 0) - self.has * z
        loss = np.einsum("pm,pm->p", weights.astype(np.float64), lost)
        return loss, (np.where(z >= 0, 1, small) / (1 + small))[None].astype(logits.dtype, copy=False)

    def residuals(self, probabilities: Reals, weights: Reals) -> Reals:
        """Return the derivative by the logits."""
        found: Reals = (probabilities - self.has) * weights
        return found

    def spread(self, probabilities: Reals, along: Reals) -> Reals:
        """Return the second derivative along a change of the logits."""
        found: Reals = (probabilities * (1 - probabilities) * along * along)[0]
        return found
