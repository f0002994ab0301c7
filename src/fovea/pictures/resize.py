"""Pictures to a given size: cropped, padded or squashed. Always antialiased."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

FITS = ("crop", "pad", "squash")
PADDING = (124, 116, 104)
"""The mean colour of ImageNet, which becomes zero where networks take their input's mean away."""


def fitted_size(size: tuple[int, int], *, into: tuple[int, int], fit: str) -> tuple[int, int]:
    """Return the (width, height) in pixels that a picture of `size` is scaled to, before crop or padding."""
    if fit not in FITS:
        raise InputError(f"fit is {fit!r}; use one of {', '.join(FITS)}.")
    if fit == "squash":
        return into
    ratios = (into[0] / size[0], into[1] / size[1])
    scale = max(ratios) if fit == "crop" else min(ratios)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def scale_image(image: "Image.Image", *, into: tuple[int, int], fit: str) -> "Image.Image":
    """Return the Pillow picture scaled to `into` (width, height), cropped or still to be padded."""
    size = fitted_size(image.size, into=into, fit=fit)
    box = (0.0, 0.0, float(image.width), float(image.height))
    if fit == "crop":
        scale = max(into[0] / image.width, into[1] / image.height)
        # Rounding must not push the box over the edge.
        width, height = min(into[0] / scale, image.width), min(into[1] / scale, image.height)
        left, top = (image.width - width) / 2, (image.height - height) / 2
        size, box = into, (left, top, left + width, top + height)
    return _scale(image, size=size, box=box)


def pad_image(image: "Image.Image", *, into: tuple[int, int]) -> "Image.Image":
    """Return the Pillow picture, mode RGB, in the middle of a border that makes it `into` (width, height)."""
    from PIL import Image

    if image.size == into:
        return image
    outer = Image.new("RGB", into, PADDING)
    outer.paste(image, ((into[0] - image.width) // 2, (into[1] - image.height) // 2))
    return outer


def _scale(
    image: "Image.Image", *, size: tuple[int, int], box: tuple[float, float, float, float]
) -> "Image.Image":
    from PIL import Image

    if size == image.size == box[2:]:
        return image
    return image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)


def resize(
    pixels: NDArray[np.uint8], *, height_px: int, width_px: int, fit: str = "crop"
) -> NDArray[np.uint8]:
    """Return a picture at exactly the given size, antialiased, read-only.

    `pixels` is uint8 (h, w, 3). `fit` is "crop" (aspect kept, the middle taken), "pad" (aspect kept, a border
    of ImageNet's mean colour) or "squash". Returns uint8 (height_px, width_px, 3).

    Raises InputError for another `fit`.
    """
    from PIL import Image

    into = (width_px, height_px)
    return np.asarray(pad_image(scale_image(Image.fromarray(pixels), into=into, fit=fit), into=into))
