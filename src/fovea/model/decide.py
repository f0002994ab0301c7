"""From probabilities to answers: arrays in, predictions out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fovea.model.prediction import Prediction


def answer(
    probabilities: NDArray[np.float64],
    names: Sequence[str],
    *,
    class_names: Sequence[str],
    problems: Sequence[str] = (),
    threshold: float | None = None,
    unlike: NDArray[np.bool_] | None = None,
) -> list[Prediction]:
    """Return one prediction for every row of `probabilities` (n, k); a problem replaces the class.

    Of equally probable classes the first is answered. Without a `threshold` nothing is judged unsure, and without
    `unlike` (n,) nothing unlike what was seen: None stands for both.
    """
    if not len(names):
        return []
    top = probabilities.argmax(axis=1).tolist()
    return [
        Prediction(path=name, problem=problem)
        if problem
        else Prediction(
            path=name,
            class_name=class_names[k],
            probability=float(row[k]),
            probabilities=dict(zip(class_names, row.tolist(), strict=True)),
            unsure=None if threshold is None else bool(row[k] < threshold),
            unlike=far,
        )
        for name, problem, row, k, far in zip(
            names,
            problems or [""] * len(names),
            probabilities,
            top,
            [None] * len(names) if unlike is None else unlike.tolist(),
            strict=True,
        )
    ]
