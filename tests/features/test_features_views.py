"""The part of a picture that enters a network: all of its middle square, or the share that the network was tested with."""

import io

import numpy as np
import pytest
from PIL import Image

from fovea.features import Preprocess
from fovea.features.views import make_views


def encode(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def picture() -> Image.Image:
    """Return a smooth picture of 96 x 64 pixels."""
    y, x = np.mgrid[0:64, 0:96]
    pixels = np.stack([x * 2, y * 3, 255 - x - y], axis=-1).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def test_a_share_is_cut_from_the_middle_as_torchvision_does(picture: Image.Image) -> None:
    """Resize the shorter side to 32 / 0.5, then cut 32 x 32 from the middle: here without any resizing."""
    preprocess = Preprocess(height_px=32, width_px=32, crop=0.5)
    (plain, mirrored), _ = make_views(encode(picture), preprocess, views=(0, 1), sha256="0" * 64)
    expected = np.asarray(picture)[16:48, 32:64]
    np.testing.assert_array_equal(plain, expected)
    np.testing.assert_array_equal(mirrored, expected[:, ::-1])


def test_all_of_the_middle_enters_unless_a_share_is_said(picture: Image.Image) -> None:
    (plain,), _ = make_views(
        encode(picture), Preprocess(height_px=64, width_px=64), views=(0,), sha256="0" * 64
    )
    np.testing.assert_array_equal(plain, np.asarray(picture)[:, 16:80])


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_the_share_is_of_cropping_only(picture: Image.Image, fit: str) -> None:
    whole, shared = (Preprocess(height_px=32, width_px=32, fit=fit, crop=crop) for crop in (1.0, 0.5))
    (first,), _ = make_views(encode(picture), whole, views=(0,), sha256="0" * 64)
    (second,), _ = make_views(encode(picture), shared, views=(0,), sha256="0" * 64)
    np.testing.assert_array_equal(first, second)
    assert whole.identity() == shared.identity()


def test_the_share_is_part_of_the_identity_where_it_counts() -> None:
    assert Preprocess(height_px=32, width_px=32).identity() == {
        "height_px": 32,
        "width_px": 32,
        "fit": "crop",
    }
    assert Preprocess(height_px=32, width_px=32, crop=0.5).identity()["crop"] == 0.5
