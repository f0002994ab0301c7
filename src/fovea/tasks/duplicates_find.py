"""Copies and scenes among pictures: candidates from their features, pixels laid over each other, limits from planted copies.

Memory holds the features, SIDE x SIDE colours of each picture that is like another, and blocks: some 12 KB a picture.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import PictureError
from fovea.features import Encoder, Item, Store, available_cores, extract, nearest
from fovea.judge.duplicates import CopyLimit, copy_limit, same_scene, scene_ratio
from fovea.judge.registration import SIDE, differences
from fovea.manifest import join_units
from fovea.pictures import ALTERATIONS, alter, content_sha256, decode, decode_to
from fovea.progress import Progress
from fovea.tasks.copies import looks_of, small_pictures
from fovea.tasks.stored import last_columns

N_PLANTED = 100
ALTERED_PX = (
    512  # of the shorter side, or somewhat more: larger JPEGs are read reduced before they are altered
)
N_CANDIDATES = 12
"""Of 1,200 planted copies of products all had their original among the 12 nearest (lab/LOG.md)."""
N_NEIGHBOURS = 20  # the last of them tells how near strangers are
SLACK = 1.3  # candidates may be so much further than planted copies are
N_DOUBTFUL = 12
BYTES_A_CONTENT = 10_000
GROUP = 512  # pictures looked at before they are stored
BLOCK = 20_000  # pairs compared at once, in each thread
COPIED = ALTERATIONS[:-1]  # the last is another shot


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of contents; of several with equal pixels the first stands for all in the others.

    `same`: with equal pixels, the first and another, int64 (s, 2). `near`: copies, int64 (p, 2) the surest first, their
    `difference` (p,) and whether one is mirrored. `doubtful`: the nearest that were taken for no copies, with their
    `doubt`, the difference. `scenes`: of one scene, (q, 2).
    `recalls`: the share of planted copies found, by alteration. `limit`: how that was decided.
    """

    same: NDArray[np.int64]
    near: NDArray[np.int64]
    difference: NDArray[np.float32]
    mirrored: NDArray[np.bool_]
    doubtful: NDArray[np.int64]
    doubt: NDArray[np.float32]
    scenes: NDArray[np.int64]
    limit: CopyLimit
    recalls: dict[str, float]
    n_planted: int


@dataclass(frozen=True, slots=True)
class Contents:
    """Different contents: `features` float32 (n, d), their hashes, and what reads their bytes by number.

    `rank` says by number what is to stay first, the lowest; None: in their order.
    """

    features: NDArray[np.float32]
    sha256s: Sequence[str]
    read: Callable[[int], bytes]
    rank: Callable[[int], tuple[Any, ...]] | None = None


@dataclass(frozen=True, slots=True)
class _Planted:
    """Altered copies: the `original` of each, the alteration, their features and small pictures."""

    original: NDArray[np.int64]
    kind: NDArray[np.str_]
    features: NDArray[np.float32]
    small: NDArray[np.uint8]


def find_pairs(
    contents: Contents,
    *,
    encoder: Encoder,
    store: Store | None,
    precision: float,
    threads: int | None,
    progress: Progress,
) -> Pairs:
    """Return which contents are copies and which show one scene.

    Besides their features it holds at most BYTES_A_CONTENT of each: where every one has a candidate, all of them small.
    """
    threads = threads or available_cores()
    planted = _plant(contents, encoder=encoder, store=store, threads=threads, progress=progress)
    n = len(contents.features)
    progress("neighbours", 0, 1)
    neighbours, cosines = nearest(
        contents.features, contents.features, k=N_NEIGHBOURS, threads=threads, leave_out_self=True
    )
    progress("neighbours", 1, 1)
    own = _own_cosines(contents, planted)
    is_copy = planted.kind != ALTERATIONS[-1]
    least = 1 - SLACK * (1 - float(np.quantile(own[is_copy], 0.01))) if is_copy.any() else -1.0
    pairs = _candidates(neighbours, cosines, least=least)
    wanted = np.union1d(np.unique(pairs), planted.original)
    seen, shown, small = _look_at(wanted, contents, store=store, threads=threads, progress=progress)
    pairs = np.searchsorted(seen, pairs[np.isin(pairs, seen).all(axis=1)])
    same, others = _by_pixels(pairs, shown)
    difference, mirrored = compare(small, others, threads=threads, progress=progress)
    known = np.isin(planted.original, seen)
    lost = _planted_differences(planted, contents, small=small, seen=seen, threads=threads)
    limit = copy_limit(lost[is_copy & known], difference, precision=precision)
    rank = contents.rank or (lambda k: (k,))
    alike = {k: [k] for k in range(len(seen))}
    for first, again in same.tolist():
        alike[first].append(again)
    more = _lacking(
        others,
        difference <= limit.limit,
        small=small,
        limit=limit.limit,
        rank=lambda k: min(rank(int(seen[one])) for one in alike[k]),
    )
    others, difference = np.concatenate([others, more[0]]), np.concatenate([difference, more[1]])
    mirrored = np.concatenate([mirrored, more[2]])
    order = np.argsort(difference, kind="stable")
    n_near = int((difference <= limit.limit).sum())
    n_shown = min(n_near + N_DOUBTFUL, int(np.isfinite(difference).sum()))
    ratios = (
        (1 - own[~is_copy]) / np.maximum(1 - cosines[planted.original[~is_copy], -1], 1e-6)
        if n > 2
        else np.empty(0)
    )
    return Pairs(
        same=seen[same],
        near=seen[others[order[:n_near]]],
        difference=difference[order[:n_near]],
        mirrored=mirrored[order[:n_near]],
        doubtful=seen[others[order[n_near:n_shown]]],
        doubt=difference[order[n_near:n_shown]],
        scenes=same_scene(neighbours, 1 - cosines, ratio=scene_ratio(ratios)),
        limit=limit,
        recalls={
            kind: float((lost[planted.kind == kind] <= limit.limit).mean())
            for kind in COPIED
            if kind in planted.kind
        },
        n_planted=int(is_copy.sum()),
    )


