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
from fovea.judge.registration import SIDE, differences
from fovea.pictures import content_sha256, decode, pixel_hash, resize

PLAIN_PX = 16
PLAIN_DIFFERENCE = 2.5
"""Mean absolute difference over 16 x 16 colours (0 to 255) up to which two pictures are near copies as they are: on product photos
copies as JPEG 40 differ by 0.9 at most, copies at half size by 1.3 (99 in 100), the same shoe in another colour by 1.3 to 9."""
LAID_DIFFERENCE = 0.11
"""The same once laid over each other (`judge.registration`): of copies cut to 90 % 95 in 100 stay below, different photos above."""
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
    looks = looks_of(np.unique(pairs), sha256s=sha256s, read=read, store=store, threads=threads)
    pairs = pairs[np.isin(pairs, list(looks)).all(axis=1)]
    seen = np.unique(pairs)
    hashes = np.array([looks[k].pixel_hash for k in seen.tolist()])
    places = np.searchsorted(seen, pairs)
    is_same = hashes[places[:, 0]] == hashes[places[:, 1]] if len(pairs) else np.zeros(0, bool)
    others, small = pairs[~is_same], small_pictures(looks, seen)
    near = _plain_differences(small, places[~is_same]) <= PLAIN_DIFFERENCE
    near[~near] = differences(small, places[~is_same][~near])[0] <= LAID_DIFFERENCE
    return Copies(tuple(map(tuple, pairs[is_same].tolist())), others[near])


def _plain_differences(small: NDArray[np.uint8], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean absolute difference of each pair of small pictures as they are, 0 (the same) to 255."""
    size = SIDE // PLAIN_PX
    coarse = small.reshape(-1, PLAIN_PX, size, PLAIN_PX, size, 3).mean(axis=(2, 4), dtype=np.float32)
    difference: NDArray[np.float32] = np.abs(coarse[pairs[:, 0]] - coarse[pairs[:, 1]]).mean(axis=(1, 2, 3))
    return difference


def small_pictures(looks: Mapping[int, Look], numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the small pictures of some looks, uint8 (m, SIDE, SIDE, 3)."""
    content = b"".join(looks[k].small for k in numbers.tolist())
    return np.frombuffer(content, np.uint8).reshape(len(numbers), SIDE, SIDE, 3)


def looks_of(
    wanted: NDArray[np.int64],
    *,
    sha256s: Sequence[str],
    read: Callable[[int], bytes],
    store: Store | None,
    threads: int,
) -> Mapping[int, Look]:
    """Return the looks of contents by number: remembered ones, or made now; none of unreadable ones."""
    known = {} if store is None else stored_looks(store, [sha256s[k] for k in wanted])
    todo = [k for k in wanted.tolist() if sha256s[k] not in known]
    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-look") as pool:
        looks = list(pool.map(lambda k: _look(read, k, sha256s[k]), todo))
    made = {sha256s[k]: look for k, look in zip(todo, looks, strict=True) if look is not None}
    if store is not None and made:
        store.write_looks(made)
    return {k: look for k in wanted.tolist() if (look := known.get(sha256s[k]) or made.get(sha256s[k]))}


def stored_looks(store: Store, sha256s: Sequence[str]) -> dict[str, Look]:
    """Return the looks that are stored, but not those of an older size."""
    found = store.looks(sha256s)
    return {sha256: look for sha256, look in found.items() if len(look.small) == SIDE * SIDE * 3}


def _look(read: Callable[[int], bytes], k: int, sha256: str) -> Look | None:
    try:
        content = read(k)
        return look_at(decode(content).pixels) if content_sha256(content) == sha256 else None
    except (OSError, PictureError):
        return None


def look_at(pixels: NDArray[np.uint8]) -> Look:
    """Return what tells pictures (h, w, 3) apart: a hash of all pixels, and SIDE x SIDE colours."""
    small = resize(pixels, height_px=SIDE, width_px=SIDE, fit="squash")
    return Look(pixel_hash(pixels), small.tobytes())
