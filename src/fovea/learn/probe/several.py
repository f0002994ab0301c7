"""Features and several labels a picture in; one yes-or-no classifier a label out, all with one penalty.

The penalty is chosen by cross-validation as `fit_probe` chooses it, by the log loss over all labels after one temperature:
a rare label alone could not choose. All labels and folds are solved at once: a step costs one product for all of them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.features import available_cores
from fovea.learn.probe.fit import (
    EXACT_FINAL,
    FINAL,
    FIRST_PENALTY,
    PENALTIES,
    REFINED,
    SEARCHED,
    WORTH,
    Features,
    choose_space,
    standardise,
    tempered_log_loss,
)
from fovea.learn.probe.head import Head
from fovea.learn.probe.losses import Sigmoid
from fovea.learn.probe.penalty import search_penalty
from fovea.learn.probe.products import computing
from fovea.learn.probe.solve import Problems, Solution, Start, solve
from fovea.learn.probe.spaces import Space

if TYPE_CHECKING:
    from fovea.features import Stage

_MOST_NUMBERS = 2**24  # logits that are worked on at once


@dataclass(frozen=True, slots=True)
class LabelsFit:
    """What `fit_labels` returns.

    The head's logit of a label is that of having it against not having it. `oof_logits` (n, k) float32 hold every row's
    logits from a head with the chosen penalty that did not see its fold; `path` (penalty, out-of-fold log loss a label).
    """

    head: Head
    oof_logits: NDArray[np.float32]
    path: tuple[tuple[float, float], ...]
    seconds: float


def fit_labels(
    features: Features,
    has: NDArray[np.bool_],
    *,
    folds: NDArray[np.int64],
    names: Sequence[str],
    stages: "Sequence[Stage]" = (),
    seed: int = 0,
    extra_views: Features | None = None,
    threads: int | None = None,
) -> LabelsFit:
    """Fit a logistic regression for every label on standardised features, with one penalty for all.

    Args:
        features: (n, d) float32, any finite range; n from 4.
        has: (n, k) bool, which labels a row has.
        folds: (n,) fold numbers, at least two different ones; rows of a number are held out together.
        names: the k labels, which go into the head.
        stages: columns of each stage; those of a softmax are told by its name.
        seed: of the random vectors that the solver's preconditioner starts from.
        extra_views: (n, v, d) float32, further views of the same pictures; each enters the fit with weight 1 / v.
        threads: to compute in; all cores that this process may use where None. The result does not depend on it.

    Raises:
        ValueError: fewer than two folds.
    """
    begun = time.perf_counter()
    if len(np.unique(folds)) < 2:
        raise ValueError(f"cross-validation needs two folds or more, found the numbers {np.unique(folds)}")
    with computing(threads or available_cores()):
        rows, scale = standardise(np.asarray(features, np.float32), extra_views, stages=stages)
        n_views = len(rows.blocks) - 1
        space = choose_space(rows, seed=seed)
        data = _Data(
            space=space,
            has=np.tile(has.T, (1, 1 + n_views)).astype(space.dtype),
            folds=np.tile(folds, 1 + n_views),
            weights=np.concatenate([np.ones(len(has)), np.full(n_views * len(has), 1 / max(n_views, 1))]),
            n_plain=len(has),
        )

        def attempt(penalty: float, best: _Trial | None) -> _Trial:
            return _cross_validate(
                data, penalty=penalty, tolerance=SEARCHED, start=None if best is None else best.parts
            )

        trials = search_penalty(attempt, penalties=PENALTIES, first=FIRST_PENALTY, worth=WORTH)
        best = min(trials, key=lambda trial: trial.loss)
        refined = _cross_validate(data, penalty=best.penalty, tolerance=REFINED, start=best.parts)
        final = [
            _fit_all(data, part, some=some, penalty=best.penalty)
            for part, some in zip(refined.parts, data.parts, strict=True)
        ]
        weights = np.concatenate([space.weights(one.params[0]) for one in final])
        bias = np.concatenate([one.bias[0] for one in final])
    head = Head(
        weights=weights.astype(np.float32),
        bias=bias.astype(np.float32),
        mean=rows.mean,
        scale=scale,
        class_names=tuple(names),
        penalty=best.penalty,
    )
    path = sorted((trial.penalty, trial.loss) for trial in trials)
    return LabelsFit(head, refined.logits, tuple(path), time.perf_counter() - begun)


@dataclass(frozen=True, slots=True)
class _Data:
    """Rows of all views (m,): `has` (k, m) 0 or 1, folds and weights; the first n_plain rows are the plain ones."""

    space: Space
    has: NDArray[np.floating]
    folds: NDArray[np.int64]
    weights: NDArray[np.float64]
    n_plain: int

    @property
    def parts(self) -> list[slice]:
        """Labels that are worked on at once: as many as memory allows."""
        together = max(1, _MOST_NUMBERS // (len(self.folds) * len(np.unique(self.folds))))
        return [slice(begin, begin + together) for begin in range(0, len(self.has), together)]

    def problems(self, some: slice, kept: NDArray[np.float64], penalty: float) -> Problems:
        """Return the problems of some labels, each over the row weights `kept` (f, m): label by label, fold by fold."""
        shares = (kept / kept.sum(1, keepdims=True)).astype(self.space.dtype)
        has = self.has[some]
        return Problems(
            self.space, Sigmoid(np.repeat(has, len(kept), axis=0)), np.tile(shares, (len(has), 1)), penalty
        )


@dataclass(frozen=True, slots=True)
class _Trial:
    """One cross-validation: out-of-fold logits (n, k) of the plain rows, their loss, and the solutions by part."""

    penalty: float
    loss: float
    logits: NDArray[np.float32]
    parts: tuple[Start, ...]


def _cross_validate(
    data: _Data, *, penalty: float, tolerance: float, start: tuple[Start, ...] | None = None
) -> _Trial:
    """Fit every label's head without each fold, and return the logits of the rows that it did not see."""
    numbers = np.unique(data.folds)
    kept = data.weights * (data.folds != numbers[:, None])
    logits = np.empty((data.n_plain, len(data.has)), np.float32)
    solutions: list[Start] = []
    for place, some in enumerate(data.parts):
        found = solve(
            data.problems(some, kept, penalty), tolerance=tolerance, start=start[place] if start else None
        )
        solutions.append((found.params, found.bias))
        by_fold = found.logits[0].reshape(-1, len(numbers), len(data.folds))
        for k, number in enumerate(numbers):
            out = np.flatnonzero(data.folds[: data.n_plain] == number)
            logits[out, some] = by_fold[:, k, out].T
    return _Trial(penalty, _loss(logits, data), logits, tuple(solutions))


def _loss(logits: NDArray[np.float32], data: _Data) -> float:
    """Return the mean log loss of a label under the one temperature that makes it smallest."""
    has = data.has[:, : data.n_plain].T.ravel().astype(np.int64)
    pairs = np.column_stack([np.zeros(logits.size, np.float32), logits.ravel()])
    return tempered_log_loss(pairs, has, np.ones(len(has)))


def _fit_all(data: _Data, part: Start, *, some: slice, penalty: float) -> Solution:
    """Fit some labels' heads on all rows, from the mean of the folds' solutions."""
    params, bias = part
    n_folds = len(np.unique(data.folds))
    start = (
        params[0].reshape(-1, n_folds, params.shape[2]).mean(1)[None],
        bias[0].reshape(-1, n_folds).mean(1)[None],
    )
    tolerance = EXACT_FINAL if data.space.dtype == np.float64 else FINAL
    return solve(data.problems(some, data.weights[None], penalty), tolerance=tolerance, start=start)
