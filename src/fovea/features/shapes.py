"""Which input shape shows a network most of the given pictures at the cost of its own."""

from collections.abc import Sequence
from math import log, sqrt
from statistics import median

_PROPORTIONS = ((1, 2), (9, 16), (2, 3), (3, 4), (1, 1), (4, 3), (3, 2), (16, 9), (2, 1))  # width : height
_STEP_PX = 32  # what the networks' strides multiply to


def shape_for(aspect_ratios: Sequence[float], *, encoder_native: tuple[int, int]) -> tuple[int, int]:
    """Return (height_px, width_px): multiples of 32 for the median picture, as many pixels as natively.

    `aspect_ratios` are width / height (above 0). The nearest of nine proportions is taken, so that a few more
    pictures seldom change the answer; square pictures, or none at all, get the native shape itself.
    """
    if not aspect_ratios:
        return encoder_native
    middle = median(aspect_ratios)
    width, height = min(_PROPORTIONS, key=lambda one: abs(log(one[0] / one[1] / middle)))
    if width == height:
        return encoder_native
    scale = sqrt(encoder_native[0] * encoder_native[1] / (width * height))
    return _rounded(height * scale), _rounded(width * scale)


def _rounded(pixels: float) -> int:
    return max(_STEP_PX, round(pixels / _STEP_PX) * _STEP_PX)
