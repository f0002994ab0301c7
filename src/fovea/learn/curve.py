"""How well the probe does with fewer pictures: nested subsets of the labelled ones, each judged on pictures held out.

Features and labels in; which answers were right, and the seconds, out. The law through them is judge/growth.py's.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.learn.probe.fit import fit_probe
from fovea.manifest import fold_numbers
from fovea.progress import Progress, silent

if TYPE_CHECKING:
    from fovea.features import Stage

N_REPEATS = 5
FEW_REPEATS = 2
MANY = 1_000  # pictures from which a fit takes seconds and subsets differ little
N_SIZES = (5, 8)  # at least and at most
LEAST_A_CLASS = 2


@dataclass(frozen=True, slots=True)
class Subsets:
    """What was measured: `sizes` rising, how many pictures were learned from.

    `right` float32 (s, r, m): whether the r-th subset of a size answers each of the m judged pictures right, nan where it was not
    asked; `units` int64 (m,) of these; `seconds` (s, r) of the fits, nan where there was none.
    """

    sizes: tuple[int, ...]
    right: NDArray[np.float32]
    units: NDArray[np.int64]
    seconds: NDArray[np.float64]


def measure_subsets(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    units: NDArray[np.int64],
    judged: NDArray[np.bool_] | None,
    stages: "Sequence[Stage]" = (),
    seed: int = 0,
    threads: int | None = None,
    progress: Progress = silent,
) -> Subsets:
    """Fit the probe on nested subsets that keep the classes' proportions, some repeats of each size.

    Args:
        features: (n, d) float32, of all labelled pictures.
        labels: (n,) in [0, k), every class there; each has two units or more among those learned from.
        units: (n,) rows of one number are copies or a group: never on both sides of what is held out here.
        judged: (n,) bool: the pictures that are held out, of units of their own; None: each repeat holds out a fifth of its own.
        stages: columns of each stage, as `fit_probe` takes them.
        seed: of the subsets.
        threads: to fit in.
        progress: is told how many fits are done.
    """
    sides = _sides(labels, units=units, judged=judged, seed=seed)
    sizes = subset_sizes(min(len(inside) for inside, _ in sides), n_classes=int(labels.max()) + 1)
    repeats = [_n_repeats(size, largest=sizes[-1], is_given=judged is not None) for size in sizes]
    right = np.full((len(sizes), N_REPEATS, len(labels)), np.nan, np.float32)
    seconds = np.full((len(sizes), N_REPEATS), np.nan)
    names = [str(k) for k in range(int(labels.max()) + 1)]
    for r, (inside, outside) in enumerate(sides):
        order = nested_order(labels[inside], seed=seed + r)
        for s, size in enumerate(sizes):
            if r >= repeats[s]:
                continue
            some = inside[np.sort(order[:size])]
            begun = time.perf_counter()
            fit = fit_probe(
                features[some],
                labels[some],
                folds=_folds(labels[some], units=units[some], seed=seed),
                class_names=names,
                stages=stages,
                threads=threads,
            )
            seconds[s, r] = time.perf_counter() - begun
            right[s, r, outside] = fit.head.logits(features[outside]).argmax(1) == labels[outside]
            progress("curve", int(np.isfinite(seconds).sum()), sum(repeats))
    is_judged = ~np.isnan(right).all(axis=(0, 1))
    return Subsets(sizes, right[:, :, is_judged], units[is_judged], seconds)


def subset_sizes(n: int, *, n_classes: int) -> tuple[int, ...]:
    """Return sizes up to n, each a fixed factor above the last, from two pictures a class."""
    smallest = min(max(LEAST_A_CLASS * n_classes, 8), n)
    n_sizes = int(np.clip(round(np.log2(n / smallest)) + 1, *N_SIZES))
    return tuple(sorted({round(size) for size in np.geomspace(smallest, n, n_sizes).tolist()}))


def nested_order(labels: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """Return the rows (n,) in an order of which every beginning keeps the classes' proportions; two of each class are first."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(counts.cumsum() - counts, counts)
    share = np.where(rank < LEAST_A_CLASS, -1.0, (rank + 0.5) / np.repeat(counts, counts))
    order: NDArray[np.int64] = by_class[np.argsort(share, kind="stable")]
    return order


def _sides(
    labels: NDArray[np.int64], *, units: NDArray[np.int64], judged: NDArray[np.bool_] | None, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return each repeat's rows to learn from and to judge by."""
    if judged is not None:
        return [(np.flatnonzero(~judged), np.flatnonzero(judged))] * N_REPEATS
    folds = fold_numbers(labels, units=units, n_folds=N_REPEATS, seed=seed)
    return [(np.flatnonzero(folds != r), np.flatnonzero(folds == r)) for r in range(N_REPEATS)]


def _n_repeats(size: int, *, largest: int, is_given: bool) -> int:
    """Return how many subsets of a size: all of the pictures are one subset, unless each repeat holds out others."""
    if is_given and size == largest:
        return 1
    return N_REPEATS if size <= MANY else FEW_REPEATS


def _folds(labels: NDArray[np.int64], *, units: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return folds; where copies are all there is, they may be torn."""
    folds = fold_numbers(labels, units=units, n_folds=5, seed=seed)
    return folds if len(np.unique(folds)) > 1 else np.arange(len(labels)) % 2
