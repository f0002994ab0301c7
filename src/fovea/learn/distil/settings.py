"""What a student learns from, and what is wished of its training."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fovea.learn.scratch import Making


@dataclass(frozen=True, slots=True)
class Taught:
    """Pictures uint8 (n, h, w, 3), their classes int64 (n,), -1 for those without a label, and what the teacher says.

    `answers` are its calibrated log-probabilities, float16 (n, k), `features` float16 (n, f) what it sees.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    answers: NDArray[np.float16]
    features: NDArray[np.float16] | None = None


@dataclass(frozen=True, slots=True)
class Distilling:
    """How much of a teacher: answers are compared at `temperature` (above 0; higher tells more of the unlikely classes).

    `alpha` in [0, 1] is the share of the teacher in the loss, the rest that of the labels; pictures without a label have the
    teacher alone. `features` is the weight of the teacher's features beside both (0: they are not learned).
    """

    temperature: float = 4.0
    alpha: float = 0.9
    features: float = 0.0
    making: Making = field(default_factory=Making)
