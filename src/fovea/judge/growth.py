"""How accuracy grows with labels: a curve through measured accuracies, and what more labels would bring, with an interval.

The error on n pictures is taken for floor + scale * n ** -power, an inverse power law with an asymptote, fitted by weighted
least squares (Figueroa et al. 2012, "Predicting sample size required for classification performance"; Cortes et al. 1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.intervals import Interval, wilson_interval

POWERS = np.geomspace(0.1, 2.0, 25)  # learning curves fall with powers of 0.2 to 1 (Hestness 2017)
N_RESAMPLED = 400
WORTH = 0.01
"""Of accuracy: where twice as many labels bring surely less than this, more hardly pay."""
FEW_WRONG = 5
"""Wrong answers below which resampling does not see how many there could have been."""
_BLOCK = 50  # resamplings at once


@dataclass(frozen=True, slots=True)
class Growth:
    """The error on n pictures is `floor` + `scale` * n ** -`power`; floor and scale are 0 upwards."""

    floor: float
    scale: float
    power: float

    def accuracy(self, n: float) -> float:
        """Return the accuracy with n pictures, at most 1."""
        return float(1 - self.floor - self.scale * n**-self.power)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What `n_more` pictures would reach beside the `n` that there are: accuracies in [0, 1] and 95 % intervals.

    `gain_interval` is of the difference, which is surer than either: both are judged on the same pictures.
    """

    n: int
    n_more: int
    accuracy: float
    interval: Interval
    gain: float
    gain_interval: Interval

    @property
    def verdict(self) -> str:
        """Return "pays", "hardly pays" (surely less than a point) or "uncertain"."""
        if self.gain_interval[1] < WORTH:
            return "hardly pays"
        return "pays" if self.gain >= WORTH and self.gain_interval[0] > 0 else "uncertain"


@dataclass(frozen=True, slots=True)
class Learning:
    """A learning curve: for each of the sizes the mean accuracy and its 95 % interval, the law through them, a forecast."""

    sizes: tuple[int, ...]
    accuracies: tuple[float, ...]
    intervals: tuple[Interval, ...]
    growth: Growth
    forecast: Forecast


def fit_growth(sizes: Sequence[int], errors: Sequence[float]) -> Growth:
    """Return the law that fits best; a size weighs as much as it has pictures, for the large ones tell most of what comes.

    Args:
        sizes: pictures learned from, from 1; two or more different ones.
        errors: shares of wrong answers, in [0, 1].

    Raises ValueError for fewer than two different sizes, through which any law goes.
    """
    if len(set(sizes)) < 2:
        raise ValueError(f"a law needs two different sizes or more, not {list(sizes)}")
    floor, scale, power = _fit(np.asarray(sizes, np.float64), np.asarray([errors], np.float64))
    return Growth(float(floor[0]), float(scale[0]), float(power[0]))


