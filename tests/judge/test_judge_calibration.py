"""Calibration: against scipy's minimiser, closed forms and hand arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import softmax as scipy_softmax

from fovea.judge.calibration import (
    cross_fitted,
    ece_floor,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    softmax,
)
from fovea.judge.intervals import wilson_interval
from fovea.judge.metrics import log_loss


def draw(n=500, k=4, *, sharpness=1.0, seed=0):
    """Return logits, and labels drawn from softmax(logits / sharpness): the right temperature is `sharpness`."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 2
    labels = (softmax(z).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=k - 1)
    return z * sharpness, labels


def test_softmax_is_scipys_for_any_size_of_logits():
    z = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32) * 1e4
    np.testing.assert_allclose(softmax(z, 3.0), scipy_softmax(z.astype(np.float64) / 3, axis=1), atol=1e-12)


@given(st.integers(0, 50), st.floats(0.2, 5))
def test_the_temperature_is_scipys_minimiser_of_log_loss(seed, sharpness):
    z, labels = draw(200, sharpness=sharpness, seed=seed)
    expected = minimize_scalar(
        lambda beta: log_loss(labels, softmax(z * beta)), bounds=(0.05, 20), options={"xatol": 1e-9}
    )
    assert 1 / fit_temperature(z, labels) == pytest.approx(expected.x, rel=1e-4)


def test_the_temperature_undoes_a_known_sharpness():
    assert fit_temperature(*draw(20_000, sharpness=2.5)) == pytest.approx(2.5, rel=0.03)


def test_the_temperature_of_two_classes_with_one_margin_is_the_closed_form():
    # every margin is 2, 3 of 4 are right: softmax = 3 / 4 where 2 / T = ln 3
    z, labels = np.tile([2.0, 0.0], (4, 1)), np.array([0, 0, 0, 1])
    assert fit_temperature(z, labels) == pytest.approx(2 / np.log(3))


def test_logits_that_are_always_right_stop_at_the_sharpest_temperature():
    assert fit_temperature(np.eye(3) * 5, np.arange(3)) == pytest.approx(0.05)


def test_logits_that_are_always_wrong_stop_at_the_flattest_temperature():
    assert fit_temperature(np.eye(3) * 5, np.array([1, 2, 0])) == pytest.approx(20)


def test_logits_that_say_nothing_keep_temperature_one():
    assert fit_temperature(np.zeros((3, 2)), np.array([0, 1, 0])) == 1.0


def test_each_part_is_scaled_by_the_temperature_of_the_others():
    z, labels = draw(300, sharpness=3)
    parts = np.arange(300) % 3
    fair = cross_fitted(z, labels, parts=parts)
    others = parts != 1
    np.testing.assert_allclose(fair[~others], softmax(z[~others], fit_temperature(z[others], labels[others])))


def test_a_single_part_is_not_scaled():
    z, labels = draw(10)
    np.testing.assert_allclose(cross_fitted(z, labels, parts=np.zeros(10, int)), softmax(z))


def test_a_pictures_label_does_not_move_its_own_probabilities():
    z, labels = draw(60, sharpness=3)
    parts = np.arange(60) % 3
    before = cross_fitted(z, labels, parts=parts)
    changed = labels.copy()
    changed[0] = (changed[0] + 1) % 4
    np.testing.assert_array_equal(cross_fitted(z, changed, parts=parts)[parts == 0], before[parts == 0])


def test_calibration_error_by_hand():
    # bins of 1/15: 0.62 and 0.65 share (0.6, 0.667], 0.95 is alone: |1 - 1.27| / 3 + |1 - 0.95| / 3
    top, correct = np.array([0.62, 0.65, 0.95]), np.array([True, False, True])
    assert expected_calibration_error(top, correct) == pytest.approx((0.27 + 0.05) / 3)


def test_a_probability_on_the_edge_falls_into_the_lower_bin():
    top = np.array([3 / 15, 3 / 15 + 1e-9, 1.0, 0.0])
    bins = reliability_bins(top, np.ones(4, bool))
    assert [b.n for b in bins] == [1, 0, 1, 1] + [0] * 10 + [1]


def test_reliability_bins_carry_counts_means_and_wilsons_interval():
    top, correct = np.array([0.61, 0.65, 0.95]), np.array([True, False, True])
    bins = reliability_bins(top, correct)
    assert (bins[9].n, bins[9].accuracy, bins[9].mean_probability) == (2, 0.5, pytest.approx(0.63))
    assert bins[9].accuracy_interval == wilson_interval(1, 2)
    assert (bins[0].n, bins[0].accuracy, bins[0].mean_probability) == (0, None, None)


def test_the_bins_make_up_the_calibration_error():
    rng = np.random.default_rng(1)
    top = rng.uniform(0.3, 1, 500)
    correct = rng.random(500) < top**2
    bins = [b for b in reliability_bins(top, correct) if b.n]
    total = sum(b.n * abs(b.accuracy - b.mean_probability) for b in bins) / 500
    assert expected_calibration_error(top, correct) == pytest.approx(total)


def test_the_floor_of_one_bin_is_the_binomials_mean_deviation():
    # E|Bin(n, p) - np| is 2 n p q C(n - 1, m) p^m q^(n - 1 - m), m = floor(n p) = 9 (de Moivre)
    n, p = 10, 0.9
    expected = 2 * n * p * (1 - p) * 1 * p**9 / n
    assert ece_floor(np.full(n, p), seed=0) == pytest.approx(expected, rel=0.1)


def test_the_floor_is_the_mean_error_of_perfectly_calibrated_draws():
    rng = np.random.default_rng(2)
    top = rng.beta(8, 2, 800)
    drawn = [expected_calibration_error(top, rng.random(800) < top) for _ in range(300)]
    assert ece_floor(top, seed=0) == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / np.sqrt(300))


def test_the_floor_falls_with_the_square_root_of_the_pictures():
    top = np.random.default_rng(3).uniform(0.2, 1, 4000)
    assert ece_floor(top, seed=0) == pytest.approx(ece_floor(top[:1000], seed=0) / 2, rel=0.1)


def test_the_floor_is_the_same_for_the_same_seed():
    top = np.random.default_rng(3).uniform(0.2, 1, 50)
    assert ece_floor(top, seed=5) == ece_floor(top, seed=5) != ece_floor(top, seed=6)
