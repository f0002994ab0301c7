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


def resize_image(image: "Image.Image", *, into: tuple[int, int], fit: str) -> "Image.Image":
    """Return the Pillow picture at exactly `into` (width, height); padding makes it RGB."""
    from PIL import Image

    scaled = fitted_size(image.size, into=into, fit=fit)
    if fit == "pad":
        inner = _scale(image, size=scaled, box=(0, 0, *image.size))
        if scaled == into:
            return inner
        outer = Image.new("RGB", into, PADDING)
        outer.paste(inner, ((into[0] - scaled[0]) // 2, (into[1] - scaled[1]) // 2))
        return outer
    box: tuple[float, float, float, float] = (0, 0, *image.size)
    if fit == "crop":
        scale = max(into[0] / image.width, into[1] / image.height)
        # Rounding must not push the box over the edge.
        width, height = min(into[0] / scale, image.width), min(into[1] / scale, image.height)
        left, top = (image.width - width) / 2, (image.height - height) / 2
        box = (left, top, left + width, top + height)
    return _scale(image, size=into, box=box)


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

    image = resize_image(Image.fromarray(pixels), into=(width_px, height_px), fit=fit)
    return np.asarray(image)
