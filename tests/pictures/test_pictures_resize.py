"""Pictures are cropped, padded or squashed as said, and hashed by what they show."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.pictures import content_sha256, pixel_hash, resize

Drawn = Callable[..., NDArray[np.uint8]]


def stripes(*widths: int) -> NDArray[np.uint8]:
    """Red, green and blue stripes of these widths, 40 pixels high."""
    colours = np.eye(3, dtype=np.uint8) * 255
    return np.concatenate([np.tile(c, (40, w, 1)) for c, w in zip(colours, widths, strict=True)], axis=1)


def test_crop_takes_the_middle_and_keeps_the_aspect() -> None:
    small = resize(stripes(20, 40, 20), height_px=10, width_px=10)
    # Antialiasing looks a little over the crop's edge, as it should: only the outermost columns are mixed.
    assert (small[:, 1:-1] == (0, 255, 0)).all()
    assert (small.argmax(axis=2) == 1).all()


def test_squash_keeps_everything() -> None:
    small = resize(stripes(40, 40, 40), height_px=10, width_px=9, fit="squash")
    assert small.argmax(axis=2)[0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_pad_keeps_the_aspect_and_adds_a_border() -> None:
    small = resize(stripes(20, 40, 20), height_px=20, width_px=20, fit="pad")
    assert (small[:5] == (124, 116, 104)).all()
    assert (small[15:] == (124, 116, 104)).all()
    assert small[5:15].argmax(axis=2)[0].tolist() == [0] * 5 + [1] * 10 + [2] * 5


def test_shrinking_averages(draw_pixels: Drawn) -> None:
    # A checkerboard of single pixels becomes grey; nearest-neighbour sampling would keep black and white.
    board = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(255)
    small = resize(np.dstack([board] * 3).astype(np.uint8), height_px=8, width_px=8)
    assert np.abs(small.astype(int) - 127.5).max() <= 8


@pytest.mark.parametrize("size", [(4000, 2), (1, 1), (3, 900)])
@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_extreme_shapes_come_out_at_the_size(draw_pixels: Drawn, size: tuple[int, int], fit: str) -> None:
    colour = (10, 200, 30)
    small = resize(draw_pixels(colour=colour, size_px=size), height_px=24, width_px=17, fit=fit)
    assert small.shape == (24, 17, 3)
    assert (small == colour).all(axis=2)[11:13, 8].any()


def test_same_size_changes_nothing(draw_pixels: Drawn) -> None:
    pixels = draw_pixels(seed=1)
    assert np.array_equal(resize(pixels, height_px=32, width_px=48), pixels)


def test_content_hash_is_sha256() -> None:
    # The published test vector for "abc" (FIPS 180-2).
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content_sha256(b"abc") == expected


def test_pixel_hash_tells_shapes_apart(draw_pixels: Drawn) -> None:
    pixels = draw_pixels(colour=(1, 2, 3), size_px=(6, 4))
    assert pixel_hash(pixels) == hashlib.sha256(b"4x6x3 uint8 " + pixels.tobytes()).hexdigest()
    assert pixel_hash(pixels) != pixel_hash(pixels.reshape(6, 4, 3))


def test_pixel_hash_does_not_see_memory_layout(draw_pixels: Drawn) -> None:
    pixels = draw_pixels(seed=2)
    assert pixel_hash(np.asfortranarray(pixels)) == pixel_hash(pixels)