def learning_curve(
    right: NDArray[np.floating],
    *,
    sizes: Sequence[int],
    n_now: int,
    n_then: int,
    units: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Learning:
    """Return the accuracies at all sizes, the law through them, and what it says of `n_then` pictures against `n_now`.

    Intervals come from resampling the units of the judged pictures and, where several judge the same ones, the subsets (the
    repeats), together at all sizes, and fitting the law anew each time (Efron's bootstrap, 1979). They are no narrower than
    Wilson's of as many units as judged that size (the forecast: the largest one): where all are right, resampling finds no
    doubt. For the same reason the gain may be as large as half of Wilson's largest error where fewer than five are wrong: an
    error that falls as 1 / n is halved by twice as many. They say nothing of a law that does not hold.

    Args:
        right: float (s, r, m): 1 where a picture was answered right by the head of a size and repeat, 0 where wrong, nan where
            it was not judged. A size and repeat without any judged picture does not count; repeat 0 has them all.
        sizes: the s sizes, rising, two or more.
        n_now: pictures there are.
        n_then: pictures to look ahead to.
        units: (m,) pictures of one number are copies or a group, which say the same; None: each is one of its own.
        seed: of the resampling.
    """
    at = np.asarray(sizes, np.float64)
    unit_of = np.arange(right.shape[2]) if units is None else np.unique(units, return_inverse=True)[1]
    n_units = [len(np.unique(unit_of[is_judged])) for is_judged in ~np.isnan(right).all(axis=1)]
    measured = 1 - _means(right, pictures=np.ones((1, right.shape[2])), repeats=np.ones((1, right.shape[1])))
    growth = fit_growth(sizes, measured[0].tolist())
    errors = 1 - _resample(right, unit_of=unit_of, seed=seed)
    floors, scales, powers = _fit(at, errors)
    now, then = (1 - floors - scales * n**-powers for n in (float(n_now), float(n_then)))
    ends = np.quantile(1 - errors, (0.025, 0.975), axis=0)
    forecast = Forecast(
        n=n_now,
        n_more=n_then - n_now,
        accuracy=growth.accuracy(n_then),
        interval=_at_least_wilson(growth.accuracy(n_then), _ends(then), m=n_units[-1]),
        gain=growth.accuracy(n_then) - growth.accuracy(n_now),
        gain_interval=_with_unseen(_ends(then - now), error=float(measured[0][-1]), m=n_units[-1]),
    )
    return Learning(
        tuple(sizes),
        tuple((1 - measured[0]).tolist()),
        tuple(
            _at_least_wilson(float(share), (float(low), float(high)), m=m)
            for share, (low, high), m in zip(1 - measured[0], ends.T, n_units, strict=True)
        ),
        growth,
        forecast,
    )


def _at_least_wilson(share: float, interval: Interval, *, m: int) -> Interval:
    low, high = wilson_interval(share * m, m)
    return min(low, interval[0]), max(high, interval[1])


def _with_unseen(gain: Interval, *, error: float, m: int) -> Interval:
    """Return the interval of a gain with what errors could bring that none of m pictures, or too few, have shown."""
    if error * m >= FEW_WRONG:
        return gain
    most = 1 - wilson_interval((1 - error) * m, m)[0]
    return gain[0], max(gain[1], most / 2)


def _ends(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def _resample(right: NDArray[np.floating], *, unit_of: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return accuracies float (b, s) of resampled units of pictures (m,) and repeats."""
    r, n_units = right.shape[1], int(unit_of.max()) + 1
    rng = np.random.default_rng(seed)
    is_shared = bool(
        ((~np.isnan(right)).sum(axis=1) > 1).any()
    )  # else each picture brings its own repeat with it
    found = []
    for _ in range(0, N_RESAMPLED, _BLOCK):
        drawn = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=_BLOCK)
        pictures = drawn[:, unit_of].astype(np.float64)
        repeats = rng.multinomial(r, np.full(r, 1 / r), size=_BLOCK) if is_shared else np.ones((_BLOCK, r))
        found.append(_means(right, pictures=pictures, repeats=repeats))
    return np.concatenate(found)


def _means(
    right: NDArray[np.floating], *, pictures: NDArray[np.float64], repeats: NDArray[np.floating | np.integer]
) -> NDArray[np.float64]:
    """Return the accuracy (b, s) by weights of pictures (b, m) and repeats (b, r), of what was judged."""
    s, r, m = right.shape
    judged = ~np.isnan(right)
    flat = np.where(judged, right, 0).reshape(s * r, m).T
    n_right = (pictures @ flat).reshape(-1, s, r)
    n_judged = (pictures @ judged.reshape(s * r, m).T.astype(np.float64)).reshape(-1, s, r)
    # A size whose own repeats were not drawn counts with all of them.
    weights = repeats[:, None, :] * (n_judged > 0)
    weights = np.where(weights.sum(2, keepdims=True) > 0, weights, n_judged > 0)
    total = np.maximum((weights * n_judged).sum(2), 1e-12)
    means: NDArray[np.float64] = (weights * n_right).sum(2) / total
    return means


def _fit(
    sizes: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return floor, scale and power, each (b,), of the errors (b, s): for each power, least squares with both parts >= 0."""
    w = sizes / sizes.sum()
    best = np.full(len(errors), np.inf)
    floor, scale, power = (np.zeros(len(errors)) for _ in range(3))
    for one in POWERS:
        x = sizes**-one
        mean_x, mean_y = w @ x, errors @ w
        slope = np.maximum((errors - mean_y[:, None]) @ (w * (x - mean_x)) / (w @ (x - mean_x) ** 2), 0)
        start = mean_y - slope * mean_x
        below = start < 0  # then the floor is 0
        slope = np.where(below, errors @ (w * x) / (w @ x**2), slope)
        start = np.where(below, 0, start)
        loss = (errors - start[:, None] - slope[:, None] * x) ** 2 @ w
        better = loss < best
        best = np.where(better, loss, best)
        floor, scale = np.where(better, start, floor), np.where(better, slope, scale)
        power = np.where(better, one, power)
    return floor, scale, power
