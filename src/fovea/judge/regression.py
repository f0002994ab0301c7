"""The verdict on predicted numbers: errors with intervals beside the simplest answer, and how far to trust each number.

As for classes, what is learned of the errors comes from out-of-fold predictions of the training part; the validation part
is only measured, and without one the out-of-fold predictions are.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Mask, Numbers
from fovea.judge.intervals import clopper_pearson
from fovea.judge.resample import Interval, resampled_interval

COVERAGE = 0.95
"""Of the ranges told: so many of them hold the true number."""

Values: TypeAlias = NDArray[np.floating[Any]]
"""(n,): a number a picture, in the user's unit."""


@dataclass(frozen=True, slots=True)
class ValueFigures:
    """Errors of n predicted numbers in the user's unit, with 95 % intervals over resampled units (None: too few).

    `mae`: mean size of the error; `rmse`: root of the mean square, which large errors dominate; `r2`: share of the
    variance explained, 1 is best, 0 is what always answering these pictures' own mean reaches (None: all are equal).
    `baseline_mae`: always answering `baseline_value`, the median of the training part; `baseline_rmse`: its mean.
    """

    n: int
    mae: float
    mae_interval: Interval | None
    rmse: float
    rmse_interval: Interval | None
    r2: float | None
    r2_interval: Interval | None
    baseline_value: float
    baseline_mae: float
    baseline_rmse: float

    def to_json(self) -> dict[str, Any]:
        """Return the figures under the names of metrics.json."""
        plain = asdict(self)
        for name in ("mae_interval", "rmse_interval", "r2_interval"):
            plain[name] = None if plain[name] is None else list(plain[name])
        return plain


