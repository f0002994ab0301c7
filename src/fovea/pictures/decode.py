"""Bytes -> a picture: uint8 RGB, upright, with the facts of the file. The one decoder of everything in fovea.

Every failure is a PictureError whose text is the reason; nothing is repaired, replaced or guessed.
"""

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from fovea.errors import FoveaError, PictureError
from fovea.pictures.picture import PIXEL_LIMIT, Facts, Picture, cut_short
from fovea.pictures.resize import fitted_size, pad_image, scale_image

if TYPE_CHECKING:
    from PIL import Image

    from fovea.pictures.opening import Opened

_T = TypeVar("_T")
_SIDEWAYS = (5, 6, 7, 8)
_UNREAD = ("nsupported", "not supported", "cannot handle", "unknown pixel mode")
"""What Pillow says of files that are whole but of a kind that it does not read."""


def decode(content: bytes, *, cover_px: tuple[int, int] | None = None) -> Picture:
    """Return the picture in a file's bytes: first frame, turned upright, converted to RGB.

    With `cover_px` (height, width), a JPEG may come at a reduced scale of 1/2, 1/4 or 1/8 whose height and
    width still reach these; others come whole. A JPEG of more than PIXEL_LIMIT pixels always comes reduced.

    Raises PictureError with the reason why it cannot be read.
    """
    return _guarded(content, lambda: _decode(content, cover_px))


def decode_to(content: bytes, *, height_px: int, width_px: int, fit: str = "crop") -> Picture:
    """Return the picture in a file's bytes at exactly the given size; its facts are those of the original.

    `fit` is as for `resize`. The pixels are uint8 (height_px, width_px, 3).

    Raises PictureError with the reason why it cannot be read.
    """
    return _guarded(content, lambda: _decode_to(content, (width_px, height_px), fit))


def thumbnail_jpeg(content: bytes, *, side_px: int = 160) -> bytes:
    """Return a small JPEG without metadata, its longer side at most `side_px`; small ones are not enlarged.

    Raises PictureError with the reason why it cannot be read.
    """
    return _guarded(content, lambda: _thumbnail(content, side_px))


def _decode(content: bytes, cover_px: tuple[int, int] | None) -> Picture:
    image, orientation, facts = _load(content, lambda size: cover_px and (cover_px[1], cover_px[0]))
    return Picture(np.asarray(_upright(image, orientation)), facts)


def _decode_to(content: bytes, into: tuple[int, int], fit: str) -> Picture:
    image, orientation, facts = _load(content, lambda size: fitted_size(size, into=into, fit=fit))
    # Turning what is small already costs less than turning the original.
    across = into[::-1] if orientation in _SIDEWAYS else into
    small = _upright(scale_image(image, into=across, fit=fit), orientation)
    return Picture(np.asarray(pad_image(small, into=into)), facts)


def _thumbnail(content: bytes, side_px: int) -> bytes:
    from io import BytesIO

    def fitted(size: tuple[int, int]) -> tuple[int, int]:
        into = (min(side_px, max(size)),) * 2
        return fitted_size(size, into=into, fit="pad")

    image, orientation, facts = _load(content, fitted)
    small = fitted((facts.width, facts.height))
    across = small[::-1] if orientation in _SIDEWAYS else small
    upright = _upright(scale_image(image, into=across, fit="squash"), orientation)
    upright.info.clear()
    target = BytesIO()
    upright.save(target, "JPEG", quality=80)
    return target.getvalue()


def _load(
    content: bytes, wanted: Callable[[tuple[int, int]], tuple[int, int] | None]
) -> tuple["Image.Image", int, Facts]:
    """Return the decoded picture in mode RGB or L, not turned yet, its orientation 1..8, and its facts.

    `wanted` gives the upright (width, height) that must be covered for an upright size; None for everything.
    """
    from fovea.pictures.convert import to_8bit
    from fovea.pictures.opening import open_picture

    opened = open_picture(content)
    orientation = opened.orientation or 1
    size = opened.image.size
    upright = size[::-1] if orientation in _SIDEWAYS else size
    cover = wanted(upright)
    if cover and orientation in _SIDEWAYS:
        cover = cover[::-1]
    mode = opened.image.mode
    reduced = _reduce(opened, cover)
    opened.image.load()
    image, names = to_8bit(opened.image, bits=opened.bits, inverted=opened.inverted)
    done = (
        *opened.noticed,
        *(("reduced",) if reduced else ()),
        *(("bad-exif",) if opened.orientation is None else ()),
        *(("turned",) if orientation != 1 else ()),
        *names,
    )
    return image, orientation, Facts(opened.format, mode, *upright, done)


def _reduce(opened: "Opened", cover: tuple[int, int] | None) -> bool:
    """Set a JPEG's reduced scale; tell whether that was needed only because the picture is too large."""
    from PIL.JpegImagePlugin import JpegImageFile

    image = opened.image
    if not isinstance(image, JpegImageFile):
        return False
    too_large = image.width * image.height > PIXEL_LIMIT
    scale = 1
    if cover:
        scale = min(image.width // max(cover[0], 1), image.height // max(cover[1], 1))
    if too_large:
        scale = max(scale, 2)
    if scale > 1:
        size = image.width // scale, image.height // scale
        image.draft(None, size)  # type: ignore[no-untyped-call, unused-ignore]
    return too_large


def _upright(image: "Image.Image", orientation: int) -> "Image.Image":
    """Return the picture in mode RGB, turned as its orientation 1..8 says."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    # Even a conversion to the mode that it has already would copy.
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return rgb.transpose(turns[orientation]) if orientation in turns else rgb


def _guarded(content: bytes, work: Callable[[], _T]) -> _T:
    """Return what `work` returns; turn whatever a decoder raises into a PictureError with a reason."""
    try:
        return work()
    except FoveaError:
        raise
    except MemoryError:
        raise PictureError("too large for the memory that is left") from None
    except Exception as error:  # Pillow's decoders raise nearly every kind on damaged files
        raise PictureError(_reason(error, content=content)) from error


def _reason(error: Exception, *, content: bytes) -> str:
    from PIL.Image import DecompressionBombError

    from fovea.pictures.opening import EndOfFileError
    from fovea.pictures.sniff import sniff

    text = str(error)
    if isinstance(error, (EndOfFileError, struct.error)) or "runcated" in text:
        return str(cut_short(len(content)))
    if isinstance(error, DecompressionBombError):
        return "too large: one of its frames has more pixels than Pillow reads"
    if any(word in text for word in _UNREAD):
        return f"a kind of {sniff(content)} that fovea does not read ({text}); save it as JPEG or PNG"
    # What the decoder says ("index out of range") helps nobody here; it stays the error's cause.
    return f"damaged: its {sniff(content)} data cannot be decoded"
