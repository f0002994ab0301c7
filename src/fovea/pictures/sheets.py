"""Many small pictures as a few large JPEGs: sheets of square tiles, row by row, which a page cuts up again."""

from collections.abc import Iterable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

SHEET_PX = 1920  # browsers draw from pictures of this size at once, and all of SIDES divide it
SIDES = (
    160,
    128,
    96,
    64,
    48,
    32,
    16,
)  # JPEG's blocks are 16 px wide: no tile runs into the next but by a pixel of colour
MAX_PIXELS = 42_000_000  # 10,000 tiles of 64 px
QUALITY = 75


def tile_side(n_pictures: int) -> int:
    """Return the side in pixels of so many tiles, the largest for which all together stay within some 10 MB of JPEG."""
    return next((side for side in SIDES if n_pictures * side**2 <= MAX_PIXELS), SIDES[-1])


def draw_sheets(tiles: Iterable[NDArray[np.uint8] | None], *, side_px: int) -> tuple[bytes, ...]:
    """Return JPEGs of up to SHEET_PX squared with the tiles uint8 (side_px, side_px, 3) in order; None stays grey.

    Tile k lies on sheet k // c**2 in row (k % c**2) // c and column k % c, where c = SHEET_PX // side_px.
    """
    across = SHEET_PX // side_px
    sheets: list[bytes] = []
    held: list[NDArray[np.uint8]] = []
    grey = np.full((side_px, side_px, 3), 128, np.uint8)
    for tile in tiles:
        held.append(grey if tile is None else tile)
        if len(held) == across**2:
            sheets.append(_sheet(held, across=across, side_px=side_px))
            held = []
    return (*sheets, _sheet(held, across=across, side_px=side_px)) if held else tuple(sheets)


def _sheet(tiles: list[NDArray[np.uint8]], *, across: int, side_px: int) -> bytes:
    from PIL import Image

    n_rows = -(-len(tiles) // across)
    sheet = np.full((n_rows, across, side_px, side_px, 3), 128, np.uint8)
    sheet.reshape(-1, side_px, side_px, 3)[: len(tiles)] = tiles
    pixels = sheet.transpose(0, 2, 1, 3, 4).reshape(n_rows * side_px, across * side_px, 3)
    target = BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=QUALITY)
    return target.getvalue()
