"""What the losses of a training would be if every picture got one answer: against them it is told how much was learned.

That is for numbers and labels; of classes accuracies tell it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class OneAnswer:
    """The losses of one answer to every picture, on both sides, and how it is called.

    `least` is the loss on the training side of answers that are right: above 0 where labels are smoothed.
    """

    name: str
    train: float
    valid: float
    least: float = 0.0

    def gone_of_train(self, loss: float) -> float | None:
        """Return how much of its loss on the training side is gone, 1 at best; None where there is none."""
        return _gone(loss - self.least, self.train - self.least)

    def gone_of_valid(self, loss: float) -> float | None:
        """Return how much of its loss on the validation side is gone, 1 at best; None where there is none."""
        return _gone(loss, self.valid)


def mean_answer(train: NDArray[np.float32], valid: NDArray[np.float32]) -> OneAnswer:
    """Return the squared errors of always answering the mean of the training numbers (n, k); `valid` are (m, k)."""
    centre = train.mean(0, dtype=np.float64)
    return OneAnswer(
        "the mean", float(np.square(train - centre).mean()), float(np.square(valid - centre).mean())
    )


def usual_answer(
    train: NDArray[np.float32], valid: NDArray[np.float32], *, smoothing: float = 0.0
) -> OneAnswer:
    """Return the log losses of always answering how frequent each label is on the training side.

    Args:
        train: of each label (n, k), 0 or 1.
        valid: (m, k).
        smoothing: that share of each training label stands half for either answer.
    """
    shares = train.mean(0, dtype=np.float64)
    inside = np.clip(shares, 0.5 / len(train), 1 - 0.5 / len(train))
    return OneAnswer(
        "how frequent each label is",
        _log_loss(_smoothed(inside, smoothing), _smoothed(shares, smoothing)),
        _log_loss(inside, valid.mean(0, dtype=np.float64)),
        _log_loss(*2 * [np.array([smoothing / 2])]) if smoothing else 0.0,
    )


def _smoothed(shares: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
    return shares * (1 - smoothing) + smoothing / 2


def _log_loss(told: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """Return the mean log loss of telling probabilities (k,) where labels have these shares (k,)."""
    return float(-(shares * np.log(told) + (1 - shares) * np.log(1 - told)).mean())


def _gone(loss: float, worst: float) -> float | None:
    return None if worst <= 0 else 1 - loss / worst
