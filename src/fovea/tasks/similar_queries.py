"""What is looked for: pictures from anywhere, cut to a part where asked, as rows of the space that is searched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError, PictureError
from fovea.features import Item, Store, extract
from fovea.pictures import content_sha256, decode, load_source
from fovea.progress import Progress
from fovea.tasks.spaces import Space

if TYPE_CHECKING:
    from fovea.model.sources import Input
    from fovea.tasks.similar import Config


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for in one go: rows of what is liked, float32 (m, width), and of what is not.

    `files` are those of its pictures, whole paths (FILE#NUMBER in a pack): they are no answers. `names` are of what is liked, and
    `pictures` read it again: contents are not held.
    """

    name: str
    liked: NDArray[np.float32]
    unliked: NDArray[np.float32]
    files: frozenset[Path]
    names: tuple[str, ...]
    pictures: tuple[Callable[[], bytes], ...]


@dataclass(frozen=True, slots=True)
class _Example:
    name: str
    file: Path | None
    item: Item


def read_queries(config: "Config", *, space: Space, store: Store, progress: Progress) -> list[Query]:
    """Return what the queries, likes and dislikes ask for. Raises InputError where one of them is no picture."""
    groups = [_expand(group) for group in (config.queries, config.like, config.unlike)]
    problems: list[str] = []
    cut = 0 if groups[0] else 1  # what is liked, where that is all that is looked for
    examples = [
        [_read(one, config.crop if k == cut else None, problems) for one in group]
        for k, group in enumerate(groups)
    ]
    _refuse(problems)
    flat = [one for group in examples for one in group if one is not None]
    items = [one.item for one in flat]
    found = extract(space.encoder, items, store=store, columns=space.columns, progress=progress)
    _refuse([f"{one.name!r}: {why}" for one, why in zip(flat, found.problems, strict=True) if why])
    rows = space.project(found.features)
    n_queries, n_like = len(groups[0]), len(groups[1])
    liked = range(n_queries, n_queries + n_like)
    unliked = range(n_queries + n_like, len(flat))
    asked = [(k, *liked) for k in range(n_queries)] or [tuple(liked)]
    return [_query(flat, rows, own, unliked) for own in asked]


def _query(
    examples: Sequence[_Example], rows: NDArray[np.float32], liked: Sequence[int], unliked: Sequence[int]
) -> Query:
    name = " + ".join(examples[k].name for k in liked) + "".join(f" - {examples[k].name}" for k in unliked)
    files = [examples[k].file for k in (*liked, *unliked)]
    return Query(
        name=name,
        liked=rows[list(liked)],
        unliked=rows[list(unliked)],
        files=frozenset(file for file in files if file is not None),
        names=tuple(examples[k].name for k in liked),
        pictures=tuple(examples[k].item.read for k in liked),
    )


def _expand(sources: Sequence[Any]) -> "list[Input]":
    """Return every picture of the sources. Raises InputError where a folder holds none."""
    from fovea.model.sources import expand

    found = []
    for source in sources:
        inside = list(expand([source]))
        if not inside:
            raise InputError(
                f"{str(source)!r} holds no pictures to look for. Name a picture, or another folder."
            )
        found += inside
    return found


def _read(one: "Input", crop: tuple[int, int, int, int] | None, problems: list[str]) -> _Example | None:
    """Return a picture, cut where asked, to be read again when its turn comes; what is wrong with it goes to `problems`."""
    from fovea.manifest import PackedPicture
    from fovea.model.sources import content_item, why_not_a_file

    file = Path(one.source) if isinstance(one.source, str | Path) else None
    try:
        if why := "" if file is None else why_not_a_file(file):
            problems.append(f"{one.name!r}: {why}")
            return None
        read = content_item(one.source).read if file is None else file.read_bytes
        if crop is not None:
            read = partial(_cut, read, crop, name=one.name)
        item = Item(content_sha256(read()), read)
    except OSError as error:
        problems.append(f"{one.name!r}: cannot be read: {error.strerror or error}")
        return None
    except PictureError as error:
        problems.append(f"{one.name!r}: {error}")
        return None
    place = Path(one.source.name) if isinstance(one.source, PackedPicture) else file
    return _Example(one.name, None if place is None else place.resolve(), item)


def _cut(read: Callable[[], bytes], crop: tuple[int, int, int, int], *, name: str) -> bytes:
    """Return a part of a picture, as a PNG. Raises PictureError, or InputError where it reaches out of it."""
    x, y, w, h = crop
    pixels = decode(read()).pixels
    height, width = pixels.shape[:2]
    if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
        raise InputError(
            f"--crop {x},{y},{w},{h} (x,y,width,height) reaches out of {name!r}, which is {width} x {height} pixels. Choose a "
            "part inside it."
        )
    return load_source(np.ascontiguousarray(pixels[y : y + h, x : x + w]))[1]


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = f" and {len(problems) - 5:,} more" if len(problems) > 5 else ""
        raise InputError(
            f"These cannot be looked for: {'; '.join(problems[:5])}{more}. Name pictures that can be opened."
        )
