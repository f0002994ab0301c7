"""Sheets of tiles: each where it is said to lie, and none running into the next."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fovea.pictures.sheets import SHEET_PX, SIDES, draw_sheets, tile_side

SIDE = 160
ACROSS = SHEET_PX // SIDE


def plain(value: int) -> NDArray[np.uint8]:
    return np.full((SIDE, SIDE, 3), (value, 255 - value, value // 2), np.uint8)


def cut(sheets: tuple[bytes, ...], k: int) -> NDArray[np.uint8]:
    """Return tile k, by the rule of the docstring, without the pixel that JPEG's colours run over."""
    sheet, at = divmod(k, ACROSS**2)
    top, left = (SIDE * part for part in divmod(at, ACROSS))
    return np.asarray(Image.open(BytesIO(sheets[sheet])))[
        top + 1 : top + SIDE - 1, left + 1 : left + SIDE - 1
    ]


def test_every_tile_lies_where_the_rule_says_and_to_the_pixel_before_its_edge() -> None:
    n = ACROSS**2 + 5
    sheets = draw_sheets((plain(k) for k in range(n)), side_px=SIDE)
    assert len(sheets) == 2
    for k in (0, 1, ACROSS, ACROSS**2 - 1, ACROSS**2, n - 1):
        assert np.abs(cut(sheets, k).astype(int) - plain(k)[1:-1, 1:-1]).max() <= 6


def test_a_missing_picture_is_grey() -> None:
    sheets = draw_sheets([plain(0), None, plain(9)], side_px=SIDE)
    assert np.abs(cut(sheets, 1).astype(int) - 128).max() <= 1


def test_no_picture_makes_no_sheet() -> None:
    assert draw_sheets([], side_px=SIDE) == ()


@pytest.mark.parametrize(
    ("n", "side"), [(1, 160), (1_600, 160), (4_221, 96), (10_000, 64), (40_000, 32), (10**6, 16)]
)
def test_tiles_are_as_large_as_the_page_allows(n: int, side: int) -> None:
    assert tile_side(n) == side


def test_every_side_divides_the_sheet_and_is_whole_jpeg_blocks() -> None:
    assert [(SHEET_PX % side, side % 16) for side in SIDES] == [(0, 0)] * len(SIDES)
