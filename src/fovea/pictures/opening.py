"""Bytes -> an opened Pillow picture whose header was checked and whose pixels are not decoded yet.

Pillow's plugins are used directly, not through `Image.open`: none of Pillow's settings is changed or relied on,
and its warnings do not come up. (A plugin registers its format on import, as Pillow itself does on first use.)
Imports Pillow at the top, so it is itself imported late.
"""

import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import TypeVar

from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fovea.errors import PictureError
from fovea.pictures import exif, headers
from fovea.pictures.picture import JPEG_PIXEL_LIMIT, PIXEL_LIMIT, TEXT_PIXEL_LIMIT
from fovea.pictures.png import strip_png
from fovea.pictures.sniff import sniff
from fovea.pictures.tiff import first_page

_Plugin = TypeVar("_Plugin", bound=ImageFile.ImageFile)


@dataclass(slots=True)
class Opened:
    """An opened picture: Pillow's object, the format, EXIF orientation (None: unreadable), remarks."""

    image: Image.Image
    format: str
    orientation: int | None = 1
    noticed: list[str] = field(default_factory=list)
    bits: int = 8
    inverted: bool = False  # a grey TIFF whose zero is white, where Pillow does not turn it round itself


class _Content(BytesIO):
    """A file in memory that, once `strict`, says that it ended instead of returning nothing.

    Pillow takes an early end quietly where a program has set its global LOAD_TRUNCATED_IMAGES; fovea never.
    """

    strict = False

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if self.strict and not found and size:
            raise EndOfFileError
        return found


class EndOfFileError(OSError):
    """The file ended inside its pixels."""


