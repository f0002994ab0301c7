"""Whether pictures may be mirrored is measured on them: digits and arrows may not, blobs and photographs may."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

from fovea.learn.augment import Looks, measure_looks
from fovea.learn.pixels import read_pixels
from fovea.manifest import read_source, write_digits

Set = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_set(folder: Path, *, n: int, side_px: int) -> Set:
    manifest = read_source(folder)
    picks = np.random.default_rng(0).permutation(len(manifest.rows))[:n]
    rows = [manifest.rows[k] for k in picks if not manifest.rows[k].problem]
    reads = [lambda row=row: manifest.read(row) for row in rows]
    labels = np.array([manifest.class_names.index(row.label or "") for row in rows])
    return read_pixels(reads, height_px=side_px, width_px=side_px), labels


def blobs(n: int, *, left_is: int | None) -> Set:
    """Draw a bright blob left or right on noise; the side is the class, or (None) red and blue are."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    pixels = rng.integers(60, 120, (n, 24, 24, 3)).astype(np.uint8)
    for picture, label in zip(pixels, labels, strict=True):
        is_left = label == left_is if left_is is not None else rng.integers(2)
        x = rng.integers(1, 6) + (0 if is_left else 12)
        picture[8:16, x : x + 6, 0 if left_is is not None or label else 2] = 230
    return pixels, labels


def test_digits_are_grey_and_may_not_be_mirrored(tmp_path: Path) -> None:
    write_digits(tmp_path / "digits")
    looks = measure_looks(*read_set(tmp_path / "digits", n=300, side_px=16))
    assert looks == Looks(may_mirror=False, has_colour=False)


def test_classes_that_differ_in_direction_may_not_be_mirrored() -> None:
    assert measure_looks(*blobs(200, left_is=0)) == Looks(may_mirror=False, has_colour=True)


def test_classes_that_differ_in_colour_may_be_mirrored() -> None:
    assert measure_looks(*blobs(200, left_is=None)) == Looks(may_mirror=True, has_colour=True)


@pytest.mark.parametrize(("name", "n"), [("flowers", 300), ("products", 300), ("ants_bees", 245)])
def test_photographs_may_be_mirrored(shared: Path, name: str, n: int) -> None:
    assert measure_looks(*read_set(shared / "data" / name, n=n, side_px=32)) == Looks(True, True)


def test_mnist_may_not_be_mirrored(shared: Path) -> None:
    looks = measure_looks(*read_set(shared / "data" / "mnist", n=300, side_px=28))
    assert looks == Looks(may_mirror=False, has_colour=False)


def test_few_pictures_are_taken_for_what_their_colours_say() -> None:
    pixels, labels = blobs(20, left_is=0)
    assert measure_looks(pixels, labels).may_mirror
    assert not measure_looks(pixels[..., :1].repeat(3, axis=3), labels).may_mirror


def test_the_same_seed_looks_at_the_same_pictures() -> None:
    pixels, labels = blobs(3000, left_is=0)
    assert measure_looks(pixels, labels, seed=1) == measure_looks(pixels, labels, seed=1)


def test_without_classes_grey_pictures_may_not_be_mirrored() -> None:
    pixels, _ = blobs(200, left_is=0)
    assert measure_looks(pixels, None) == Looks(may_mirror=True, has_colour=True)
    grey = pixels[..., :1].repeat(3, axis=3)
    assert measure_looks(grey, None) == Looks(may_mirror=False, has_colour=False)
