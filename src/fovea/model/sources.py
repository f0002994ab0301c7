"""What a user may hand to a classifier (paths, folders, bytes, pictures, arrays), as items for extraction."""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from fovea.features import Item
from fovea.manifest import PackedPicture, packed_pictures
from fovea.pictures import content_sha256, load_source, scan_folder

if TYPE_CHECKING:
    from PIL.Image import Image

Source: TypeAlias = Union[str, Path, bytes, "Image", NDArray[np.uint8], PackedPicture]
"""A file, a folder (its files, recursively), a packed set (IDX, CIFAR, Parquet) or a picture of one, an encoded or PIL
picture, an array (h, w, 3) or (h, w)."""


@dataclass(frozen=True, slots=True)
class Input:
    """One picture to answer for: its name, and where its content comes from."""

    name: str
    source: Source


def as_sources(inputs: Source | Iterable[Source]) -> list[Source]:
    """Return the inputs as a list, a single one too."""
    single = isinstance(inputs, str | Path | bytes | bytearray | memoryview | np.ndarray)
    if single or hasattr(inputs, "getbands"):  # a PIL picture, without importing PIL
        return [inputs]  # type: ignore[list-item]
    return list(inputs)  # type: ignore[arg-type]


def expand(sources: Iterable[Source]) -> Iterator[Input]:
    """Yield every picture in order; a folder becomes its files, sorted by their relative path."""
    for number, source in enumerate(sources, start=1):
        if isinstance(source, PackedPicture):
            yield Input(source.name, source)
        elif not isinstance(source, str | Path):
            yield Input(str(getattr(source, "filename", "") or f"input {number}"), source)
        elif (packed := packed_pictures(Path(source))) is not None:
            yield from (Input(one.name, one) for one in packed)
        elif Path(source).is_dir():
            for found in scan_folder(Path(source)).files:
                yield Input(str(Path(source) / found.relative), found.path)
        else:
            yield Input(str(source), source)


def why_not_a_file(path: Path) -> str:
    """Return why nothing can be read at `path`, in words for its row; "" where a regular file is."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return "" if stat.S_ISREG(mode) else "it is not a regular file"  # reading a pipe would wait for ever


def content_item(source: Source) -> Item:
    """Return the extraction item of something in memory, or in a pack.

    Raises InputError where it is no picture at all, PictureError or OSError where its place in a pack holds none.
    """
    if isinstance(source, PackedPicture):
        return Item(sha256=content_sha256(source.read()), read=source.read)
    content = load_source(source)[1]
    return Item(sha256=content_sha256(content), read=lambda: content)
