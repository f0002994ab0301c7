"""Altered copies: the same for the same seed, of the size that was said, and readable."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fovea.errors import InputError, PictureError
from fovea.pictures import ALTERATIONS, alter, decode


@pytest.fixture(scope="module")
def content(draw_pixels: Callable[..., NDArray[np.uint8]]) -> bytes:
    out = BytesIO()
    Image.fromarray(draw_pixels(seed=1, size_px=(200, 100))).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_the_same_seed_makes_the_same_file(content: bytes, kind: str) -> None:
    assert alter(content, kind, seed=3) == alter(content, kind, seed=3)
    assert decode(alter(content, kind, seed=3)).facts.format == "JPEG"


def test_a_cut_is_90_percent_of_each_side(content: bytes) -> None:
    assert decode(alter(content, "crop", seed=0)).pixels.shape == (90, 180, 3)


def test_a_mirror_image_is_one(content: bytes) -> None:
    mirrored = decode(alter(content, "mirror", seed=0)).pixels[:, ::-1].astype(int)
    assert np.abs(mirrored - decode(content).pixels).mean() < 2


def test_recompressing_keeps_the_size_and_loses_detail(content: bytes) -> None:
    assert decode(alter(content, "jpeg", seed=0)).pixels.shape == (100, 200, 3)
    assert len(alter(content, "jpeg", seed=0)) < len(alter(content, "mirror", seed=0))


@pytest.mark.parametrize("seed", range(5))
def test_resizing_keeps_the_proportions(content: bytes, seed: int) -> None:
    height, width, _ = decode(alter(content, "resize", seed=seed)).pixels.shape
    assert 40 <= height <= 200
    assert width == pytest.approx(2 * height, abs=2)


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_a_picture_of_one_pixel_can_be_altered(kind: str) -> None:
    out = BytesIO()
    Image.new("RGB", (1, 1)).save(out, "PNG")
    assert min(decode(alter(out.getvalue(), kind, seed=0)).pixels.shape[:2]) >= 1


def test_an_unknown_alteration_and_a_broken_file_are_said(content: bytes) -> None:
    with pytest.raises(InputError) as refused:
        alter(content, "melt", seed=0)
    assert str(refused.value) == "alteration is 'melt'; there are: crop, resize, jpeg, mirror, shot."
    with pytest.raises(PictureError):
        alter(content[:100], "crop", seed=0)
