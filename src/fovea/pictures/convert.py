"""Every mode that Pillow opens -> 8-bit RGB or grey, by stated rules (docs/pictures.md), each named."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import PictureError

if TYPE_CHECKING:
    from PIL import Image

_PLAIN = {"CMYK": "cmyk", "LAB": "lab", "YCbCr": "ycbcr"}


def to_8bit(
    image: "Image.Image", *, bits: int = 8, inverted: bool = False
) -> tuple["Image.Image", tuple[str, ...]]:
    """Return the loaded Pillow picture in mode RGB or L, and the names of what was done.

    `bits` is the file's own depth per channel; `inverted` says that zero means white.

    Raises PictureError for numbers of an unknown scale.
    """
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image, ("16-bit",) if bits == 16 else ()
    if mode in _PLAIN:
        return image.convert("RGB"), (*_names(mode, bits=bits), _PLAIN[mode])
    if mode == "F" or mode.startswith("I"):
        return _scale_numbers(image, bits=bits, inverted=inverted)
    names = _names(mode, bits=bits)
    if mode == "1":
        image = _as_grey(image)
    if image.has_transparency_data:
        return _over_white(image, bits=bits), (*names, "alpha")
    return (image if image.mode == "L" else image.convert("RGB")), names


def _names(mode: str, *, bits: int) -> tuple[str, ...]:
    first = {"1": "1-bit", "L": "grey", "LA": "grey", "La": "grey", "P": "palette", "PA": "palette"}.get(mode)
    return (*((first,) if first else ()), *(("16-bit",) if bits == 16 else ()))


def _as_grey(image: "Image.Image") -> "Image.Image":
    grey = image.convert("L")
    grey.info = image.info
    return grey


def _over_white(image: "Image.Image", *, bits: int) -> "Image.Image":
    """Return the picture in RGB as it looks on white paper."""
    from PIL import Image

    key = image.info.get("transparency")
    if bits == 16 and isinstance(key, (tuple, int)):
        # The pixels were reduced to their upper eight bits; so is the colour that stands for "nothing".
        image.info["transparency"] = tuple(part >> 8 for part in key) if isinstance(key, tuple) else key >> 8
    if image.mode == "La":
        image = image.convert("LA")
    full = image if image.mode == "RGBA" else image.convert("RGBA")
    paper = Image.new("RGB", full.size, (255, 255, 255))
    paper.paste(full, mask=full)
    return paper


def _scale_numbers(
    image: "Image.Image", *, bits: int, inverted: bool
) -> tuple["Image.Image", tuple[str, ...]]:
    """Return a grey picture from numbers of more than eight bits, scaled by their depth."""
    from PIL import Image

    numbers: NDArray[np.number[Any]] = np.asarray(image)
    names: tuple[str, ...] = ("grey", "float" if image.mode == "F" else "16-bit")
    if image.mode == "F":
        grey = _scale_floats(numbers)
    elif bits <= 16:
        grey = _scale_integers(numbers, bits=bits)
    else:
        raise PictureError(
            f"{bits}-bit whole numbers, whose scale is unknown; save it as an 8-bit or 16-bit PNG"
        )
    if inverted:
        grey = 255 - grey
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey = np.where(numbers == key, np.uint8(255), grey)
        names = (*names, "alpha")
    return Image.fromarray(grey), names


def _scale_integers(numbers: NDArray[np.number[Any]], *, bits: int) -> NDArray[np.uint8]:
    if numbers.min() < 0:
        raise PictureError(
            f"numbers below zero (from {numbers.min()} to {numbers.max()}), whose scale is unknown; "
            "save it as an 8-bit or 16-bit PNG"
        )
    # Of 16 bits the upper eight, as everywhere: exact for 8-bit pictures that were widened.
    return (numbers.astype(np.int32) >> (bits - 8)).astype(np.uint8)


def _scale_floats(numbers: NDArray[np.number[Any]]) -> NDArray[np.uint8]:
    low, high = float(numbers.min()), float(numbers.max())
    if not (low >= 0 and high <= 255):
        raise PictureError(
            f"floating-point numbers from {low:g} to {high:g}, whose scale is unknown (0 to 1 and 0 to 255 "
            "are read); save it as an 8-bit or 16-bit PNG"
        )
    factor = 255.0 if high <= 1 else 1.0
    return (numbers.astype(np.float64) * factor).round().astype(np.uint8)
