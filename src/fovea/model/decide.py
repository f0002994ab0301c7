"""From features to answers: arrays in, predictions out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fovea.judge import NoveltyScore, softmax
from fovea.learn import Head
from fovea.model.parts import Thresholds
from fovea.model.prediction import Prediction


def answer(
    features: NDArray[np.float32],
    names: Sequence[str],
    *,
    problems: Sequence[str],
    head: Head,
    temperature: float,
    thresholds: Thresholds,
    novelty: NoveltyScore | None,
) -> list[Prediction]:
    """Return one prediction for every row of `features` float32 (n, d); a problem replaces the class."""
    if not len(names):
        return []
    probabilities = np.asarray(softmax(head.logits(features), temperature), np.float64)
    unlike = np.zeros(len(names), bool) if novelty is None else novelty.is_unlike(features)
    top = probabilities.argmax(axis=1)
    return [
        Prediction(path=name, problem=problem)
        if problem
        else Prediction(
            path=name,
            class_name=head.class_names[k],
            probability=float(row[k]),
            probabilities=dict(zip(head.class_names, row.tolist(), strict=True)),
            unsure=bool(row[k] < thresholds.unsure),
            unlike=bool(far),
        )
        for name, problem, row, k, far in zip(
            names, problems, probabilities, top.tolist(), unlike, strict=True
        )
    ]
