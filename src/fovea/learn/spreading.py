"""Few labels and many pictures: probabilities of every picture by a probe and its neighbours, and out-of-fold ones to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.judge import cross_fitted, fit_temperature, softmax
from fovea.learn.neighbourhood import find_neighbourhood
from fovea.learn.probe.fit import fit_probe

if TYPE_CHECKING:
    from fovea.features import Stage


@dataclass(frozen=True, slots=True)
class SpreadFit:
    """Calibrated probabilities: `probabilities` float64 (m, k) of all rows; `oof` (n, k) of the labelled, each without its fold.

    Of the labelled the former are what is heard of them all the same, not their labels.
    """

    probabilities: NDArray[np.floating]
    oof: NDArray[np.floating]


def fit_spread(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    known: NDArray[np.int64],
    folds: NDArray[np.int64],
    class_names: Sequence[str],
    stages: "Sequence[Stage]" = (),
    threads: int | None = None,
) -> SpreadFit:
    """Learn from the labelled rows and give every row's probabilities, mixed with those of its nearest neighbours.

    Args:
        features: (m, d) float32, labelled and unlabelled rows.
        labels: (n,) in [0, k), of the rows `known`.
        known: (n,) row numbers of the labelled.
        folds: (n,) fold numbers, at least three different ones.
        class_names: the k classes.
        stages: columns of each stage; the neighbours are found by the last average.
        threads: to compute in; all cores where None.
    """
    averages = [stage for stage in stages if not stage.name.endswith((":max", ":softmax"))]
    compared = slice(averages[-1].start, averages[-1].stop) if averages else slice(None)
    near = find_neighbourhood(features[:, compared], threads=threads)

    def hear(some: NDArray[np.bool_]) -> NDArray[np.float64]:
        rows = known[some]
        probe = fit_probe(
            features[rows],
            labels[some],
            folds=folds[some],
            class_names=class_names,
            stages=stages,
            threads=threads,
        )
        temperature = fit_temperature(probe.oof_logits, labels[some])
        told = softmax(probe.head.logits(features), temperature).astype(np.float64)
        told[rows] = np.eye(len(class_names))[labels[some]]  # the labelled say their labels
        return near.logits(told)

    oof = np.empty((len(known), len(class_names)))
    for number in np.unique(folds):
        out = folds == number
        oof[out] = hear(~out)[known[out]]
    every = hear(np.ones(len(known), bool))
    return SpreadFit(softmax(every, fit_temperature(oof, labels)), cross_fitted(oof, labels, parts=folds))
