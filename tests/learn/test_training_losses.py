"""Losses of each picture by hand."""

import math

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.training.losses import right_answers, usual_criterion

OUTPUTS = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])


def test_classes_pay_the_log_of_their_share() -> None:
    losses = usual_criterion("class")(OUTPUTS, torch.tensor([1, 0]))
    assert losses.tolist() == pytest.approx([math.log(2), math.log(4 / 3)])


def test_smoothing_moves_labels_to_all_classes() -> None:
    (loss,) = usual_criterion("class", smoothing=0.2)(OUTPUTS[1:], torch.tensor([0]))
    assert float(loss) == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4))


def test_values_pay_the_square_of_the_difference() -> None:
    assert usual_criterion("values")(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 5.0])).tolist() == [
        1.0,
        4.0,
    ]


def test_several_labels_pay_each_their_own() -> None:
    (loss,) = usual_criterion("labels")(torch.tensor([[0.0, math.log(3)]]), torch.tensor([[1.0, 0.0]]))
    assert float(loss) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_right_answers_count_classes_and_shares_of_labels() -> None:
    assert right_answers(OUTPUTS, torch.tensor([0, 1]), kind="class").tolist() == [1.0, 0.0]
    shares = right_answers(torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0, 1.0]]), kind="labels")
    assert shares.tolist() == [0.5]


def test_soft_labels_are_right_where_they_are_highest() -> None:
    assert right_answers(OUTPUTS, torch.tensor([[0.6, 0.4], [0.4, 0.6]]), kind="class").tolist() == [1.0, 0.0]
