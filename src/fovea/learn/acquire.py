"""Which pictures to have labelled next: rows of a space in, row numbers out. No label of theirs is known, none is used.

While labels are few, the typical picture of each group that has none yet (TypiClust, Hacohen et al. 2022; ProbCover, Yehuda et
al. 2022); later those about which a classifier is least sure, spread over their groups (Zhdanov 2019; BADGE, Ash et al. 2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.features import available_cores, nearest
from fovea.learn.clusters import cluster
from fovea.learn.probe.fit import standardise
from fovea.learn.probe.products import computing
from fovea.learn.probe.spaces import Rows

if TYPE_CHECKING:
    from fovea.features import Stage

FEW_A_CLASS = 5
"""Labels a class, on average, below which typical pictures teach more than doubtful ones."""
N_DIRECTIONS = 64
OVERSAMPLED, N_PASSES = (
    64,
    4,
)  # with 16 and 2 the directions are off, and the first labels teach a point less (lab/LOG.md)
N_TRIES = 3  # of `cluster`: the tightest groups teach most and vary least (lab/LOG.md)
CANDIDATES = 5  # doubtful pictures looked at for one that is asked about
N_NEAREST = 20  # neighbours by which a picture is typical (Hacohen 2022)


@dataclass(frozen=True, slots=True)
class Picks:
    """What to ask about: `rows` int64 (n,), the most useful first; `n_like` int64 (n,): how many rows each stands for."""

    rows: NDArray[np.int64]
    n_like: NDArray[np.int64]


def labelling_space(
    blocks: "Sequence[NDArray[np.float32]]",
    *,
    stages: "Sequence[Stage]",
    seed: int = 0,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Return the rows of all blocks (n, d) as float32 (m, r) whose Euclidean distances tell what shows alike.

    All columns, standardised as `fit_probe` does (by the largest block), in their leading directions (randomised, Halko 2011),
    rows of length 1: where the classifier judges. Whitened, or of the last stage alone, they group worse (lab/LOG.md).
    """
    with computing(threads or available_cores()):
        some, _ = standardise(max(blocks, key=len), None, stages=stages)
        rows = Rows(tuple(blocks), some.mean, some.gain)
        m, d = sum(len(block) for block in blocks), blocks[0].shape[1]
        rng = np.random.default_rng(seed)
        guess = rng.standard_normal((min(N_DIRECTIONS + OVERSAMPLED, m, d), d))
        for _ in range(N_PASSES):
            guess = np.linalg.qr(rows.gradient(rows.image(guess)).T)[0].T
        _, lengths, places = np.linalg.svd(rows.image(guess), full_matrices=False)
    space = (lengths[:N_DIRECTIONS, None] * places[:N_DIRECTIONS]).T.astype(np.float32)
    length = np.linalg.norm(space, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(space, length, out=np.zeros_like(space), where=length > 0)
    return unit


def is_early(n_labelled: int, *, n_classes: int) -> bool:
    """Return whether labels are too few for a classifier's doubts to be trusted."""
    return n_classes < 2 or n_labelled < FEW_A_CLASS * n_classes


def pick_typical(
    space: NDArray[np.float32],
    *,
    n: int,
    labelled: NDArray[np.bool_],
    free: NDArray[np.bool_],
    seed: int = 0,
    threads: int | None = None,
) -> Picks:
    """Return the typical rows of as many groups as are to be asked about, the largest groups without a label first.

    Args:
        space: (m, r) float32, of the pool and of the labelled pictures; see `labelling_space`.
        n: how many to pick; fewer come where fewer are free.
        labelled: (m,) bool; a group with one of these comes after those without.
        free: (m,) bool; only these may be picked.
        seed: of the groups.
        threads: to group in.
    """
    k = min(int(labelled.sum()) + n, len(space))
    tried = (cluster(space, k, seed=seed + N_TRIES * number, threads=threads) for number in range(N_TRIES))
    groups = min(tried, key=lambda one: float(np.square(one.distances, dtype=np.float64).sum())).assignment
    sizes, n_labelled, n_free = (
        np.bincount(groups[some], minlength=k) for some in (slice(None), labelled, free)
    )
    chosen = [int(group) for group in np.lexsort((-sizes, n_labelled)) if n_free[group]][:n]
    rows = [_most_typical(space, np.flatnonzero(groups == g), free=free, threads=threads) for g in chosen]
    rest = np.setdiff1d(np.flatnonzero(free), rows)[: n - len(rows)]  # where groups ran out
    n_like = [*sizes[chosen].tolist(), *([1] * len(rest))]
    return Picks(np.array([*rows, *rest.tolist()], np.int64), np.array(n_like, np.int64))


def _most_typical(
    space: NDArray[np.float32], group: NDArray[np.int64], *, free: NDArray[np.bool_], threads: int | None
) -> int:
    """Return the free row of a group with the smallest mean distance to its nearest rows in it."""
    asked = group[free[group]]
    _, near = nearest(space[asked], space[group], k=N_NEAREST + 1, metric="euclidean", threads=threads)
    return int(asked[near.mean(axis=1).argmax()])  # each is its own nearest, at 0


def pick_unsure(
    space: NDArray[np.float32],
    probabilities: NDArray[np.floating],
    *,
    n: int,
    free: NDArray[np.bool_],
    seed: int = 0,
    threads: int | None = None,
) -> Picks:
    """Return rows about which a classifier is in doubt, spread over what these show.

    The doubtful ones are those with the smallest margins between their two likeliest classes, a few times as many as are asked
    for; they are grouped, and of each group the most doubtful one is picked.

    Args:
        space: (m, r) float32.
        probabilities: (m, k) in [0, 1], k from 2.
        n: how many to pick; fewer come where fewer are free.
        free: (m,) bool; only these may be picked.
        seed: of the groups.
        threads: to group in.
    """
    margins = margins_of(probabilities)
    inside = np.flatnonzero(free)
    doubtful = inside[np.argsort(margins[inside], kind="stable")[: CANDIDATES * n]]
    k = min(n, len(doubtful))
    if not k:
        return Picks(np.empty(0, np.int64), np.empty(0, np.int64))
    groups = cluster(space[doubtful], k, seed=seed, threads=threads).assignment
    _, first = np.unique(
        groups, return_index=True
    )  # doubtful rows are sorted: the first of a group is its most doubtful
    order = np.sort(first)
    return Picks(doubtful[order], np.bincount(groups, minlength=k)[groups[order]])


def margins_of(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how far the likeliest class of each row (n, k) is above the next: (n,), 0 (in doubt) to 1."""
    two = np.partition(probabilities.astype(np.float64), -2, axis=1)[:, -2:]
    margins: NDArray[np.float64] = two[:, 1] - two[:, 0]
    return margins
