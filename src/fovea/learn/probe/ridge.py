"""Features and a number a picture in; a fitted head and out-of-fold predictions out: ridge regression in closed form.

Every fold is fitted again without its rows, exactly, for every penalty that is tried. The system is that of the rows or of
the columns, whichever is smaller.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.features import available_cores
from fovea.learn.probe.fit import EXACT_ROWS, WORTH, Features, standardise
from fovea.learn.probe.head import Head
from fovea.learn.probe.penalty import search_penalty
from fovea.learn.probe.products import Reals, computing, each, product
from fovea.learn.probe.spaces import Rows

if TYPE_CHECKING:
    from fovea.features import Stage

Values: TypeAlias = NDArray[np.float64]

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-8, 11))  # 1e-4 to 1e5, half a decade apart
FIRST_PENALTY = (
    10.0  # columns are standardised and there are some thousands of them, so that rows are 1e3 long
)
_SAFE_PENALTY = (
    0.1  # the largest eigenvalue is some hundreds where columns have deviation 1: a condition below 1e4
)
_CHUNK_ROWS = 2_048

Refit: TypeAlias = "Callable[[float], Values]"
"""From a penalty to predictions of the rows that were left out."""


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """What `fit_ridge` returns.

    `head` gives the value as its one logit. `oof_values` (n,) float64: every row's value by a head with the chosen penalty
    that did not see its fold. `path` holds (penalty, out-of-fold mean squared error as a share of the variance).
    """

    head: Head
    oof_values: Values
    path: tuple[tuple[float, float], ...]
    seconds: float


def fit_ridge(
    features: Features,
    values: Values,
    *,
    folds: NDArray[np.int64],
    name: str = "value",
    stages: "Sequence[Stage]" = (),
    extra_views: Features | None = None,
    threads: int | None = None,
) -> RidgeFit:
    """Fit a ridge regression on standardised features, its penalty chosen by cross-validation.

    The head minimises mean squared error of (value - mean) / deviation, plus penalty * |weights|^2; its bias is free.
    Features are standardised as `fit_probe` does.

    Args:
        features: (n, d) float32, any finite range; n from 4.
        values: (n,) float64, finite and not all equal.
        folds: (n,) fold numbers, at least two different ones; rows of a number are held out together.
        name: what the number is called; the head's one "class".
        stages: columns of each stage; those of a softmax are told by its name.
        extra_views: (n, v, d) float32, further views of the same pictures; each enters the fit with weight 1 / v.
        threads: to compute in; all cores that this process may use where None. The result does not depend on it.

    Raises:
        ValueError: fewer than two folds, or values that are all equal.
    """
    begun = time.perf_counter()
    if len(np.unique(folds)) < 2:
        raise ValueError(f"cross-validation needs two folds or more, found the numbers {np.unique(folds)}")
    centre, spread = float(values.mean()), float(values.std())
    if not spread > 0:
        raise ValueError("all values are equal: there is nothing to fit")
    with computing(threads or available_cores()):
        rows, scale = standardise(np.asarray(features, np.float32), extra_views, stages=stages)
        n_views = len(rows.blocks) - 1
        weights = np.concatenate([np.ones(len(values)), np.full(n_views * len(values), 1 / max(n_views, 1))])
        targets = np.tile((values - centre) / spread, 1 + n_views)
        is_dual = len(weights) <= features.shape[1]
        solver = _dual(rows, targets, weights) if is_dual else _primal(rows, targets, weights)
        all_folds, n = np.tile(folds, 1 + n_views), len(values)
        held_out = [np.flatnonzero(all_folds == number) for number in np.unique(folds)]
        refits = [solver.without(out) for out in held_out]

        def attempt(penalty: float, best: _Trial | None) -> _Trial:
            oof = np.empty(len(all_folds))

            def compute(number: int) -> None:
                oof[held_out[number]] = refits[number](penalty)

            each(compute, range(len(refits)))
            return _Trial(penalty, float(np.square(oof[:n] - targets[:n]).mean()), oof[:n])

        trials = search_penalty(attempt, penalties=PENALTIES, first=FIRST_PENALTY, worth=WORTH)
        best = min(trials, key=lambda trial: trial.loss)
        beta, bias = solver.fit(best.penalty)
    head = Head(
        weights=(beta * spread).astype(np.float32)[None],
        bias=np.array([bias * spread + centre], np.float32),
        mean=rows.mean,
        scale=scale,
        class_names=(name,),
        penalty=best.penalty,
    )
    path = sorted((trial.penalty, trial.loss) for trial in trials)
    return RidgeFit(head, best.oof * spread + centre, tuple(path), time.perf_counter() - begun)


@dataclass(frozen=True, slots=True)
class _Trial:
    penalty: float
    loss: float
    oof: Values


@dataclass(frozen=True, slots=True)
class _Dual:
    """Few rows: weights Z' a, where (Z Z' + penalty / w) a = y - bias and the a sum to 0."""

    rows: Rows
    gram: Reals
    targets: Values
    weights: Values

    def without(self, out: NDArray[np.int64]) -> Refit:
        """Return what predicts the rows `out` after a fit on the others."""
        kept = np.setdiff1d(np.arange(len(self.targets)), out)
        inside, across = self.gram[np.ix_(kept, kept)], self.gram[np.ix_(out, kept)]

        def refit(penalty: float) -> Values:
            duals, bias = _solve_dual(inside, self.targets[kept], self.weights[kept], penalty)
            predicted: Values = across @ duals + bias
            return predicted

        return refit

    def fit(self, penalty: float) -> tuple[Values, float]:
        """Return weights (d,) and bias of a fit on all rows."""
        duals, bias = _solve_dual(self.gram, self.targets, self.weights, penalty)
        return np.asarray(self.rows.gradient(duals[None])[0], np.float64), bias


def _dual(rows: Rows, targets: Values, weights: Values) -> _Dual:
    return _Dual(rows, rows.gram(np.float64 if len(weights) <= EXACT_ROWS else np.float32), targets, weights)


def _solve_dual(gram: Reals, targets: Values, weights: Values, penalty: float) -> tuple[Values, float]:
    from scipy.linalg import cho_factor, cho_solve

    system = gram.astype(_precision(len(gram), penalty))
    system[np.diag_indices_from(system)] += penalty * weights.sum() / weights
    factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    sides = np.column_stack([targets, np.ones_like(targets)]).astype(system.dtype)
    both = cho_solve(factor, sides, check_finite=False).astype(np.float64)
    bias = float(both[:, 0].sum() / both[:, 1].sum())
    return both[:, 0] - bias * both[:, 1], bias


@dataclass(frozen=True, slots=True)
class _Primal:
    """Many rows: (Z' W Z - centre + penalty) weights = Z' W y - centre, W the shares of the rows."""

    rows: Rows
    targets: Values
    weights: Values
    whole: "_Sums"

    def without(self, out: NDArray[np.int64]) -> Refit:
        """Return what predicts the rows `out` after a fit on the others."""
        left_out = _sums(self.rows, self.targets, self.weights, out)

        def refit(penalty: float) -> Values:
            beta, bias = _solve_primal(self.whole.minus(left_out), penalty)
            parts = [part @ beta for part in _standardised_chunks(self.rows, out)]
            predicted: Values = np.concatenate(parts) + bias
            return predicted

        return refit

    def fit(self, penalty: float) -> tuple[Values, float]:
        """Return weights (d,) and bias of a fit on all rows."""
        return _solve_primal(self.whole, penalty)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Weighted sums over rows: z z' (d, d), z (d,), z y (d,), y, and of the weights."""

    squares: Reals
    rows: Values
    products: Values
    target: float
    weight: float

    def minus(self, other: "_Sums") -> "_Sums":
        return _Sums(
            self.squares - other.squares,
            self.rows - other.rows,
            self.products - other.products,
            self.target - other.target,
            self.weight - other.weight,
        )


def _sums(rows: Rows, targets: Values, weights: Values, chosen: NDArray[np.int64]) -> _Sums:
    d = len(rows.mean)
    squares, total, products = np.zeros((d, d), np.float32), np.zeros(d), np.zeros(d)
    begin = 0
    for z in _standardised_chunks(rows, chosen):
        some = chosen[begin : begin + len(z)]
        begin += len(z)
        weighted = z * weights[some, None].astype(np.float32)
        squares += product(weighted.T, z)
        total += weighted.sum(0, dtype=np.float64)
        products += weighted.T.astype(np.float64) @ targets[some]
    w = weights[chosen]
    return _Sums(squares, total, products, float(w @ targets[chosen]), float(w.sum()))


def _precision(size: int, penalty: float) -> type[np.floating]:
    """Return float32, twice as fast, where the system is large and its penalty keeps it well conditioned."""
    return np.float32 if size > EXACT_ROWS and penalty >= _SAFE_PENALTY else np.float64


def _standardised_chunks(rows: Rows, chosen: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """Yield the chosen rows (numbers over all blocks, rising), standardised, in chunks."""
    begin = 0
    for block in rows.blocks:
        inside = chosen[(chosen >= begin) & (chosen < begin + len(block))] - begin
        begin += len(block)
        for start in range(0, len(inside), _CHUNK_ROWS):
            yield (block[inside[start : start + _CHUNK_ROWS]] - rows.mean) * rows.gain


def _primal(rows: Rows, targets: Values, weights: Values) -> _Primal:
    return _Primal(rows, targets, weights, _sums(rows, targets, weights, np.arange(len(targets))))


def _solve_primal(sums: _Sums, penalty: float) -> tuple[Values, float]:
    from scipy.linalg import cho_factor, cho_solve

    mean, target = sums.rows / sums.weight, sums.target / sums.weight
    system = (sums.squares / sums.weight - np.outer(mean, mean)).astype(_precision(len(mean), penalty))
    system[np.diag_indices_from(system)] += penalty
    factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    side = (sums.products / sums.weight - target * mean).astype(system.dtype)
    beta: Values = cho_solve(factor, side, check_finite=False).astype(np.float64)
    return beta, target - float(mean @ beta)
