"""MNIST's IDX files, gzipped or not, as rows: `train-images-idx3-ubyte.gz#0`, its class from the labels file beside.

Classes are called by their numbers, or as the lines of a file `classes.txt` in the folder say. Unpacked files are
mapped, gzipped ones are in memory once.
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.manifest.packs import PixelPack, Wish
from fovea.manifest.records import read_lines
from fovea.manifest.rows import Manifest, Row
from fovea.wording import count, some

CLASSES = "classes.txt"
NAMES = re.compile(r".*(?:images|labels)[-.]idx\d-\w+(?:\.gz)?")
"""What the files of a set are called."""
_IMAGES = re.compile(r"(?P<before>.*)images(?P<between>[-.])idx3-ubyte(?:\.gz)?")
_SPLITS = (("train", "train"), ("t10k", "test"), ("test", "test"), ("valid", "valid"))
_MOST_INFLATED = 1032
"""How many bytes one byte of gzip can become at most (zlib's own documentation)."""


def find_idx(names: Sequence[str]) -> list[str]:
    """Return those of a folder's names that are IDX files of pictures; the unpacked one where both are there."""
    found = sorted(name for name in names if _IMAGES.fullmatch(name))
    return [name for name in found if name.removesuffix(".gz") not in found or not name.endswith(".gz")]


def read_idx(root: Path, *, files: Sequence[Path], wish: Wish) -> Manifest:
    """Return a row for every picture in IDX files below `root`, split by their names.

    Raises:
        InputError: a file is cut, damaged or no IDX; labels are missing or of another number; two sets in one folder.
    """
    _require_one_set(files)
    rows: list[Row] = []
    packs = {}
    for file in files:
        place = file.relative_to(root).as_posix()
        pixels = read_array(file, n_dimensions=3)
        labels = _labels(file, n_pictures=len(pixels)) if wish.labelled else [None] * len(pixels)
        split = _split(file.name) if wish.labelled else ""
        packs[place] = PixelPack(pixels)
        rows += [Row(f"{place}#{k}", label, split) for k, label in enumerate(labels)]
    return Manifest(root, tuple(rows), packs=packs)


def _require_one_set(files: Sequence[Path]) -> None:
    sets: dict[str, Path] = {}
    for file in files:
        found = _IMAGES.fullmatch(file.name)
        before = found["before"] if found else ""
        for word, _ in _SPLITS:
            before = before.replace(word, "")
        sets.setdefault(before.strip("-_."), file)
    if len(sets) > 1:
        first = next(iter(sets.values()))
        raise InputError(
            f"{str(first.parent)!r} holds {len(sets)} sets of IDX files: {some(sets)}. Put the files of one set into a "
            f"folder of its own, or give one file of pictures, for example {str(first)!r}."
        )


def _split(name: str) -> str:
    found = _IMAGES.fullmatch(name)
    before = found["before"] if found else name
    return next((split for word, split in _SPLITS if word in before), "")


def _labels(images: Path, *, n_pictures: int) -> list[str | None]:
    """Return the class's name for each picture, from the labels file beside the pictures'."""
    name = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    file = next((place for end in ("", ".gz") if (place := images.with_name(name + end)).is_file()), None)
    if file is None:
        raise InputError(
            f"The labels of {str(images)!r} are missing: there is no {name!r} or {name + '.gz'!r} beside it. Put the "
            "labels file there."
        )
    numbers = read_array(file, n_dimensions=1)
    if len(numbers) != n_pictures:
        raise InputError(
            f"{str(file)!r} holds {count(len(numbers), 'label')}, and {images.name!r} {count(n_pictures, 'picture')}: "
            "they do not belong together. Download both again."
        )
    names = _class_names(images.with_name(CLASSES), n_classes=int(numbers.max(initial=0)) + 1)
    return [names[number] for number in numbers.tolist()]


def _class_names(file: Path, *, n_classes: int) -> list[str]:
    if not file.is_file():
        return [str(number) for number in range(n_classes)]
    names = [line for _, line in read_lines(file)]
    if len(names) < n_classes or len(set(names)) < len(names):
        raise InputError(
            f"{str(file)!r} names {count(len(set(names)), 'class', 'classes')}, and the labels count to {n_classes:,}. "
            "Write one name on each line, in the order of the numbers from 0."
        )
    return names


def read_array(file: Path, *, n_dimensions: int) -> NDArray[np.uint8]:
    """Return the bytes of an IDX file as uint8 of the shape that its header gives, read-only.

    Raises:
        InputError: it cannot be read, is cut short or damaged, or holds something else.
    """
    try:
        with file.open("rb") as raw:
            if raw.read(2) == b"\x1f\x8b":
                raw.seek(0)
                with gzip.open(raw) as unpacked:
                    return _unpacked(file, unpacked, n_dimensions=n_dimensions)
            raw.seek(0)
            shape = _shape(file, raw, n_dimensions=n_dimensions)
            _require_length(file, shape, n_bytes=file.stat().st_size - raw.tell())
            return (
                np.memmap(file, np.uint8, "r", raw.tell(), shape)
                if 0 not in shape
                else np.zeros(shape, np.uint8)
            )
    except (OSError, zlib.error) as error:
        if isinstance(error, gzip.BadGzipFile | zlib.error):
            raise InputError(f"{str(file)!r} is damaged ({error}). Download it again.") from error
        raise InputError(f"{str(file)!r} cannot be read: {error.strerror or error}.") from error


def _unpacked(file: Path, source: gzip.GzipFile, *, n_dimensions: int) -> NDArray[np.uint8]:
    shape = _shape(file, source, n_dimensions=n_dimensions)
    n_bytes = int(np.prod(shape, dtype=object))
    if n_bytes > _MOST_INFLATED * file.stat().st_size:  # before so much memory is asked for
        _require_length(file, shape, n_bytes=0)
    values = np.empty(n_bytes, np.uint8)
    n_read = sum(_fill(source, values.data))
    try:
        n_more = len(source.read(1))
    except EOFError:
        n_more = 0
    _require_length(file, shape, n_bytes=n_read + n_more)
    values.flags.writeable = False
    return values.reshape(shape)


def _fill(source: gzip.GzipFile, target: memoryview) -> Iterator[int]:
    """Read until `target` is full or the file ends, also where it ends too early; yield how much each time."""
    at = 0
    while at < len(target):
        try:
            n_read = source.readinto(target[at : at + (1 << 20)])
        except EOFError:
            return
        if not n_read:
            return
        at += n_read
        yield n_read


def _shape(file: Path, source: BinaryIO | gzip.GzipFile, *, n_dimensions: int) -> tuple[int, ...]:
    try:
        magic = source.read(4)
        sizes = source.read(4 * n_dimensions)
    except EOFError:
        magic = sizes = b""
    if magic[:3] == b"\0\0\x08" and magic[3:] != bytes([n_dimensions]) and len(magic) == 4:
        what = "pictures (three dimensions)" if n_dimensions == 3 else "labels (one dimension)"
        raise InputError(
            f"{str(file)!r} is an IDX file of {count(magic[3], 'dimension')}, where {what} are needed."
        )
    if magic and magic != bytes([0, 0, 8, n_dimensions]):
        raise InputError(
            f"{str(file)!r} is no IDX file of bytes: it begins with {magic.hex(' ')}, not with "
            f"00 00 08 {n_dimensions:02x}. Download it again."
        )
    if len(sizes) < 4 * n_dimensions:
        raise InputError(f"{str(file)!r} is cut short: it ends inside its header. Download it again.")
    return tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))


def _require_length(file: Path, shape: tuple[int, ...], *, n_bytes: int) -> None:
    wanted = int(np.prod(shape, dtype=object))
    if n_bytes == wanted:
        return
    what = count(shape[0], "picture") if len(shape) == 3 else count(shape[0], "label")
    size = f" of {shape[2]:,} x {shape[1]:,} pixels" if len(shape) == 3 else ""
    if n_bytes < wanted:
        raise InputError(
            f"{str(file)!r} is cut short: its header promises {what}{size}, and it ends before them. Download it again."
        )
    raise InputError(
        f"{str(file)!r} is longer than its header says ({what}{size}), so one of them is wrong. Download it again."
    )
