"""Which input shape shows a network the most of the given pictures at the same cost."""

from collections.abc import Sequence
from statistics import median

_PROPORTIONS = ((1, 2), (9, 16), (2, 3), (3, 4), (1, 1), (4, 3), (3, 2), (16, 9), (2, 1))  # width : height
_STEP_PX = 32


def shape_for(aspect_ratios: Sequence[float], *, n_pixels: int) -> tuple[int, int]:
    """Return (height_px, width_px), multiples of 32 with about `n_pixels` together, fit for the median picture.

    `aspect_ratios` are width / height, at least one. The nearest of nine proportions is taken, so that a few more pictures
    seldom change the answer.
    """
    from math import log, sqrt

    middle = median(aspect_ratios)
    width, height = min(_PROPORTIONS, key=lambda one: abs(log(one[0] / one[1] / middle)))
    scale = sqrt(n_pixels / (width * height))
    return max(_STEP_PX, round(height * scale / _STEP_PX) * _STEP_PX), max(
        _STEP_PX, round(width * scale / _STEP_PX) * _STEP_PX
    )