class _Jpeg(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Leave EXIF alone: nobody here needs the resolution, and odd EXIF makes Pillow warn."""


class _Png(PngImageFile):
    def load_read(self, read_bytes: int) -> bytes:
        found: bytes = super().load_read(read_bytes)  # type: ignore[no-untyped-call, unused-ignore]
        if not found:
            raise EndOfFileError
        return found


class _Tiff(TiffImageFile):
    pixels_end_bytes = 0

    def load_read(self, read_bytes: int) -> bytes:
        """Read no further than the file went: what is behind is the directory that `first_page` put there."""
        assert self.fp is not None
        left = self.pixels_end_bytes - self.fp.tell()
        if left <= 0:
            raise EndOfFileError
        found: bytes = self.fp.read(min(read_bytes, left))
        return found


def open_picture(content: bytes) -> Opened:
    """Return the opened picture; its pixels are not decoded yet, its size is within the limits.

    Raises PictureError, or whatever Pillow raises for a header that it cannot read.
    """
    name = sniff(content)
    return _OPENERS[name](content)


def _check_size(width: int, height: int, *, limit: int = PIXEL_LIMIT) -> None:
    if width < 1 or height < 1:
        raise PictureError(f"damaged: its size is given as {width} x {height} pixels")
    if width * height > limit:
        raise PictureError(
            f"too large: {width:,} x {height:,} pixels, where fovea reads at most {limit:,}; scale it down"
        )


def _open(plugin: type[_Plugin], content: bytes) -> _Plugin:
    source = _Content(content)
    image = plugin(source, "")
    _check_size(*image.size)
    source.strict = True
    return image


def _open_jpeg(content: bytes) -> Opened:
    source = _Content(content)
    image = _Jpeg(source, "")
    start = source.tell()
    source.strict = True
    progressive = "progressive" in image.info
    _check_size(*image.size, limit=PIXEL_LIMIT if progressive else JPEG_PIXEL_LIMIT)
    zeros = headers.jpeg_zeros(content, start=start)
    if zeros:
        raise PictureError(
            f"damaged: {zeros:,} bytes of zeros stand where pixels should be (a failed copy or disk)"
        )
    several = "mp" in image.info
    return Opened(
        image,
        format="MPO" if several else "JPEG",
        orientation=exif.orientation(image.info.get("exif", b"")),
        noticed=["first-frame"] if several else [],
    )


def _open_png(content: bytes) -> Opened:
    stripped = strip_png(content)
    image = _open(_Png, stripped.content)
    return Opened(
        image,
        format="PNG",
        orientation=exif.orientation(stripped.exif),
        noticed=["first-frame"] if stripped.animated else [],
        bits=content[24],
    )


def _open_gif(content: bytes) -> Opened:
    width, height, animated = headers.gif_frames(content)
    _check_size(width, height)
    return Opened(_open(GifImageFile, content), format="GIF", noticed=["first-frame"] if animated else [])


def _open_webp(content: bytes) -> Opened:
    _check_size(*headers.webp_size(content))
    image = _open(WebPImageFile, content)
    return _with_frames(image, format="WEBP", orientation=exif.orientation(image.info.get("exif", b"")))


def _open_avif(content: bytes) -> Opened:
    from PIL.AvifImagePlugin import SUPPORTED, AvifImageFile

    if not SUPPORTED:
        raise PictureError("an AVIF picture, which this build of Pillow cannot read; save it as JPEG or PNG")
    image = _open(AvifImageFile, content)
    # Pillow puts the file's own turn and mirror boxes, which overrule EXIF, into the EXIF orientation.
    return _with_frames(image, format="AVIF", orientation=exif.orientation(image.info.get("exif", b"")))


def _with_frames(image: ImageFile.ImageFile, *, format: str, orientation: int | None) -> Opened:
    several = getattr(image, "n_frames", 1) > 1
    return Opened(image, format=format, orientation=orientation, noticed=["first-frame"] if several else [])


def _open_tiff(content: bytes) -> Opened:
    page = first_page(content)
    image = _open(_Tiff, page.content)
    image.pixels_end_bytes = len(content)
    return Opened(
        image,
        format="TIFF",
        orientation=page.orientation,
        noticed=["first-frame"] if page.more_pages else [],
        bits=page.bits,
        inverted=page.photometric == 0 and image.mode not in ("1", "L"),
    )


def _open_heif(content: bytes) -> Opened:
    try:
        import pillow_heif
    except ImportError:
        raise PictureError(
            'a HEIC picture, which needs an optional package: pip install "fovea-vision[heic]"'
        ) from None
    heif = pillow_heif.open_heif(content, convert_hdr_to_8bit=True)
    _check_size(*heif.size)
    # libheif turns the picture itself, as the format demands; its EXIF orientation must not be applied again.
    return Opened(heif.to_pillow(), format="HEIF", noticed=["first-frame"] if len(heif) > 1 else [])


def _open_bmp(content: bytes) -> Opened:
    return Opened(_open(BmpImageFile, content), format="BMP")


_PLAIN_PPM = re.compile(rb"P([56])[ \t\r\n](\d{1,9})[ \t\r\n](\d{1,9})[ \t\r\n]255[ \t\r\n]")


def _open_plain_ppm(content: bytes) -> Opened | None:
    """Return raw bytes behind a header without comments as they are, in half of Pillow's time; None for others."""
    header = _PLAIN_PPM.match(content)
    if header is None:
        return None
    kind, width, height = header[1], int(header[2]), int(header[3])
    _check_size(width, height)
    mode, n_bytes = ("L", width * height) if kind == b"5" else ("RGB", 3 * width * height)
    pixels = content[header.end() : header.end() + n_bytes]
    if len(pixels) < n_bytes:
        raise EndOfFileError
    return Opened(Image.frombytes(mode, (width, height), pixels), format="PPM")


def _open_ppm(content: bytes) -> Opened:
    if plain := _open_plain_ppm(content):
        return plain
    image = _open(PpmImageFile, content)
    if content[1:2] in b"123":
        _check_size(*image.size, limit=TEXT_PIXEL_LIMIT)
    return Opened(image, format="PPM", bits=16 if image.mode == "I" else 8)


_OPENERS = {
    "JPEG": _open_jpeg,
    "PNG": _open_png,
    "GIF": _open_gif,
    "WEBP": _open_webp,
    "AVIF": _open_avif,
    "TIFF": _open_tiff,
    "HEIF": _open_heif,
    "BMP": _open_bmp,
    "PPM": _open_ppm,
}
