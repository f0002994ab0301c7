"""What a decoded picture is: its pixels, and the facts of the file it came from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.errors import PictureError

PIXEL_LIMIT = 2**26
"""Most pixels decoded at once, 67 million (8192 x 8192): 256 MiB in Pillow's form, below its own warning."""

JPEG_PIXEL_LIMIT = 2**28
"""Most pixels of a sequential JPEG, which a reduced scale brings under PIXEL_LIMIT (phones: 200 million)."""


TEXT_PIXEL_LIMIT = 2**20
"""Most pixels of a PPM written as text, which Pillow reads in Python: a second for a million."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file held before conversion.

    `format` is Pillow's name ("JPEG"), `mode` Pillow's mode before conversion ("RGB", "I;16"), `width` and
    `height` the upright original size in pixels. `conversions` names what was done, out of: "first-frame",
    "reduced" (too large to be decoded whole), "bad-exif" (its orientation is unreadable and was ignored),
    "turned", "1-bit", "grey", "palette", "16-bit", "float", "cmyk", "lab", "ycbcr", "alpha" (put over white).
    """

    format: str
    mode: str
    width: int
    height: int
    conversions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: `pixels` uint8 (h, w, 3) RGB in 0..255, upright, read-only; `facts` of the original file."""

    pixels: NDArray[np.uint8]
    facts: Facts


def cut_short(n_bytes: int) -> PictureError:
    """Return the error for a file of `n_bytes` that ends before its picture does."""
    return PictureError(f"cut short: the file ends after {n_bytes:,} bytes, before its picture does")
