"""Golden pictures: a few small ones drawn by code, saved as encoded files with the answers they must get.

They go through the same reading, shrinking, network and head as any picture: a difference anywhere shows.
"""

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fovea.errors import ModelError

SAME = 1e-3  # probabilities at the saved precision agree to this (architecture.md, "Golden answers")


def draw_golden() -> dict[str, bytes]:
    """Return encoded pictures by file name: discs (PNG), a turned portrait (JPEG), 16-bit grey (PNG)."""
    return {"discs.png": _discs(), "portrait.jpg": _portrait(), "grey16.png": _grey16()}


def _discs() -> bytes:
    y, x = np.mgrid[0:200, 0:260].astype(np.float64)
    pixels = np.stack([x * 255 / 259, y * 255 / 199, 255 - x * 255 / 259], axis=-1)
    for cy, cx, radius, colour in (
        (60, 70, 40, (220, 30, 40)),
        (130, 180, 55, (250, 220, 60)),
        (150, 60, 30, (20, 60, 160)),
    ):
        pixels[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = colour
    return _encode(pixels.astype(np.uint8), "PNG")


def _portrait() -> bytes:
    """Draw stripes and an oval, lying on their side, large enough for reading at reduced scale."""
    y, x = np.mgrid[0:480, 0:640].astype(np.float64)
    stripes = 127 + 90 * np.sin(x / 23) * np.cos(y / 41)
    oval = ((x - 330) / 190) ** 2 + ((y - 250) / 120) ** 2 < 1
    pixels = np.stack([stripes, np.where(oval, 225, stripes * 0.6), np.where(oval, 170, 90)], axis=-1)
    return _encode(pixels.astype(np.uint8), "JPEG", turned=True)


def _grey16() -> bytes:
    coarse = np.random.default_rng(8).integers(0, 65536, size=(12, 9)).astype(np.uint16)
    return _encode(np.kron(coarse, np.ones((20, 20), np.uint16)), "PNG")


def _encode(pixels: NDArray[np.generic], kind: str, *, turned: bool = False) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6  # orientation: turn by 90 degrees to the right
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, exif=exif)
    return out.getvalue()


def decode_golden(
    files: Mapping[str, bytes], *, height_px: int, width_px: int, fit: str
) -> NDArray[np.uint8]:
    """Return (n, h, w, 3) uint8 pixels of the golden files, in the order of their names."""
    from fovea.pictures import decode_to

    pictures = [
        decode_to(files[name], height_px=height_px, width_px=width_px, fit=fit) for name in sorted(files)
    ]
    return np.stack([picture.pixels for picture in pictures])


def largest_difference(answers: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Return the largest difference of two (n, k) tables; infinite where one is not a number."""
    difference = np.abs(np.asarray(answers, np.float64) - np.asarray(expected, np.float64)).max()
    return float(difference) if np.isfinite(difference) else float("inf")


def check_golden(
    difference: float, *, saved: str, precision: str, recorded: Mapping[str, float], folder: str
) -> None:
    """Raise ModelError where the golden answers are further off than this precision allows.

    `saved` and `precision` are the precisions at saving and now; `recorded` holds, for other precisions, the
    largest difference measured at saving.
    """
    if precision != saved and precision not in recorded:
        raise ModelError(
            f"The model in {folder!r} was saved at {saved}, and how far its answers move at "
            f"{precision} could not be measured then. Load it without asking for a precision, or train it "
            f"again on this machine."
        )
    allowed = SAME if precision == saved else recorded[precision] + SAME
    if difference > allowed:
        raise ModelError(
            f"The model in {folder!r} answers differently here than where it was saved: the "
            f"probabilities of its golden pictures differ by up to {difference:.4f}, and at {precision} at "
            f"most {allowed:.4f} is allowed. Another version of Pillow or OpenVINO, or this processor, "
            f"changes what it sees: run `fovea doctor`, or train it again here."
        )
