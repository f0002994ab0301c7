"""Figures of several labels against hand arithmetic and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from fovea.judge import measure_labels
from fovea.judge.multilabel import LabelsFigures, average_precision, commonest_set

HAS = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], bool)
ANSWERS = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], bool)


def measured(has: np.ndarray, answers: np.ndarray, p: np.ndarray | None = None) -> LabelsFigures:
    return measure_labels(
        has,
        answers,
        probabilities=answers * 0.8 + 0.1 if p is None else p,
        names=("a", "b"),
        commonest=np.array([True, False]),
        units=np.arange(len(has)),
    )


def test_figures_of_four_pictures_worked_out_by_hand() -> None:
    found = measured(HAS, ANSWERS)
    assert (found.n, found.all_right, found.baseline_all_right) == (4, 0.5, 0.25)
    assert found.baseline_labels == ("a",)
    assert found.micro_f1 == pytest.approx(2 * 3 / (4 + 4))
    assert found.baseline_micro_f1 == pytest.approx(2 * 2 / (4 + 4))
    a, b = found.per_label
    assert (a.n, a.n_answered, a.n_right, a.precision, a.recall) == (2, 3, 2, pytest.approx(2 / 3), 1.0)
    assert (b.precision, b.recall, b.share) == (1.0, 0.5, 0.5)


def test_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    has, p = rng.random((300, 2)) < 0.3, rng.random((300, 2)).round(2)
    found = measured(has, p >= 0.5, p)
    assert found.micro_f1 == pytest.approx(f1_score(has, p >= 0.5, average="micro"))
    assert found.macro_f1 == pytest.approx(f1_score(has, p >= 0.5, average="macro"))
    assert found.mean_average_precision == pytest.approx(average_precision_score(has, p))


def test_average_precision_of_counted_pictures_is_scikit_learns_with_weights() -> None:
    rng = np.random.default_rng(1)
    has, p = rng.random(100) < 0.2, rng.random(100).round(1)
    counts = rng.integers(0, 4, (3, 100)).astype(float)
    expected = [average_precision_score(has, p, sample_weight=row) for row in counts]
    np.testing.assert_allclose(average_precision(has, p, counts), expected)


def test_a_label_that_no_picture_has_is_told_as_unknown() -> None:
    found = measured(np.zeros((3, 2), bool), np.zeros((3, 2), bool))
    assert found.per_label[0].recall is None
    assert found.per_label[0].average_precision is None
    assert found.mean_average_precision is None
    assert (found.micro_f1, found.all_right) == (None, 1.0)


def test_the_commonest_set_may_be_none_of_the_labels() -> None:
    has = np.array([[0, 0], [1, 0], [0, 0], [1, 1]], bool)
    assert commonest_set(has).tolist() == [False, False]


def test_the_json_form_holds_plain_values_by_label() -> None:
    plain = measured(HAS, ANSWERS).to_json()
    assert plain["per_label"]["b"]["recall"] == 0.5
    assert plain["baseline_labels"] == ["a"]
