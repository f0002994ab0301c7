"""The learning curve of labelled pictures: measured on subsets, with what twice as many would bring, in numbers and sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.judge import Learning, learning_curve
from fovea.learn import measure_subsets
from fovea.pages import GrowthPlot, GrowthPoint
from fovea.progress import Progress
from fovea.wording import percent

if TYPE_CHECKING:
    from fovea.features import Stage

LEAST_PICTURES = 30
"""Labelled pictures below which a curve would tell nothing."""
LEAST_JUDGED = 20
LEAST_UNITS = 2
LEAST_SIZES = 2
"""Of subsets; with two pictures a class there is one."""


@dataclass(frozen=True, slots=True)
class LabelledFeatures:
    """Labelled pictures (n): features float32 (n, d), their `names`, units (copies share one), and which are held out (n,)."""

    features: NDArray[np.float32]
    names: tuple[str, ...]
    units: NDArray[np.int64]
    held_out: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MeasuredLearning:
    """The curve; of each size the median seconds of a fit; how many pictures judged it, how, and the classes it is of.

    `n_judged_largest` is how many of these judged the largest size: cross-validated, fewer where fits take long.
    """

    learning: Learning
    seconds: tuple[float, ...]
    n_judged: int
    n_judged_largest: int
    protocol: str
    class_names: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        learning, ahead = self.learning, self.learning.forecast
        k = len(self.class_names)
        return {
            "protocol": self.protocol,
            "n_judged": self.n_judged,
            "n_judged_largest": self.n_judged_largest,
            "n_classes": k,
            "points": [
                {
                    "n_pictures": size,
                    "n_a_class": size / k,
                    "accuracy": accuracy,
                    "accuracy_interval": list(interval),
                    "seconds": seconds,
                }
                for size, accuracy, interval, seconds in zip(
                    learning.sizes, learning.accuracies, learning.intervals, self.seconds, strict=True
                )
            ],
            "law": {
                "floor": learning.growth.floor,
                "scale": learning.growth.scale,
                "power": learning.growth.power,
            },
            "twice": {
                "n_pictures": ahead.n + ahead.n_more,
                "accuracy": ahead.accuracy,
                "accuracy_interval": list(ahead.interval),
                "gain": ahead.gain,
                "gain_interval": list(ahead.gain_interval),
                "verdict": ahead.verdict,
            },
        }


def measure_learning(
    labelled: LabelledFeatures,
    *,
    stages: "Sequence[Stage]",
    seed: int,
    threads: int | None,
    progress: Progress,
) -> MeasuredLearning | None:
    """Return the curve, or None where there are too few pictures, or classes, for one.

    Judged on the pictures held out where these are enough, else on fifths of all; classes with fewer than two different
    pictures to learn from are left out, and held-out pictures that stand among those to learn from too.
    """
    known = np.isin(labelled.units, labelled.units[~labelled.held_out])
    by_held_out = int((labelled.held_out & ~known).sum()) >= LEAST_JUDGED
    inside = ~labelled.held_out | (not by_held_out)
    names = [
        name
        for name in sorted(set(labelled.names))
        if len(np.unique(labelled.units[inside & (np.array(labelled.names) == name)])) >= LEAST_UNITS
    ]
    numbers = {name: k for k, name in enumerate(names)}
    labels = np.array([numbers.get(name, -1) for name in labelled.names], np.int64)
    kept = np.flatnonzero((labels >= 0) & (inside | ~known))
    judged = labelled.held_out[kept] if by_held_out else None
    n = len(kept) if judged is None else int((~judged).sum())
    if len(names) < 2 or n < LEAST_PICTURES:
        return None
    subsets = measure_subsets(
        labelled.features[kept],
        labels[kept],
        units=labelled.units[kept],
        judged=judged,
        stages=stages,
        seed=seed,
        threads=threads,
        progress=progress,
    )
    if len(subsets.sizes) < LEAST_SIZES:
        return None
    return MeasuredLearning(
        learning=learning_curve(
            subsets.right, sizes=subsets.sizes, n_now=n, n_then=2 * n, units=subsets.units, seed=seed
        ),
        seconds=tuple(np.nanmedian(subsets.seconds, axis=1).tolist()),
        n_judged=subsets.right.shape[2],
        n_judged_largest=int((~np.isnan(subsets.right[-1]).all(axis=0)).sum()),
        protocol="cross-validated" if judged is None else "held-out",
        class_names=tuple(names),
    )


def sentence(measured: MeasuredLearning) -> str:
    """Say what twice the labels would bring, and whether that pays."""
    ahead = measured.learning.forecast
    now = measured.learning.growth.accuracy(ahead.n)
    low, high = ahead.gain_interval
    gain = f"{100 * ahead.gain:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f})"
    then = f"twice as many would reach some {percent(ahead.accuracy)}: {gain}"
    return f"By the law through the points, {ahead.n:,} labelled pictures reach {percent(now)}; {then}. {_ADVICE[ahead.verdict]}"


def learning_page(
    measured: MeasuredLearning, *, scratch: Sequence[GrowthPoint] = (), net: str = ""
) -> GrowthPlot:
    """Return the curve as a page draws it."""
    learning, ahead = measured.learning, measured.learning.forecast
    n_then = ahead.n + ahead.n_more
    drawn = np.geomspace(learning.sizes[0], n_then, 40)
    return GrowthPlot(
        points=tuple(
            GrowthPoint(*one)
            for one in zip(
                learning.sizes, learning.accuracies, learning.intervals, measured.seconds, strict=True
            )
        ),
        law=tuple((float(n), learning.growth.accuracy(n)) for n in drawn),
        ahead=GrowthPoint(n_then, ahead.accuracy, ahead.interval, 0.0),
        n_classes=len(measured.class_names),
        n_judged=measured.n_judged,
        n_judged_largest=measured.n_judged_largest,
        protocol=measured.protocol,
        scratch=tuple(scratch),
        net=net,
    )


_ADVICE = {
    "pays": "More labels pay.",
    "hardly pays": "More labels hardly pay: look at the mistakes, at wrong labels (fovea suspects), or take another network.",
    "uncertain": "Whether more labels pay cannot be told from these: the gain may be less than a point, or more.",
}
