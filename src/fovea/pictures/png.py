"""PNG before the decoder sees it: its checksums checked, and rid of all but pixels, palette and transparency.

Texts, profiles and animation are left out, so that neither compressed texts nor odd metadata can do harm.
"""

import struct
import zlib
from dataclasses import dataclass

from fovea.errors import PictureError
from fovea.pictures.picture import cut_short

_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


@dataclass(frozen=True, slots=True)
class Stripped:
    """A file with only what its pixels need: its bytes; its EXIF block; whether it held several frames."""

    content: bytes
    exif: bytes = b""
    animated: bool = False


def strip_png(content: bytes) -> Stripped:
    """Return a PNG reduced to its header, palette, transparency and pixels.

    Raises PictureError where it is cut short or a checksum is wrong.
    """
    view = memoryview(content)
    kept: list[bytes | memoryview] = [content[:8]]
    exif, animated, at, name = b"", False, 8, b""
    while name != b"IEND":
        if at + 12 > len(content):
            raise cut_short(len(content))
        (length,) = struct.unpack_from(">L", content, at)
        name, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content):
            raise cut_short(len(content))
        if name in _KEPT:
            if zlib.crc32(view[at + 4 : end - 4]) != struct.unpack_from(">L", content, end - 4)[0]:
                raise PictureError(f"damaged: the checksum of a PNG block ({name.decode()}) is wrong")
            kept.append(view[at:end])
        elif name == b"eXIf":
            exif = content[at + 8 : end - 4]
        elif name == b"acTL" and length >= 4:
            animated = struct.unpack_from(">L", content, at + 8)[0] > 1
        at = end
    if not any(part[4:8] == b"IDAT" for part in kept[1:]):
        raise PictureError("damaged: a PNG without pixels")
    return Stripped(b"".join(kept), exif, animated)
