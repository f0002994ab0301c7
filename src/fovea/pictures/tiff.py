"""TIFF before the decoder sees it: its first page, with a directory of only the tags that its pixels need.

The pixels stay where they are; a new directory is put behind them. Its values are checked against the file's
length, so that cut files are told and neither odd metadata nor later pages can do harm.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from fovea.errors import PictureError
from fovea.pictures.picture import cut_short

_UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8}
_CODES = {1: "B", 3: "H", 4: "L", 16: "Q"}
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION = 256, 257, 258, 259, 262, 274
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS = 273, 277, 278, 279, 324, 325
SAMPLE_FORMAT = 339
_SINGLE = frozenset(
    {256, 257, 259, 262, 266, 274, 277, 278, 284, 292, 293, 317, 322, 323, 332, 512, 513, 514, 531}
)
_KEPT = _SINGLE | {258, 273, 279, 320, 324, 325, 338, 339, 347, 519, 520, 521, 529, 530, 532}
_MOST_SAMPLES = 6  # what Pillow decodes


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    count: int
    value: bytes  # as it stands in the directory: the value itself or its offset


@dataclass(frozen=True, slots=True)
class Page:
    """A TIFF's first page: a file of it alone, its orientation (1..8 or None), and what its pixels are."""

    content: bytes
    orientation: int | None
    photometric: int
    bits: int
    more_pages: bool


def first_page(content: bytes) -> Page:
    """Return the first page of a TIFF or BigTIFF file.

    Raises PictureError where the file is cut short or its directory makes no sense.
    """
    directory = _Directory(content)
    try:
        entries = {entry.tag: entry for entry in directory.entries()}
        more_pages = directory.next_offset() != 0
    except struct.error:
        raise cut_short(len(content)) from None
    values = {tag: directory.values(entry) for tag, entry in entries.items() if tag != 320}
    _check_places(values, n_bytes=len(content))
    samples = values.get(SAMPLES, (1,))[0]
    if samples > _MOST_SAMPLES:
        raise PictureError(f"a TIFF with {samples} channels, of which fovea reads at most {_MOST_SAMPLES}")
    bits, signed = values.get(BITS, (1,))[0], values.get(SAMPLE_FORMAT, (1,))[0] == 2
    turn = values.get(ORIENTATION, (1,))[0]
    kept = [entry for tag, entry in sorted(entries.items()) if tag != ORIENTATION]
    return Page(
        content=directory.rebuild(kept),
        orientation=turn or 1 if turn <= 8 else None,
        photometric=values.get(PHOTOMETRIC, (0,))[0],
        bits=15 if bits == 16 and signed else bits,  # a sign is no depth
        more_pages=more_pages,
    )


class _Directory:
    """The first directory of a TIFF: little or big endian, with 32-bit or 64-bit (BigTIFF) offsets."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._endian = "<" if content[:2] == b"II" else ">"
        self._big = 43 in content[2:4]
        self._word = "Q" if self._big else "L"
        self._word_bytes = 8 if self._big else 4
        self._entry_bytes = 12 + 8 * self._big

    def _unpack(self, code: str, at: int) -> int:
        if at < 0 or at > len(self._content):
            raise struct.error("behind the end")
        value: int = struct.unpack_from(self._endian + code, self._content, at)[0]
        return value

    def _start(self) -> tuple[int, int]:
        """Return where the first entry stands and how many there are."""
        at = self._unpack(self._word, 8 if self._big else 4)
        return at + (8 if self._big else 2), self._unpack("Q" if self._big else "H", at)

    def entries(self) -> Iterator[_Entry]:
        """Yield the entries that are kept, the first of every tag."""
        start, count = self._start()
        if count * self._entry_bytes > len(self._content):
            raise struct.error("more entries than bytes")
        seen: set[int] = set()
        for at in range(start, start + count * self._entry_bytes, self._entry_bytes):
            tag, kind = self._unpack("H", at), self._unpack("H", at + 2)
            n_values = self._unpack(self._word, at + 4)
            value = self._content[at + self._entry_bytes - self._word_bytes : at + self._entry_bytes]
            if len(value) < self._word_bytes:
                raise struct.error("an entry behind the end")
            if tag in _KEPT and tag not in seen and kind in _UNIT_BYTES and n_values:
                seen.add(tag)
                yield _Entry(tag, kind, n_values, value)

    def next_offset(self) -> int:
        """Return where the next page's directory stands, 0 for none."""
        start, count = self._start()
        try:
            return self._unpack(self._word, start + count * self._entry_bytes)
        except struct.error:
            return 0  # some writers leave the last offset out

    def values(self, entry: _Entry) -> tuple[int, ...]:
        """Return an entry's whole numbers; for other kinds its bytes."""
        size = entry.count * _UNIT_BYTES[entry.kind]
        if entry.tag in _SINGLE and entry.count != 1:
            raise PictureError(f"damaged: the TIFF tag {entry.tag} has {entry.count:,} values instead of one")
        at, source = 0, entry.value
        if size > self._word_bytes:
            (at,), source = struct.unpack(self._endian + self._word, entry.value), self._content
            if at + size > len(source):
                raise cut_short(len(source))
        code = _CODES.get(entry.kind)
        if code is None:
            return tuple(source[at : at + size])
        return struct.unpack_from(f"{self._endian}{entry.count}{code}", source, at)

    def rebuild(self, entries: list[_Entry]) -> bytes:
        """Return the file with a directory of just these entries put behind it and no next page."""
        odd = len(self._content) % 2
        head = 8 if self._big else 4
        table = struct.pack(self._endian + ("Q" if self._big else "H"), len(entries))
        for entry in entries:
            table += struct.pack(f"{self._endian}HH{self._word}", entry.tag, entry.kind, entry.count)
            table += entry.value
        offset = struct.pack(self._endian + self._word, len(self._content) + odd)
        pixels = memoryview(self._content)[head + len(offset) :]
        return b"".join((self._content[:head], offset, pixels, b"\0" * odd, table, b"\0" * self._word_bytes))


def _check_places(values: dict[int, tuple[int, ...]], *, n_bytes: int) -> None:
    """Raise PictureError where strips or tiles lie behind the end of the file."""
    for offsets_tag, counts_tag in ((STRIP_OFFSETS, STRIP_COUNTS), (TILE_OFFSETS, TILE_COUNTS)):
        offsets, counts = values.get(offsets_tag, ()), values.get(counts_tag, ())
        ends = [offset + 1 for offset in offsets]
        # Without compression, Pillow reads as much as the size asks for, whatever the counts say.
        if values.get(COMPRESSION, (1,))[0] != 1:
            if len(counts) < len(offsets):
                raise PictureError("damaged: a TIFF that does not say how long its parts are")
            ends += [offset + count for offset, count in zip(offsets, counts, strict=False)]
        if ends and max(ends) > n_bytes:
            missing = max(ends) - n_bytes
            raise PictureError(f"cut short: at least {missing:,} bytes of the TIFF's pixels are missing")
