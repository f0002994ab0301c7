"""Damaged bytes of every format are read or refused with a reason; nothing else ever comes out."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fovea.errors import PictureError
from fovea.pictures import decode, decode_to

Drawn = Callable[..., NDArray[np.uint8]]
KINDS = {
    "JPEG": ("RGB", {}),
    "progressive JPEG": ("RGB", {"progressive": True}),
    "CMYK JPEG": ("CMYK", {}),
    "PNG": ("RGBA", {}),
    "palette PNG": ("P", {}),
    "GIF": ("P", {}),
    "BMP": ("RGB", {}),
    "WEBP": ("RGBA", {}),
    "AVIF": ("RGB", {}),
    "TIFF": ("RGB", {}),
    "LZW TIFF": ("L", {"compression": "tiff_lzw"}),
    "PPM": ("RGB", {}),
}


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Return the content cut, or with bytes changed near its start or anywhere."""
    if rng.random() < 0.3:
        return content[: rng.integers(len(content))]
    changed = bytearray(content)
    reach = min(len(content), 120) if rng.random() < 0.6 else len(content)
    for at in rng.integers(0, reach, rng.choice([1, 3, 20])):
        changed[at] = rng.choice([0, 1, 255, rng.integers(256)])
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(draw_pixels: Drawn, kind: str) -> None:
    mode, options = KINDS[kind]
    target = BytesIO()
    Image.fromarray(draw_pixels(seed=1)).convert(mode).save(target, kind.rsplit(maxsplit=1)[-1], **options)  # type: ignore[arg-type]
    rng = np.random.default_rng(7)
    for _ in range(150):
        content = damage(target.getvalue(), rng)
        try:
            picture = decode(content)
            assert picture.pixels.shape == (picture.facts.height, picture.facts.width, 3)
            assert decode_to(content, height_px=9, width_px=13).pixels.shape == (9, 13, 3)
        except PictureError as error:
            assert str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_every_shorter_file_is_refused_or_whole(draw_pixels: Drawn, kind: str) -> None:
    """A file cut anywhere never gives other pixels than the whole one."""
    mode, options = KINDS[kind]
    target = BytesIO()
    Image.fromarray(draw_pixels(seed=2)).convert(mode).save(target, kind.rsplit(maxsplit=1)[-1], **options)  # type: ignore[arg-type]
    whole, content = decode(target.getvalue()).pixels, target.getvalue()
    for n_bytes in range(0, len(content), max(1, len(content) // 120)):
        try:
            pixels = decode(content[:n_bytes]).pixels
        except PictureError:
            continue
        assert np.array_equal(pixels, whole), n_bytes