@dataclass(frozen=True, slots=True)
class ValueVerdict:
    """Everything judged of predicted numbers.

    `half_width`: a prediction plus or minus that holds the true number in a share `coverage` of pictures drawn like those
    of training (split conformal, on one out-of-fold error a unit: Vovk, Gammerman and Shafer 2005); with fewer than 19
    units the largest error, and what that covers. `covered`: of the validation pictures inside, all, and the exact
    interval of the share. `spread`: the training numbers' deviation; `lowest`, `highest`: their range. `worst`: the
    measured pictures by error, the largest first.
    """

    measured: str
    n_train: int
    figures: ValueFigures
    without_leaks: ValueFigures | None
    n_leaked: int
    coverage: float
    half_width: float
    n_calibration: int
    covered: tuple[int, int, Interval] | None
    spread: float
    lowest: float
    highest: float
    worst: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures under the names of metrics.json."""
        figures = self.figures.to_json()
        out: dict[str, Any] = {"target": "regression", "n_measured": figures.pop("n"), **figures}
        out |= {name: getattr(self, name) for name in ("measured", "n_leaked", "coverage", "half_width")}
        out |= {name: getattr(self, name) for name in ("n_calibration", "spread", "lowest", "highest")}
        if self.covered is not None:
            n_inside, n, interval = self.covered
            out["coverage_kept"] = {"n": n, "n_inside": n_inside, "interval": list(interval)}
        out["without_leaks"] = None if self.without_leaks is None else self.without_leaks.to_json()
        return out


def judge_values(
    *,
    train_values: Values,
    oof_answers: Values | None,
    train_units: Numbers,
    valid_values: Values | None = None,
    valid_answers: Values | None = None,
    valid_units: Numbers | None = None,
    leaked: Mask | None = None,
    seed: int = 0,
) -> ValueVerdict:
    """Judge predicted numbers by out-of-fold predictions and, where there is one, a validation part.

    Args:
        train_values: (n,) true numbers of the training part.
        oof_answers: (n,) predicted by a model that had not seen the picture's fold; None where there is none (a network
            that was trained): the validation part then tells the range too, and nothing checks it.
        train_units: int (n,), copies and groups, which are not independent.
        valid_values: (m,) true numbers of the validation part; None: cross-validated only.
        valid_answers: (m,) predicted by the saved model.
        valid_units: int (m,).
        leaked: bool (m,), validation pictures that (nearly) stand in the training part too.
        seed: of what is drawn: one picture a unit, and resampled units.
    """
    baseline = (float(np.median(train_values)), float(np.mean(train_values)))
    values, answers, units = train_values, oof_answers, train_units
    held_out = valid_values is not None and valid_answers is not None and valid_units is not None
    if valid_values is not None and valid_answers is not None and valid_units is not None:
        values, answers, units = valid_values, valid_answers, valid_units
    if answers is None:
        raise ValueError("neither out-of-fold nor validation predictions were given")
    told_by = (values - answers, units) if oof_answers is None else (train_values - oof_answers, train_units)
    width, coverage, n_calibration = conformal_half_width(told_by[0], told_by[1], seed=seed)
    leaked = np.zeros(len(values), np.bool_) if leaked is None or not held_out else leaked
    fresh = ~leaked
    inside = int((np.abs(values - answers) <= width).sum())
    return ValueVerdict(
        measured="valid" if held_out else "out-of-fold",
        n_train=len(train_values),
        figures=measure_values(values, answers, units=units, baseline=baseline, seed=seed),
        without_leaks=measure_values(
            values[fresh], answers[fresh], units=units[fresh], baseline=baseline, seed=seed
        )
        if leaked.any() and fresh.any()
        else None,
        n_leaked=int(leaked.sum()),
        coverage=coverage,
        half_width=width,
        n_calibration=n_calibration,
        covered=(inside, len(values), clopper_pearson(inside, len(values)))
        if held_out and oof_answers is not None
        else None,
        spread=float(np.std(train_values)),
        lowest=float(np.min(train_values)),
        highest=float(np.max(train_values)),
        worst=tuple(np.argsort(-np.abs(values - answers), kind="stable").tolist()),
    )


def measure_values(
    values: Values, answers: Values, *, units: Numbers, baseline: Sequence[float], seed: int = 0
) -> ValueFigures:
    """Compute every figure of n predicted numbers, n from 1.

    `values` (n,) are true, `answers` (n,) predicted, `units` (n,) are resampled together; `baseline` holds the median and
    the mean of the training part.
    """
    values, missed = np.asarray(values, np.float64), np.asarray(values - answers, np.float64)
    squares, median_value, mean_value = np.square(missed), baseline[0], baseline[1]
    centred = values - values.mean()  # or the variance would be a small difference of large sums

    def explained(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        n = counts.sum(1)
        total = counts @ np.square(centred) - np.square(counts @ centred) / n
        missing = np.full(len(n), np.nan)
        share: NDArray[np.float64] = 1 - np.divide(
            counts @ squares, total, out=missing, where=total > 1e-14 * (counts @ np.square(values))
        )
        return share

    once = np.ones((1, len(values)))
    r2 = float(explained(once)[0])
    return ValueFigures(
        n=len(values),
        mae=float(np.abs(missed).mean()),
        mae_interval=resampled_interval(
            lambda counts: counts @ np.abs(missed) / counts.sum(1), units=units, seed=seed
        ),
        rmse=float(np.sqrt(squares.mean())),
        rmse_interval=resampled_interval(
            lambda counts: np.sqrt(counts @ squares / counts.sum(1)), units=units, seed=seed
        ),
        r2=r2 if np.isfinite(r2) else None,
        r2_interval=resampled_interval(explained, units=units, seed=seed) if np.isfinite(r2) else None,
        baseline_value=median_value,
        baseline_mae=float(np.abs(values - median_value).mean()),
        baseline_rmse=float(np.sqrt(np.square(values - mean_value).mean())),
    )


def conformal_half_width(errors: Values, units: Numbers, *, seed: int = 0) -> tuple[float, float, int]:
    """Return what a further error exceeds in at most 5 % of cases, the share that it does cover, and how many errors told.

    One error of each unit, drawn by `seed`, is looked at. Of too few the largest is taken: of n it covers n / (n + 1).
    """
    shuffled = np.random.default_rng(seed).permutation(len(errors))
    one_each = shuffled[np.unique(units[shuffled], return_index=True)[1]]
    sizes = np.sort(np.abs(np.asarray(errors, np.float64)[one_each]))
    n = len(sizes)
    rank = int(np.ceil((n + 1) * COVERAGE - 1e-9))
    if rank <= n:
        return float(sizes[rank - 1]), COVERAGE, n
    return float(sizes[-1]), n / (n + 1), n
