"""What an index is of, a picture in it, and how a picture is stored as a row: texts as bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Made:
    """What an index is of: a catalogue (a folder's or table's whole path), and the numbers that are compared.

    `space` names them among all that the network gives; `width` is how many they are. `fit` is how a picture fills the
    network's input, `size` that input's height x width; "" where that was not noted.
    """

    catalogue: str
    backbone: str
    precision: str
    fingerprint: str
    space: str
    width: int
    fit: str = ""
    size: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture in an index, and what tells that its file is unchanged (-1: look again)."""

    path: str
    label: str | None
    split: str
    sha256: str
    size_bytes: int = -1
    mtime_ns: int = -1
    inode: int = -1


def as_blob(text: str) -> bytes:
    """Return a text as it is stored."""
    return text.encode(errors="surrogateescape")  # names of files need not be UTF-8


def as_text(blob: bytes) -> str:
    """Return a text that was stored."""
    return blob.decode(errors="surrogateescape")


def row_of(one: Entry) -> tuple[Any, ...]:
    """Return a picture as the values of its row, in the order of its fields."""
    texts = (
        as_blob(one.path),
        None if one.label is None else as_blob(one.label),
        as_blob(one.split),
        as_blob(one.sha256),
    )
    return (*texts, one.size_bytes, one.mtime_ns, one.inode)


def entry_of(row: Sequence[Any]) -> Entry:
    """Return the picture of a row's values."""
    path, label, split, sha256, *stamp = row
    return Entry(
        as_text(path), None if label is None else as_text(label), as_text(split), as_text(sha256), *stamp
    )
