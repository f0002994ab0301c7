"""The orientation in an EXIF block. Only that: the rest of EXIF is not read, so that it cannot do harm."""

import struct

ORIENTATION = 0x0112


def orientation(block: bytes) -> int | None:
    """Return the orientation (1..8) that an EXIF block gives: 1 where there is none, None where unreadable.

    `block` is the block's content with or without the leading `Exif\\0\\0`.
    """
    tiff = block[6:] if block.startswith(b"Exif\0") else block
    if not tiff:
        return 1
    endian = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if endian is None:
        return None
    try:
        (start,) = struct.unpack_from(endian + "L", tiff, 4)
        (count,) = struct.unpack_from(endian + "H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(endian + "HH", tiff, entry)
            if tag == ORIENTATION:
                (value,) = struct.unpack_from(endian + ("L" if kind == 4 else "H"), tiff, entry + 8)
                # Cameras without a sensor for it write 0, "unknown".
                return value or 1 if 0 <= value <= 8 else None
    except struct.error:
        return None
    return 1
