"""The linear head over stored features: arrays in, logits out. numpy only, since it is on the way of every prediction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Head:
    """A softmax regression on standardised features: d features, k classes.

    `weights` (k, d), `bias` (k,), `mean` (d,) and `scale` (d,) are float32; a `scale` of 0 marks a feature that was
    constant in training and is ignored. `penalty` is the L2 penalty it was fitted with, see `fit_probe`.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    class_names: tuple[str, ...]
    penalty: float
    transform: str = "none"

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits (n, k) float32 of features (n, d) float32; any finite range, higher is likelier."""
        inverse = np.divide(1, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0)
        standardised = (np.asarray(features, np.float32) - self.mean) * inverse
        return (standardised @ self.weights.T + self.bias).astype(np.float32, copy=False)
