"""Errors of predicted numbers against hand arithmetic and scikit-learn, and the range against its coverage."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from fovea.judge import judge_values, measure_values
from fovea.judge.regression import conformal_half_width


def test_figures_of_four_numbers_worked_out_by_hand() -> None:
    # errors 1, -1, 2, 0: mean size 1, mean square 1.5; the numbers' mean is 4, their squares about it 4 + 0 + 0 + 4
    found = measure_values(
        np.array([2.0, 4, 4, 6]), np.array([1.0, 5, 2, 6]), units=np.arange(4), baseline=(3.0, 5.0)
    )
    assert (found.n, found.mae, found.rmse) == (4, 1.0, pytest.approx(1.5**0.5))
    assert found.r2 == pytest.approx(1 - 6 / 8)
    assert found.baseline_mae == pytest.approx((1 + 1 + 1 + 3) / 4)
    assert found.baseline_rmse == pytest.approx(((9 + 1 + 1 + 1) / 4) ** 0.5)


def test_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(1e6, 3, 200)
    answers = values + rng.normal(0, 1, 200)
    found = measure_values(values, answers, units=np.arange(200), baseline=(0.0, 0.0))
    assert found.mae == pytest.approx(mean_absolute_error(values, answers))
    assert found.rmse == pytest.approx(root_mean_squared_error(values, answers))
    assert found.r2 == pytest.approx(r2_score(values, answers))


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_the_unit_does_not_matter_to_the_share_of_variance(unit: float) -> None:
    values, answers = np.array([2.0, 4, 4, 6]) * unit, np.array([1.0, 5, 2, 6]) * unit
    found = measure_values(values, answers, units=np.arange(4), baseline=(0.0, 0.0))
    assert found.r2 == pytest.approx(0.25)


def test_the_interval_of_the_mean_error_is_that_of_its_standard_error() -> None:
    errors = np.random.default_rng(1).normal(0, 2, 400)
    found = measure_values(errors, np.zeros(400), units=np.arange(400), baseline=(0.0, 0.0))
    half = 1.96 * np.abs(errors).std() / 20
    assert found.mae_interval == pytest.approx((found.mae - half, found.mae + half), abs=0.1 * half)


def test_copies_do_not_narrow_an_interval() -> None:
    values = np.random.default_rng(2).normal(0, 2, 50)
    once = measure_values(values, 0 * values, units=np.arange(50), baseline=(0.0, 0.0))
    often = measure_values(
        np.repeat(values, 9), np.zeros(450), units=np.repeat(np.arange(50), 9), baseline=(0.0, 0.0)
    )
    assert often.mae_interval == pytest.approx(once.mae_interval)
    assert often.r2_interval == pytest.approx(once.r2_interval)


def test_equal_numbers_have_no_share_of_variance() -> None:
    found = measure_values(np.full(5, 7.0), np.arange(5.0), units=np.arange(5), baseline=(7.0, 7.0))
    assert found.r2 is None
    assert found.r2_interval is None


def test_of_ninety_nine_errors_the_ninety_fifth_is_the_range() -> None:
    # rank ceil(100 x 0.95) = 95 of the sizes 1 to 99
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 100)) * np.where(np.arange(99) % 2, 1, -1)
    assert conformal_half_width(errors, np.arange(99)) == (95.0, 0.95, 99)


def test_of_too_few_errors_the_largest_is_the_range_and_its_coverage_is_said() -> None:
    assert conformal_half_width(np.array([3.0, -8, 1]), np.arange(3)) == (8.0, 0.75, 3)


def test_the_range_covers_new_pictures_as_often_as_stated() -> None:
    rng = np.random.default_rng(3)
    inside = []
    for seed in range(300):
        width, _, _ = conformal_half_width(rng.standard_t(3, 59), np.arange(59), seed=seed)
        inside.append(np.mean(np.abs(rng.standard_t(3, 400)) <= width))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.01)


def test_a_validation_part_is_only_measured() -> None:
    rng = np.random.default_rng(4)
    train, valid = rng.normal(0, 1, 99), rng.normal(0, 1, 50)
    found = judge_values(
        train_values=train,
        oof_answers=np.zeros(99),
        train_units=np.arange(99),
        valid_values=valid,
        valid_answers=np.zeros(50),
        valid_units=np.arange(50),
    )
    width = np.sort(np.abs(train))[94]
    assert (found.measured, found.half_width) == ("valid", width)
    assert found.covered is not None
    assert found.covered[:2] == (int((np.abs(valid) <= width).sum()), 50)
    assert found.worst[0] == int(np.abs(valid).argmax())


def test_without_a_validation_part_the_out_of_fold_numbers_are_measured() -> None:
    train = np.arange(30.0)
    found = judge_values(train_values=train, oof_answers=train + 2, train_units=np.arange(30))
    assert (found.measured, found.figures.mae, found.covered) == ("out-of-fold", 2.0, None)


def test_what_stands_in_the_training_part_too_is_left_out_of_the_second_figures() -> None:
    valid = np.array([0.0, 0, 9, 9])
    found = judge_values(
        train_values=np.arange(20.0),
        oof_answers=np.arange(20.0),
        train_units=np.arange(20),
        valid_values=valid,
        valid_answers=np.zeros(4),
        valid_units=np.arange(4),
        leaked=np.array([True, True, False, False]),
    )
    assert found.without_leaks is not None
    assert (found.n_leaked, found.figures.mae, found.without_leaks.mae) == (2, 4.5, 9.0)


def test_a_network_without_out_of_fold_numbers_takes_its_range_from_the_validation_part() -> None:
    valid = np.arange(1.0, 100)
    found = judge_values(
        train_values=np.arange(20.0),
        oof_answers=None,
        train_units=np.arange(20),
        valid_values=valid,
        valid_answers=np.zeros(99),
        valid_units=np.arange(99),
    )
    assert (found.half_width, found.covered) == (95.0, None)
