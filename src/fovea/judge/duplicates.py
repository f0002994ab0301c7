"""Which pairs of pictures are copies: a limit learned from planted copies and the strangers there are; what to keep.

Numbers in, numbers out: how the differences come about is not known here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Counts

RECALL = 0.99  # of planted copies
_BEYOND = 1.25  # times as different is no copy, whatever else is there
FEW = 0.1  # pairs of strangers expected: one in ten sets of pictures; allowed where next to nothing is found
_LEAST, _CAUTIOUS = 5, 2.0  # so few strangers tell no power: a low one is taken
_TAIL, _SHARE = (10, 50), 0.05  # how many of the nearest strangers tell how many are nearer still


@dataclass(frozen=True, slots=True)
class CopyLimit:
    """Pairs that differ by no more than `limit` are copies.

    `recall` in [0, 1] is the share of planted copies found so; of the pairs found, `n_strangers` are expected to be none
    (extrapolated from the differences of those that are clearly none), and `precision` in [0, 1] is one minus their share.
    """

    limit: float
    recall: float
    precision: float
    n_strangers: float


def copy_limit(planted: NDArray[np.floating], others: NDArray[np.floating], *, precision: float) -> CopyLimit:
    """Return the largest difference up to which pairs are copies at a precision.

    How many strangers differ by t or less is taken to grow like a power of t, as it does wherever points lie in a space: the
    power is fitted (maximum likelihood) to the nearest pairs that differ more than 99 in 100 planted copies do, less the hundredth.

    Args:
        planted: (p,) differences of planted copies from their originals, infinite where not even compared.
        others: (m,) of all other pairs that were compared, copies among them or not.
        precision: in (0, 1): the share of pairs found that are to be copies; of very few found, FEW may be strangers.
    """
    edge = float(np.quantile(planted, RECALL, method="lower")) if len(planted) else 0.0
    edge = edge if np.isfinite(edge) else float(planted[np.isfinite(planted)].max(initial=0.0))
    others = np.sort(others)  # infinite: clearly none
    n_within, beyond = int(np.searchsorted(others, edge, side="right")), others[np.isfinite(others)]
    n_copies = n_within + round(n_within * (1 - RECALL) / RECALL)  # as many of those beyond are copies still
    scale, power = _tail(beyond[n_copies:], edge=edge)
    candidates = np.linspace(0, _BEYOND * edge, 1000)
    strangers = scale * candidates**power
    found = np.searchsorted(others, candidates, side="right")
    good = np.flatnonzero(strangers <= np.maximum((1 - precision) * found, FEW))
    limit, expected, n = (
        (float(part[good[-1]]) for part in (candidates, strangers, found)) if len(good) else (0.0,) * 3
    )
    return CopyLimit(
        limit=limit,
        recall=float((planted <= limit).mean()) if len(planted) else 0.0,
        precision=1 - expected / n if n else 1.0,
        n_strangers=expected,
    )


def _tail(beyond: NDArray[np.floating], *, edge: float) -> tuple[float, float]:
    """Return c and a for c * t**a strangers at t or below, from the differences of those beyond the edge, ascending."""
    nearest = beyond[: int(np.clip(_SHARE * len(beyond), *_TAIL))]
    if len(nearest) == 0:
        return 0.0, 1.0
    last = float(nearest[-1])
    power = np.geomspace(0.5, 50, 400)
    cut = np.log(max(edge, 1e-6) / last)  # all are taken relative to the last
    likelihood = len(nearest) * (np.log(power) - np.log1p(-np.exp(power * cut)))
    likelihood += (power - 1) * np.log(nearest / last).sum()
    best = float(power[likelihood.argmax()]) if len(nearest) >= _LEAST else _CAUTIOUS
    return len(nearest) / (1 - np.exp(best * cut)) / last**best, best


def choose_kept(order: Sequence[int], pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return what may go: number -> the kept one that it is a copy of.

    `order` names all, what to keep first; `pairs` are the copies. What is no copy of a kept one itself stays, however
    it hangs together with others.
    """
    copies: dict[int, list[int]] = {}
    for one, other in pairs:
        copies.setdefault(one, []).append(other)
        copies.setdefault(other, []).append(one)
    gone: dict[int, int] = {}
    for one in order:
        if one not in gone:
            for other in copies.get(one, []):
                gone.setdefault(other, one)
    return gone


def scene_ratio(planted: NDArray[np.floating], *, recall: float = 0.5, most: float = 0.45) -> float:
    """Return the part of the distance to a far neighbour up to which another is of the same scene.

    `planted` (p,) are these parts for made-up further shots; so many of them are found, where no part is above `most` for that.
    """
    return min(float(np.quantile(planted, recall)), most) if len(planted) else 0.0


def same_scene(neighbours: Counts, distances: NDArray[np.floating], *, ratio: float) -> Counts:
    """Return pairs int64 (p, 2) of one scene: each is much nearer to the other than to its furthest listed neighbour.

    `neighbours` int64 (n, k) and their `distances` (n, k), ascending.
    """
    n, k = neighbours.shape
    if k < 2:
        return np.empty((0, 2), np.int64)
    far = ratio * distances[:, -1]
    i = np.repeat(np.arange(n), k)
    j, d = neighbours.ravel(), distances.ravel()
    near = d <= np.minimum(far[i], far[j])
    pairs: Counts = np.unique(np.sort(np.stack([i[near], j[near]], axis=1), axis=1), axis=0).reshape(-1, 2)
    return pairs
