"""What must be known before Pillow opens a file: WebP's size, GIF's frames, zeros inside a JPEG's pixels."""

import struct

from fovea.errors import PictureError


def webp_size(content: bytes) -> tuple[int, int]:
    """Return the (width, height) in pixels of a WebP file, from its first block.

    Raises PictureError where the file is cut short or begins with an unknown block.
    """
    missing = int.from_bytes(content[4:8], "little") + 8 - len(content)
    if missing > 0 or len(content) < 30:
        raise PictureError(f"cut short: {max(missing, 1):,} bytes of the WebP file are missing")
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise PictureError(f"damaged: a WebP file that begins with {kind!r}")


def gif_frames(content: bytes) -> tuple[int, int, bool]:
    """Return the width and height in pixels that a GIF's first frame needs, and whether there is a second."""
    try:
        width, height, flags = struct.unpack_from("<HHB", content, 6)
        at = 13 + (3 << (flags & 7) + 1 if flags & 128 else 0)
        n_frames = 0
        while n_frames < 2 and content[at] != 0x3B:
            if content[at] == 0x2C:
                left, top, wide, high, flags = struct.unpack_from("<HHHHB", content, at + 1)
                if n_frames == 0:
                    width, height = max(width, left + wide), max(height, top + high)
                n_frames += 1
                at += 11 + (3 << (flags & 7) + 1 if flags & 128 else 0)
            elif content[at] == 0x21:
                at += 2
            else:
                at += 1  # as Pillow does: junk between blocks is skipped
                continue
            while content[at]:
                at += 1 + content[at]
            at += 1
    except (struct.error, IndexError):
        return width, height, False
    return width, height, n_frames > 1


_ZERO_RUN = bytes(64)


def jpeg_zeros(content: bytes, *, start: int) -> int:
    """Return how many zero bytes stand in a row in a sequential JPEG's pixels where no encoder puts them.

    A lost disk block or a torn download leaves zeros, and every decoder turns them silently into noise.
    They are told by the file's own Huffman tables: only where the all-zero code means "end of block" for
    every channel can a flat area be a long row of zeros. Otherwise, as with the standard's tables for
    brightness, it means a coefficient, and 64 bytes of it would be every coefficient of two blocks.
    `start` is where the pixels' codes begin; zeros behind the end mark are trailing garbage and ignored.
    """
    at = content.find(_ZERO_RUN, start)
    if at < 0 or content.find(b"\xff\xd9", start, at) >= 0 or _zeros_may_be_flat(content, before=start):
        return 0
    return len(content) - at - len(content[at:].lstrip(b"\0"))


def _zeros_may_be_flat(content: bytes, *, before: int) -> bool:
    """Tell whether a row of zeros can be a flat area, or the JPEG is not of the kind that is judged.

    Judged are sequential files with all channels in one scan, whose start ends at `before`.
    """
    at, n_channels, zero_means_end = 2, 0, dict[int, bool]()
    while at + 4 <= before and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at + 4 : at + 2 + length]
        if marker == 0xC4:
            zero_means_end.update(_ac_tables(segment))
        elif marker in (0xC0, 0xC1) and length > 7:
            n_channels = segment[5]
        elif marker == 0xDA and segment and segment[0] == n_channels:
            used = {choice & 15 for choice in segment[2 : 2 + 2 * n_channels : 2]}
            return all(zero_means_end.get(table, True) for table in used)
        at += 2 + length if marker != 0xFF else 1
    return True


def _ac_tables(tables: bytes) -> dict[int, bool]:
    """Return for each AC table of a Huffman segment whether its first, all-zero code means "end of block"."""
    found, at = {}, 0
    while at + 17 < len(tables):
        if tables[at] >> 4:
            found[tables[at] & 15] = tables[at + 17] == 0
        at += 17 + sum(tables[at + 1 : at + 17])
    return found
