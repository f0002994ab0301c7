"""Altered copies: the same for the same seed, of the size that was said, and readable."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.pictures import ALTERATIONS, alter, decode


@pytest.fixture(scope="module")
def picture(draw_pixels: Callable[..., NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return draw_pixels(seed=1, size_px=(200, 100))


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_the_same_seed_makes_the_same_file(picture: NDArray[np.uint8], kind: str) -> None:
    assert alter(picture, kind, seed=3) == alter(picture, kind, seed=3)
    assert decode(alter(picture, kind, seed=3)).facts.format == "JPEG"


def test_a_cut_is_90_percent_of_each_side(picture: NDArray[np.uint8]) -> None:
    assert decode(alter(picture, "crop", seed=0)).pixels.shape == (90, 180, 3)


def test_a_mirror_image_is_one(picture: NDArray[np.uint8]) -> None:
    mirrored = decode(alter(picture, "mirror", seed=0)).pixels[:, ::-1].astype(int)
    assert np.abs(mirrored - picture).mean() < 2


def test_recompressing_keeps_the_size_and_loses_detail(picture: NDArray[np.uint8]) -> None:
    assert decode(alter(picture, "jpeg", seed=0)).pixels.shape == (100, 200, 3)
    assert len(alter(picture, "jpeg", seed=0)) < len(alter(picture, "mirror", seed=0))


@pytest.mark.parametrize("seed", range(5))
def test_resizing_keeps_the_proportions(picture: NDArray[np.uint8], seed: int) -> None:
    height, width, _ = decode(alter(picture, "resize", seed=seed)).pixels.shape
    assert 40 <= height <= 200
    assert width == pytest.approx(2 * height, abs=2)


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_a_picture_of_one_pixel_can_be_altered(kind: str) -> None:
    altered = alter(np.zeros((1, 1, 3), np.uint8), kind, seed=0)
    assert min(decode(altered).pixels.shape[:2]) >= 1


def test_an_unknown_alteration_is_said(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError) as refused:
        alter(picture, "melt", seed=0)
    assert str(refused.value) == "alteration is 'melt'; there are: crop, resize, jpeg, mirror, shot."
