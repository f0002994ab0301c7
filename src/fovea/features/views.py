"""The views of a picture that go through the network: 0 plain, 1 mirrored, further ones random crops.

A view depends on the picture's content and the view's number only, never on order or on other pictures.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fovea import pictures
from fovea.features.encoder import Preprocess

_MARGIN = 1.5  # crops are cut from a picture this much larger than the network's input
_SMALLEST_SHARE = 0.5  # of the largest window of the input's proportions; 1 would be the whole


def make_views(
    content: bytes, preprocess: Preprocess, *, views: Sequence[int], sha256: str
) -> tuple[list[NDArray[np.uint8]], pictures.Facts]:
    """Return the asked views of an encoded picture, each uint8 (h, w, 3), and its facts.

    Raises PictureError.
    """
    height_px, width_px = preprocess.height_px, preprocess.width_px
    share = preprocess.crop if preprocess.fit == "crop" else 1.0
    plain = pictures.decode_to(
        content, height_px=round(height_px / share), width_px=round(width_px / share), fit=preprocess.fit
    )
    pixels = _middle(plain.pixels, height_px=height_px, width_px=width_px)
    large = None
    made = []
    for view in views:
        if view == 0:
            made.append(pixels)
        elif view == 1:
            made.append(np.ascontiguousarray(pixels[:, ::-1]))
        else:
            if large is None:
                cover_px = (round(height_px * _MARGIN), round(width_px * _MARGIN))
                large = pictures.decode(content, cover_px=cover_px).pixels
            made.append(_random_crop(large, preprocess, seed=[int(sha256[:16], 16), view]))
    return made, plain.facts


def _middle(pixels: NDArray[np.uint8], *, height_px: int, width_px: int) -> NDArray[np.uint8]:
    """Cut (height_px, width_px) from the middle of larger pixels."""
    top, left = (pixels.shape[0] - height_px) // 2, (pixels.shape[1] - width_px) // 2
    return np.ascontiguousarray(pixels[top : top + height_px, left : left + width_px])


def _random_crop(pixels: NDArray[np.uint8], preprocess: Preprocess, *, seed: list[int]) -> NDArray[np.uint8]:
    """Cut a window of the input's proportions anywhere, of a random size, and mirror it half of the time."""
    rng = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    whole = min(height / preprocess.height_px, width / preprocess.width_px)
    scale = whole * float(np.sqrt(rng.uniform(_SMALLEST_SHARE, 1.0)))
    h = max(1, min(height, round(preprocess.height_px * scale)))
    w = max(1, min(width, round(preprocess.width_px * scale)))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    window = pixels[top : top + h, left : left + w]
    if rng.integers(2):
        window = window[:, ::-1]
    return pictures.resize(
        np.ascontiguousarray(window),
        height_px=preprocess.height_px,
        width_px=preprocess.width_px,
        fit="squash",
    )
