"""Figures: against scikit-learn's and hand arithmetic."""

import numpy as np
import pytest
from sklearn import metrics as sk

from fovea.judge.metrics import count_confusion, log_loss, measure, top_accuracy


@pytest.fixture(scope="module")
def answers():
    rng = np.random.default_rng(4)
    labels = rng.choice(7, 400, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05])
    logits = rng.normal(size=(400, 7))
    logits[np.arange(400), labels] += 2
    p = np.exp(logits)
    return labels, p / p.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def figures(answers):
    return measure(*answers, class_names=tuple("abcdefg"), commonest=0)


def test_shares_are_scikit_learns(answers, figures):
    labels, p = answers
    predicted = p.argmax(axis=1)
    assert figures.accuracy == pytest.approx(sk.accuracy_score(labels, predicted))
    assert figures.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    assert figures.macro_f1 == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert figures.log_loss == pytest.approx(sk.log_loss(labels, p))
    assert figures.top5_accuracy == pytest.approx(sk.top_k_accuracy_score(labels, p, k=5))
    np.testing.assert_array_equal(figures.confusion, sk.confusion_matrix(labels, predicted))


def test_figures_of_each_class_are_scikit_learns(answers, figures):
    labels, p = answers
    precision, recall, f1, n = sk.precision_recall_fscore_support(labels, p.argmax(axis=1))
    np.testing.assert_allclose([c.precision for c in figures.per_class], precision)
    np.testing.assert_allclose([c.recall for c in figures.per_class], recall)
    np.testing.assert_allclose([c.f1 for c in figures.per_class], f1)
    np.testing.assert_array_equal([c.n for c in figures.per_class], n)


def test_the_interval_of_f1_is_that_of_the_overlap():
    # 3 right, 1 missed, 1 called so by mistake: 3 of 5 overlap, F1 = 2 * 3 / (4 + 4)
    labels, answered = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 0])
    found = measure(labels, np.eye(2)[answered], class_names=("a", "b"), commonest=0).per_class[0]
    assert found.f1 == pytest.approx(0.75)
    # Wilson's interval of 3 / 5 by hand is 0.2307 .. 0.8824; 2 j / (1 + j) of its ends
    assert found.f1_interval == pytest.approx((0.3749, 0.9375), abs=1e-4)


def test_the_baseline_always_answers_the_commonest_class_of_the_training_part(answers):
    figures = measure(*answers, class_names=tuple("abcdefg"), commonest=3)
    assert figures.baseline_accuracy == pytest.approx(np.mean(answers[0] == 3))
    assert figures.baseline_class == "d"


def test_labels_that_the_model_does_not_know_are_counted_and_left_out(answers):
    labels, p = answers
    with_unknown = np.concatenate([labels, [-1, -1]])
    figures = measure(with_unknown, np.concatenate([p, p[:2]]), class_names=tuple("abcdefg"), commonest=0)
    assert (figures.n, figures.n_unknown_class) == (400, 2)
    assert figures.accuracy == pytest.approx(np.mean(p.argmax(axis=1) == labels))


def test_a_class_without_a_picture_is_named_and_left_out_of_the_averages():
    labels, p = np.array([0, 0, 1]), np.array([[0.9, 0.05, 0.05], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]])
    figures = measure(labels, p, class_names=("a", "b", "c"), commonest=0)
    assert figures.classes_left_out == ("c",)
    assert figures.balanced_accuracy == pytest.approx((0.5 + 1) / 2)
    # a: 2 * 1 / (2 + 1), b: 1
    assert figures.macro_f1 == pytest.approx((2 / 3 + 1) / 2)
    assert figures.per_class[2].recall is None
    assert figures.per_class[2].precision == 0.0


def test_a_class_neither_there_nor_answered_has_no_figures():
    figures = measure(np.array([0, 1]), np.eye(3)[[0, 1]], class_names=("a", "b", "c"), commonest=0)
    assert (figures.per_class[2].precision, figures.per_class[2].f1) == (None, None)
    assert figures.per_class[2].f1_interval == (0.0, 1.0)


def test_nothing_known_cannot_be_measured():
    with pytest.raises(ValueError, match=r"^no picture of a known class to measure$"):
        measure(np.array([-1]), np.array([[0.5, 0.5]]), class_names=("a", "b"), commonest=0)


def test_top_five_needs_more_than_five_classes():
    figures = measure(np.array([0]), np.full((1, 5), 0.2), class_names=tuple("abcde"), commonest=0)
    assert figures.top5_accuracy is None


def test_top_accuracy_by_hand():
    p = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    assert top_accuracy(np.array([1, 2]), p, n_best=2) == 0.5


def test_log_loss_of_an_impossible_label_is_large_and_finite():
    assert 700 < log_loss(np.array([1]), np.array([[1.0, 0.0]])) < 710


def test_confusion_has_the_true_class_in_rows():
    expected = [[0, 2], [1, 0]]
    np.testing.assert_array_equal(
        count_confusion(np.array([0, 0, 1]), np.array([1, 1, 0]), n_classes=2), expected
    )
