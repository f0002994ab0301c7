"""What people do to pictures: cut, resized, recompressed and mirrored copies, and how another shot might look."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

ALTERATIONS = ("crop", "resize", "jpeg", "mirror", "shot")
CROP = 0.9
QUALITY = 40
_FINE = 92  # quality of JPEGs where compression is not the point


def alter(pixels: NDArray[np.uint8], kind: str, *, seed: int) -> bytes:
    """Return an altered copy of a picture, uint8 (h, w, 3), as a JPEG file, the same for the same seed.

    `kind` is "crop" (90 % of each side, anywhere), "resize" (to between 0.4 and 2 times), "jpeg" (quality 40), "mirror", or
    "shot": a part of 65 to 90 % of each side, tilted by up to 6 degrees, brighter or darker by up to 20 %.

    Raises InputError for another kind.
    """
    from io import BytesIO

    from PIL import Image, ImageEnhance

    if kind not in ALTERATIONS:
        raise InputError(f"alteration is {kind!r}; there are: {', '.join(ALTERATIONS)}.")
    rng = np.random.default_rng([seed, ALTERATIONS.index(kind)])
    image = Image.fromarray(pixels)
    if kind == "shot":
        image = image.rotate(rng.uniform(-6, 6), Image.Resampling.BILINEAR)
        image = ImageEnhance.Brightness(_cut(image, share=rng.uniform(0.65, 0.9), rng=rng)).enhance(
            rng.uniform(0.8, 1.2)
        )
    elif kind == "crop":
        image = _cut(image, share=CROP, rng=rng)
    elif kind == "resize":
        times = 2 ** rng.uniform(-1.3, 1)
        size = (max(1, round(image.width * times)), max(1, round(image.height * times)))
        image = image.resize(size, Image.Resampling.BICUBIC)
    elif kind == "mirror":
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    out = BytesIO()
    image.save(out, "JPEG", quality=QUALITY if kind == "jpeg" else _FINE)
    return out.getvalue()


def _cut(image: "Image.Image", *, share: float, rng: np.random.Generator) -> "Image.Image":
    width, height = max(1, round(share * image.width)), max(1, round(share * image.height))
    left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))
