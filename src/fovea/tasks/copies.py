"""Which pictures are the same, and which nearly: candidates from features, checked by looking at the pixels.

The same pixels make one unit; near ones (recompressed, resized, slightly cropped) are only reported.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.errors import PictureError
from fovea.features import Look, Store, available_cores
from fovea.judge import near_duplicates
from fovea.pictures import content_sha256, decode, pixel_hash, resize

LOOK_PX = 16
MAX_DIFFERENCE = 2.5
"""Mean absolute difference over 16 x 16 colours (0 to 255) up to which two pictures are near copies: on product photos
copies as JPEG 40 differ by 0.9 at most, copies at half size by 1.3 (99 in 100), the same shoe in another colour by 1.3 to 9."""
MAX_PAIRS = 20_000


@dataclass(frozen=True, slots=True)
class Copies:
    """`same`: groups of contents with equal pixels; `near`: pairs of contents int64 (p, 2), the nearest first."""

    same: tuple[tuple[int, ...], ...]
    near: NDArray[np.int64]


def find_copies(
    features: NDArray[np.float32],
    *,
    sha256s: Sequence[str],
    read: Callable[[int], bytes],
    store: Store | None,
    threads: int | None = None,
    one_of: NDArray[np.bool_] | None = None,
) -> Copies:
    """Find copies among contents that are not byte for byte equal.

    Args:
        features: float32 (m, d) of the last stage; rows of zeros are nobody's copy.
        sha256s: of the m contents.
        read: gives the bytes of a content by its number.
        store: remembers what was looked at, so that it is decoded once.
        threads: to look and compare in; all cores that this process may use where None.
        one_of: (m,) only copies among one that is marked and one that is not; all where None.
    """
    threads = threads or available_cores()
    pairs, _ = near_duplicates(features, max_pairs=MAX_PAIRS, threads=threads, one_of=one_of)
    looks = _looks(np.unique(pairs), sha256s=sha256s, read=read, store=store, threads=threads)
    same, near = [], []
    for one, other in pairs.tolist():
        a, b = looks.get(one), looks.get(other)
        if a is None or b is None:
            continue
        if a.pixel_hash == b.pixel_hash:
            same.append((one, other))
        elif difference(a, b) <= MAX_DIFFERENCE:
            near.append((one, other))
    return Copies(tuple(same), np.array(near, np.int64).reshape(-1, 2))


def difference(one: Look, other: Look) -> float:
    """Return the mean absolute difference of two looks, 0 (the same) to 255."""
    a = np.frombuffer(one.small, np.uint8).astype(np.float32)
    b = np.frombuffer(other.small, np.uint8).astype(np.float32)
    return float(np.abs(a - b).mean())


def _looks(
    wanted: NDArray[np.int64],
    *,
    sha256s: Sequence[str],
    read: Callable[[int], bytes],
    store: Store | None,
    threads: int,
) -> Mapping[int, Look]:
    """Return the looks of contents by number: remembered ones, or made now; none of unreadable ones."""
    known = {} if store is None else store.looks([sha256s[k] for k in wanted])
    todo = [k for k in wanted.tolist() if sha256s[k] not in known]
    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-look") as pool:
        looks = list(pool.map(lambda k: _look(read, k, sha256s[k]), todo))
    made = {sha256s[k]: look for k, look in zip(todo, looks, strict=True) if look is not None}
    if store is not None and made:
        store.write_looks(made)
    return {k: look for k in wanted.tolist() if (look := known.get(sha256s[k]) or made.get(sha256s[k]))}


def _look(read: Callable[[int], bytes], k: int, sha256: str) -> Look | None:
    try:
        content = read(k)
        return look_at(decode(content).pixels) if content_sha256(content) == sha256 else None
    except (OSError, PictureError):
        return None


def look_at(pixels: NDArray[np.uint8]) -> Look:
    """Return what tells pictures (h, w, 3) apart: a hash of all pixels, and 16 x 16 colours."""
    small = resize(pixels, height_px=LOOK_PX, width_px=LOOK_PX, fit="squash")
    return Look(pixel_hash(pixels), small.tobytes())
