"""What a user may hand to a classifier (paths, folders, bytes, pictures, arrays), as items for extraction."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from fovea.features import Item
from fovea.pictures import load_source, scan_folder

if TYPE_CHECKING:
    from PIL.Image import Image

Source: TypeAlias = Union[str, Path, bytes, "Image", NDArray[np.uint8]]
"""A file, a folder (its pictures, recursively), an encoded or PIL picture, an array (h, w, 3) or (h, w)."""


@dataclass(frozen=True, slots=True)
class Input:
    """One picture to answer for: its name, and where its content comes from."""

    name: str
    source: Source


def as_sources(inputs: Source | Iterable[Source]) -> list[Source]:
    """Return the inputs as a list, a single one too."""
    single = isinstance(inputs, str | Path | bytes | np.ndarray) or hasattr(inputs, "getbands")
    return [inputs] if single else list(inputs)  # type: ignore[list-item, arg-type]


def expand(sources: Iterable[Source]) -> Iterator[Input]:
    """Yield every picture in order; a folder becomes its files, sorted by their relative path."""
    for number, source in enumerate(sources):
        if not isinstance(source, str | Path):
            yield Input(f"input {number + 1}", source)
        elif Path(source).is_dir():
            for found in scan_folder(Path(source)).files:
                yield Input(str(Path(source) / found.relative), found.path)
        else:
            yield Input(str(source), source)


def open_item(given: Input) -> Item:
    """Return the extraction item of one input; its content is read again when it is decoded.

    Raises OSError where the file cannot be read, PictureError where an array or a picture is none.
    """
    source = given.source
    if isinstance(source, str | Path):
        path = Path(source)
        with path.open("rb") as file:
            return Item(sha256=hashlib.file_digest(file, "sha256").hexdigest(), read=path.read_bytes)
    content = load_source(source)[1]
    return Item(sha256=hashlib.sha256(content).hexdigest(), read=io.BytesIO(content).getvalue)
