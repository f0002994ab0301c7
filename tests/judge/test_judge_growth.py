"""Learning curves: the law is found again where it holds, and what is expected of twice the labels has an honest interval."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from fovea.judge import Forecast, Growth, fit_growth, learning_curve, wilson_interval

SIZES = (20, 40, 80, 160, 320)


def answers(accuracies: list[float], *, m: int, seed: int = 0, repeats: int = 5) -> NDArray[np.float32]:
    """Return answers (s, r, m) to the same m pictures, each right where its ease is below the accuracy."""
    ease = np.random.default_rng(seed).random(m)
    noise = np.random.default_rng(seed + 1).normal(0, 0.02, (len(accuracies), repeats, 1))
    return (ease < np.array(accuracies)[:, None, None] + noise).astype(np.float32)


@pytest.mark.parametrize(("floor", "scale", "power"), [(0.05, 1.0, 0.5), (0.0, 0.8, 0.3), (0.1, 4.0, 1.0)])
def test_a_law_is_found_again(floor: float, scale: float, power: float) -> None:
    growth = fit_growth(SIZES, [floor + scale * n**-power for n in SIZES])
    assert growth.accuracy(640) == pytest.approx(1 - floor - scale * 640**-power, abs=0.004)


def test_the_fit_is_the_weighted_least_squares_of_scipy() -> None:
    errors = [0.42, 0.30, 0.24, 0.17, 0.15]
    found = fit_growth(SIZES, errors)

    def law(n: NDArray[np.float64], floor: float, scale: float) -> NDArray[np.float64]:
        return floor + scale * n**-found.power

    (floor, scale), _ = curve_fit(law, np.array(SIZES, float), errors, sigma=np.array(SIZES, float) ** -0.5)
    assert (found.floor, found.scale) == pytest.approx((floor, scale), rel=1e-4)


def test_errors_that_rise_make_a_flat_law_and_not_one_that_falls_forever() -> None:
    growth = fit_growth(SIZES, [0.10, 0.11, 0.12, 0.13, 0.14])
    assert growth.scale == 0
    assert growth.accuracy(10_000) == growth.accuracy(20)


def test_the_floor_is_never_below_zero() -> None:
    growth = fit_growth(SIZES, [0.8, 0.4, 0.2, 0.05, 0.0])
    assert growth == Growth(0.0, growth.scale, growth.power)


def test_accuracies_are_the_means_of_what_was_judged() -> None:
    right = np.full((3, 2, 4), np.nan, np.float32)
    right[:, 0, :2] = [[0, 0], [1, 0], [1, 1]]
    right[:, 1, 2:] = [[0, 0], [0, 1], [1, 1]]
    curve = learning_curve(right, sizes=(5, 10, 20), n_now=20, n_then=40)
    assert curve.accuracies == (0, 0.5, 1)


def test_folds_are_no_repeats_an_interval_is_as_wide_as_its_pictures_make_it() -> None:
    right = answers([0.6, 0.7, 0.77, 0.82, 0.85], m=400, repeats=1)
    folds = np.full((5, 4, 400), np.nan, np.float32)
    for fold in range(4):
        folds[:, fold, fold::4] = right[:, 0, fold::4]
    low, high = learning_curve(folds, sizes=SIZES, n_now=320, n_then=640).intervals[-1]
    share = right[-1].mean()
    assert high - low == pytest.approx(2 * 1.96 * (share * (1 - share) / 400) ** 0.5, rel=0.15)


def test_pictures_of_one_group_count_once_in_the_interval() -> None:
    right = np.repeat(
        answers([0.6, 0.7, 0.77, 0.82, 0.85], m=100, repeats=1), 9, axis=2
    )  # shots of 100 scenes
    scenes = np.repeat(np.arange(100), 9)
    alone, together = (
        learning_curve(right, sizes=SIZES, n_now=320, n_then=640, units=units) for units in (None, scenes)
    )
    assert together.accuracies == alone.accuracies
    for narrow, wide in zip(alone.intervals, together.intervals, strict=True):
        assert np.ptp(wide) == pytest.approx(3 * np.ptp(narrow), rel=0.25)  # of a ninth as many


def test_where_all_are_right_the_interval_is_wilsons() -> None:
    curve = learning_curve(np.ones((3, 2, 40), np.float32), sizes=(5, 10, 20), n_now=20, n_then=40)
    assert curve.intervals == (wilson_interval(40, 40),) * 3
    assert curve.forecast.interval == wilson_interval(40, 40)


@pytest.mark.parametrize(
    ("n_wrong", "m", "verdict"), [(0, 40, "uncertain"), (1, 40, "uncertain"), (0, 1000, "hardly pays")]
)
def test_that_more_hardly_pays_is_not_said_by_few_pictures_without_a_mistake(
    n_wrong: int, m: int, verdict: str
) -> None:
    right = np.ones((3, 2, m), np.float32)
    right[:, :, :n_wrong] = 0
    ahead = learning_curve(right, sizes=(5, 10, 20), n_now=20, n_then=40).forecast
    most_wrong = 1 - wilson_interval(m - n_wrong, m)[0]
    assert (ahead.gain_interval[1], ahead.verdict) == (pytest.approx(most_wrong / 2), verdict)


def test_an_interval_is_as_wide_as_those_that_judged_its_size_make_it() -> None:
    right = np.ones((3, 2, 40), np.float32)
    right[2, :, 16:] = np.nan  # the largest size was asked of 16 alone
    curve = learning_curve(right, sizes=(5, 10, 20), n_now=20, n_then=40)
    assert curve.intervals == (wilson_interval(40, 40), wilson_interval(40, 40), wilson_interval(16, 16))
    assert curve.forecast.interval == wilson_interval(16, 16)


def test_no_law_goes_through_one_size() -> None:
    with pytest.raises(ValueError, match=r"^a law needs two different sizes or more, not \[32\]$"):
        fit_growth([32], [0.1])


def test_the_same_seed_gives_the_same_curve() -> None:
    right = answers([0.6, 0.7, 0.77, 0.82, 0.85], m=150)
    curves = [learning_curve(right, sizes=SIZES, n_now=320, n_then=640, seed=3) for _ in range(2)]
    assert curves[0] == curves[1]


def test_the_gain_is_surer_than_the_accuracy() -> None:
    right = answers([0.6, 0.7, 0.77, 0.82, 0.85], m=150)
    ahead = learning_curve(right, sizes=SIZES, n_now=320, n_then=640).forecast
    assert np.ptp(ahead.gain_interval) < np.ptp(ahead.interval)
    assert ahead.gain_interval[0] <= ahead.gain <= ahead.gain_interval[1]


def test_intervals_of_laws_that_hold_cover_the_truth() -> None:
    law = Growth(0.08, 1.2, 0.5)
    truth, n_covered = law.accuracy(640), 0
    for seed in range(20):
        right = answers([law.accuracy(n) for n in SIZES], m=300, seed=seed)
        low, high = learning_curve(right, sizes=SIZES, n_now=320, n_then=640, seed=seed).forecast.interval
        n_covered += low <= truth <= high
    assert n_covered >= 16  # of 20 expected 19; fewer than 16 by chance once in 400


@pytest.mark.parametrize(
    ("gain", "interval", "verdict"),
    [
        (0.02, (0.01, 0.03), "pays"),
        (0.002, (-0.001, 0.009), "hardly pays"),
        (0.02, (-0.01, 0.05), "uncertain"),
        (0.005, (0.001, 0.02), "uncertain"),
    ],
)
def test_the_verdict_weighs_the_gain_and_its_interval(
    gain: float, interval: tuple[float, float], verdict: str
) -> None:
    assert Forecast(100, 100, 0.9, (0.8, 0.95), gain, interval).verdict == verdict
