"""Encoded pictures -> one uint8 array of one size, decoded in threads, resized exactly as for prediction."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.errors import PictureError
from fovea.features import Preprocess, available_cores, make_views
from fovea.learn.arrays import make_array
from fovea.pictures import Facts
from fovea.progress import Progress, silent
from fovea.wording import count

Pixels: TypeAlias = NDArray[np.uint8]
"""(n, h, w, 3) RGB, 0 to 255."""

_GROUP = 64  # pictures a thread decodes before it reports
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class PixelsRead:
    """Pictures of one size, and for each the problem that kept it from being read ("" where all is well), or its facts.

    `pixels` is uint8 (n, h, w, 3); a row with a problem is black, and its facts are None.
    """

    pixels: Pixels
    problems: tuple[str, ...]
    facts: tuple[Facts | None, ...]


def read_pixels(
    reads: Sequence[Callable[[], bytes]],
    *,
    height_px: int,
    width_px: int,
    fit: str = "crop",
    crop: float = 1.0,
    folder: Path | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> Pixels:
    """Return the pictures as uint8 (n, height_px, width_px, 3), the same pixels as prediction would take.

    `reads` give the bytes of each picture's file. `fit` and `crop` are as in `features.Preprocess`. An array of a GiB or
    more lies in a file under `folder`, where one is given.

    Raises PictureError where any cannot be read, with the first few; OutputError where `folder` has no room.
    """
    made = try_pixels(
        reads,
        preprocess=Preprocess(height_px, width_px, fit, crop),
        folder=folder,
        threads=threads,
        progress=progress,
    )
    broken = [(k, problem) for k, problem in enumerate(made.problems) if problem]
    if broken:
        told = "; ".join(f"number {k}: {problem}" for k, problem in broken[:_SHOWN])
        raise PictureError(
            f"{count(len(broken), 'picture')} of {len(reads):,} cannot be read: {told}"
            f"{' ...' if len(broken) > _SHOWN else ''}. Give the same command again: what is broken is left out then."
        )
    return made.pixels


def try_pixels(
    reads: Sequence[Callable[[], bytes]],
    *,
    preprocess: Preprocess,
    folder: Path | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> PixelsRead:
    """Return the pictures that can be read, and why the others cannot; see `read_pixels`. Raises OutputError."""
    shape = (len(reads), preprocess.height_px, preprocess.width_px, 3)
    pixels = make_array(shape, np.uint8, folder=folder, what="The pictures at training size")
    problems: list[str] = []
    facts: list[Facts | None] = []
    progress("decode", 0, len(reads))
    with ThreadPoolExecutor(threads or available_cores(), thread_name_prefix="fovea-decode") as pool:
        starts = range(0, len(reads), _GROUP)
        try:
            for told in pool.map(partial(_fill, reads, pixels, preprocess), starts):
                problems += [problem for problem, _ in told]
                facts += [known for _, known in told]
                progress("decode", len(problems), len(reads))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return PixelsRead(pixels, tuple(problems), tuple(facts))


def close_up(read: PixelsRead) -> NDArray[np.int64]:
    """Move what could be read to the front of the pixels, in place and in order; return the rows where it lay."""
    readable = np.flatnonzero([not problem for problem in read.problems])
    for to, at in enumerate(readable.tolist()):
        if to != at:
            read.pixels[to] = read.pixels[at]
    return readable


def piece_of(pixels: Pixels, wanted: NDArray[np.bool_]) -> Pixels:
    """Return the wanted pictures (n,): a view where they lie together, as a copy of a large file would fill the memory."""
    at = np.flatnonzero(wanted)
    if len(at) and at[-1] - at[0] + 1 == len(at):
        return pixels[at[0] : at[-1] + 1]
    return pixels[at]


def _fill(
    reads: Sequence[Callable[[], bytes]], pixels: Pixels, preprocess: Preprocess, start: int
) -> list[tuple[str, Facts | None]]:
    """Decode the group of pictures that begins at `start` into their rows; return the problem or the facts of each."""
    told: list[tuple[str, Facts | None]] = []
    for row in range(start, min(start + _GROUP, len(reads))):
        try:
            views, facts = make_views(reads[row](), preprocess, views=(0,), sha256="")
            pixels[row] = views[0]
            told.append(("", facts))
        except OSError as error:
            told.append((f"cannot be read: {error.strerror or error}", None))
        except PictureError as error:
            told.append((str(error), None))
    return told
