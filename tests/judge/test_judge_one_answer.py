"""What one answer to every picture would lose: by hand, and by the losses that trainings use."""

import math

import numpy as np
import pytest

from fovea.judge.one_answer import OneAnswer, mean_answer, usual_answer


def test_the_mean_of_the_training_numbers_is_answered_on_both_sides() -> None:
    told = mean_answer(np.float32([[0.0], [2.0]]), np.float32([[1.0], [4.0]]))
    assert (told.train, told.valid, told.least) == (1.0, 4.5, 0.0)  # the mean is 1


def test_a_label_on_half_of_the_pictures_costs_a_bit() -> None:
    told = usual_answer(np.float32([[0], [1]]), np.float32([[1], [1]]))
    assert (told.train, told.valid) == (pytest.approx(math.log(2)), pytest.approx(math.log(2)))
    assert told.gone_of_valid(math.log(2) / 4) == pytest.approx(0.75)


def test_smoothed_labels_cost_what_torch_says() -> None:
    torch = pytest.importorskip("torch")
    from fovea.learn.training.losses import usual_criterion

    train = (np.random.default_rng(0).random((400, 3)) < [0.05, 0.3, 0.9]).astype(np.float32)
    criterion, y = usual_criterion("labels", smoothing=0.1), torch.from_numpy(train)
    told = usual_answer(train, train, smoothing=0.1)
    shares = y.mean(0) * 0.9 + 0.05
    constant = criterion(torch.logit(shares).expand(400, 3), y).mean()
    assert told.train == pytest.approx(float(constant), rel=1e-5)
    best = criterion(torch.logit(y * 0.9 + 0.05), y).mean()
    assert told.least == pytest.approx(float(best), rel=1e-5)
    assert told.gone_of_train(float(best)) == pytest.approx(1.0, abs=1e-4)


def test_a_label_that_no_training_picture_has_costs_no_infinity() -> None:
    assert math.isfinite(usual_answer(np.float32([[0], [0]]), np.float32([[1], [0]])).valid)


def test_of_a_loss_that_is_none_nothing_can_be_gone() -> None:
    assert OneAnswer("the mean", 0.0, 0.0).gone_of_train(0.1) is None