def _look_at(
    wanted: NDArray[np.int64], contents: Contents, *, store: Store | None, threads: int, progress: Progress
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return those of the wanted contents that can be read, ascending, a number for their pixels, and them small."""
    small = np.empty((len(wanted), SIDE, SIDE, 3), np.uint8)
    seen: list[int] = []
    hashes: list[int] = []
    numbers: dict[str, int] = {}
    progress("look", 0, len(wanted))
    for start in range(0, len(wanted), GROUP):
        some = wanted[start : start + GROUP]
        looks = looks_of(some, sha256s=contents.sha256s, read=contents.read, store=store, threads=threads)
        readable = [k for k in some.tolist() if k in looks]
        small[len(seen) : len(seen) + len(readable)] = small_pictures(looks, np.array(readable, np.int64))
        seen += readable
        hashes += [numbers.setdefault(looks[k].pixel_hash, len(numbers)) for k in readable]
        progress("look", min(start + GROUP, len(wanted)), len(wanted))
    return np.array(seen, np.int64), np.array(hashes, np.int64), small[: len(seen)]


def compare(
    small: NDArray[np.uint8],
    pairs: NDArray[np.int64],
    *,
    threads: int,
    progress: Progress,
    block: int = BLOCK,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the difference and whether mirrored of each pair, as `differences` does, a block a thread in memory."""
    starts = range(0, len(pairs), block)
    found = []
    progress("compare", 0, len(pairs))
    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-compare") as pool:
        for start, one in zip(
            starts, pool.map(lambda at: differences(small, pairs[at : at + block]), starts), strict=True
        ):
            found.append(one)
            progress("compare", min(start + block, len(pairs)), len(pairs))
    if not found:
        return np.empty(0, np.float32), np.empty(0, bool)
    return np.concatenate([one for one, _ in found]), np.concatenate([other for _, other in found])


def _lacking(
    pairs: NDArray[np.int64],
    is_near: NDArray[np.bool_],
    *,
    small: NDArray[np.uint8],
    limit: float,
    rank: Callable[[int], tuple[Any, ...]],
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the near pairs that are missing for each that stays to have all its copies: (p, 2), differences, mirrored.

    Of forty copies each lists but N_CANDIDATES others, so in large families the one that stays is laid over all the others,
    then the next that is no copy of it, and so on.
    """
    family = join_units(len(small), pairs[is_near].tolist())
    is_large = np.bincount(family, minlength=1) > N_CANDIDATES
    inside = np.flatnonzero(is_large[family[pairs[:, 0]]] & (family[pairs[:, 0]] == family[pairs[:, 1]]))
    known = dict(zip(map(tuple, pairs[inside].tolist()), is_near[inside].tolist(), strict=True))
    members: dict[int, list[int]] = {}
    for k in np.flatnonzero(is_large[family]).tolist():
        members.setdefault(int(family[k]), []).append(k)
    found, differ, flipped = [pairs[:0]], [np.empty(0, np.float32)], [np.empty(0, bool)]
    for one in members.values():
        left = sorted(one, key=rank)
        while len(left) > 1:
            stays, rest = left[0], left[1:]
            unknown = [pair for k in rest if (pair := (min(stays, k), max(stays, k))) not in known]
            asked = np.array(unknown, np.int64).reshape(-1, 2)
            difference, mirrored = differences(small, asked)
            near = difference <= limit
            known |= dict(zip(unknown, near.tolist(), strict=True))
            found.append(asked[near])
            differ.append(difference[near])
            flipped.append(mirrored[near])
            left = [k for k in rest if not known[min(stays, k), max(stays, k)]]
    return np.concatenate(found), np.concatenate(differ), np.concatenate(flipped)


def _candidates(
    neighbours: NDArray[np.int64], cosines: NDArray[np.float32], *, least: float
) -> NDArray[np.int64]:
    """Return pairs (p, 2) of nearest neighbours whose cosine a copy could have, each once, ascending."""
    i, column = np.nonzero(cosines[:, :N_CANDIDATES] >= least)
    pairs = np.sort(np.stack([i, neighbours[i, column]], axis=1), axis=1)
    found: NDArray[np.int64] = np.unique(pairs, axis=0).reshape(-1, 2)
    return found


def _by_pixels(
    pairs: NDArray[np.int64], shown: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of the first with some pixels (`shown`) and another, and the `pairs` of different pixels among the first.

    Equality is no matter of pairs: of thirty alike each lists but twelve.
    """
    _, first, which = np.unique(shown, return_index=True, return_inverse=True)
    stands = first[which.reshape(-1)]
    again = np.flatnonzero(stands != np.arange(len(shown)))
    pairs = np.sort(stands[pairs], axis=1)
    others: NDArray[np.int64] = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0).reshape(-1, 2)
    return np.stack([stands[again], again], axis=1), others


def _plant(
    contents: Contents, *, encoder: Encoder, store: Store | None, threads: int, progress: Progress
) -> _Planted:
    """Make altered copies of those contents whose hashes are lowest: the same ones when pictures are added."""
    chosen = np.argsort(np.array(contents.sha256s))[:N_PLANTED].tolist()
    progress("plant", 0, len(chosen))
    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-plant") as pool:
        made = list(pool.map(lambda k: _altered(contents, k), chosen))
    progress("plant", len(chosen), len(chosen))
    kept = [(k, *one) for k, some in zip(chosen, made, strict=True) for one in some]
    items = [Item(content_sha256(content), partial(bytes, content)) for _, _, content, _ in kept]
    found = extract(encoder, items, store=store, columns=last_columns(encoder), progress=progress)
    return _Planted(
        original=np.array([one[0] for one in kept], np.int64),
        kind=np.array([one[1] for one in kept], np.str_),
        features=found.features,
        small=np.array([one[3] for one in kept], np.uint8).reshape(-1, SIDE, SIDE, 3),
    )


def _altered(contents: Contents, k: int) -> list[tuple[str, bytes, NDArray[np.uint8]]]:
    """Return every alteration of a content: its kind, its bytes, and it small."""
    try:
        pixels = decode(contents.read(k), cover_px=(ALTERED_PX, ALTERED_PX)).pixels
    except (OSError, PictureError):  # gone or changed since its features were taken
        return []
    seed = int(contents.sha256s[k][:15], 16)
    made = [(kind, alter(pixels, kind, seed=seed)) for kind in ALTERATIONS]
    return [
        (kind, content, decode_to(content, height_px=SIDE, width_px=SIDE, fit="squash").pixels)
        for kind, content in made
    ]


def _own_cosines(contents: Contents, planted: _Planted) -> NDArray[np.float32]:
    """Return the cosine of each planted copy to its original."""
    a, b = planted.features, contents.features[planted.original]
    length = np.sqrt(np.einsum("nd,nd->n", a, a) * np.einsum("nd,nd->n", b, b))
    cosines: NDArray[np.float32] = np.einsum("nd,nd->n", a, b) / np.maximum(length, 1e-12)
    return cosines


def _planted_differences(
    planted: _Planted, contents: Contents, *, small: NDArray[np.uint8], seen: NDArray[np.int64], threads: int
) -> NDArray[np.float32]:
    """Return how much planted copies differ from their originals; infinite where these are no candidates of theirs."""
    nearby, _ = nearest(planted.features, contents.features, k=N_CANDIDATES, threads=threads)
    known = np.flatnonzero(
        (nearby == planted.original[:, None]).any(axis=1) & np.isin(planted.original, seen)
    )
    lost = np.full(len(planted.original), np.inf, np.float32)
    both = np.concatenate([small[np.searchsorted(seen, planted.original[known])], planted.small[known]])
    lost[known] = differences(both, np.arange(2 * len(known)).reshape(2, -1).T)[0]
    return lost
