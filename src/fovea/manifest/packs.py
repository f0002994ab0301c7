"""Pictures packed many to a file: one by its number as the bytes of a picture file, nothing unpacked to disk."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Pack(Protocol):
    """A file that holds pictures by number; it may be read from several threads at once."""

    @property
    def is_quick(self) -> bool:
        """Whether a picture is at hand in memory."""
        ...

    def read(self, number: int) -> bytes:
        """Return picture `number` (from 0) as a file's bytes.

        Raises OSError where the file cannot be read any more, PictureError where the place holds no picture.
        """
        ...


@dataclass(frozen=True, slots=True)
class PixelPack:
    """Raw pixels, given out as PGM or PPM: lossless, and 15 bytes longer than the pixels.

    `pixels` is uint8 (n, h, w) grey, or (n, 3, h, w) as planes of red, green and blue; in memory once, or mapped.
    """

    pixels: NDArray[np.uint8]
    is_quick: bool = True

    def read(self, number: int) -> bytes:
        """Return picture `number` as PGM or PPM."""
        one: NDArray[np.uint8] = self.pixels[number]
        height, width = one.shape[-2:]
        kind, values = (b"P5", one) if one.ndim == 2 else (b"P6", one.transpose(1, 2, 0))
        return b"%s\n%d %d\n255\n%s" % (kind, width, height, values.tobytes())


@dataclass(frozen=True, slots=True)
class PackedPicture:
    """A picture in a pack as something to predict: what it is called, and how to get its content."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants of a source: labels or not, which label, groups by which column, wrong rows refused; and what a
    label is: the name of a class, a number ("regression"), or several names ("labels")."""

    labelled: bool = True
    label_by: str | None = None
    group_by: str | None = None
    strict: bool = False
    target: str = "classes"
