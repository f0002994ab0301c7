"""Thresholds, promises and probabilities of several labels."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fovea.judge import LabelledPart, judge_labels, sigmoid
from fovea.judge.label_verdict import best_f1_threshold

NAMES = ("a", "b")


def drawn(n: int, *, seed: int = 0, sharp: float = 1.0) -> LabelledPart:
    """Return labels drawn with the probabilities of logits; the logits told are `sharp` times too extreme."""
    rng = np.random.default_rng(seed)
    logits = rng.normal([0, -2], 2, (n, 2))
    return LabelledPart(rng.random((n, 2)) < sigmoid(logits), sharp * logits, np.arange(n))


def test_the_threshold_makes_f1_as_large_as_any_does() -> None:
    rng = np.random.default_rng(0)
    has, p = rng.random(200) < 0.2, rng.random(200).round(2)
    best = max(f1_score(has, p >= t) for t in np.unique(p))
    assert f1_score(has, p >= best_f1_threshold(has, p)) == pytest.approx(best)


def test_the_threshold_of_a_label_that_nobody_has_answers_nothing() -> None:
    assert best_f1_threshold(np.zeros(5, bool), np.linspace(0, 0.9, 5)) == 1.0


def test_overconfident_logits_are_tempered() -> None:
    found = judge_labels(drawn(3000, sharp=3), names=NAMES, folds=None)
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert found.ece < 0.5 * found.ece_before


def test_without_a_validation_part_every_fold_is_answered_by_the_others() -> None:
    part, folds = drawn(60), np.arange(60) % 2
    found = judge_labels(part, names=NAMES, folds=folds)
    other = judge_labels(part.rows(folds == 1), names=NAMES, folds=None)
    inside = folds == 0
    answered = sigmoid(part.logits[inside], other.temperature) >= np.array(other.thresholds)
    n_wrong = int((answered != part.has[inside]).sum())
    assert found.measured == "out-of-fold"
    assert sum(inside[mistake.index] for mistake in found.mistakes) == n_wrong


def test_a_validation_part_moves_no_threshold() -> None:
    one = judge_labels(drawn(300), names=NAMES, folds=None)
    other = judge_labels(drawn(300), names=NAMES, folds=None, valid=drawn(100, seed=5))
    assert one.thresholds == other.thresholds
    assert (other.measured, other.figures.n) == ("valid", 100)


def test_a_promised_precision_holds_on_new_pictures() -> None:
    kept = 0
    for seed in range(40):
        found = judge_labels(drawn(1500, seed=seed), names=NAMES, folds=None, precision=0.9, confidence=0.9)
        new = drawn(4000, seed=1000 + seed)
        answers = sigmoid(new.logits, found.temperature)[:, 0] >= found.thresholds[0]
        kept += found.promises[0].threshold is None or new.has[answers, 0].mean() >= 0.9
    assert kept >= 36  # 90 % of 40


def test_a_precision_that_cannot_be_promised_leaves_the_threshold_and_says_so() -> None:
    plain = judge_labels(drawn(60), names=NAMES, folds=None)
    asked = judge_labels(drawn(60), names=NAMES, folds=None, precision=0.99)
    assert asked.thresholds == plain.thresholds
    assert [one.threshold for one in asked.promises] == [None, None]
    assert "cannot support 99 % right" in asked.promises[0].text


def test_the_most_confident_mistake_comes_first() -> None:
    found = judge_labels(drawn(200), names=NAMES, folds=None)
    gaps = [abs(one.has - one.probability) for one in found.mistakes]
    assert gaps == sorted(gaps, reverse=True)


def test_what_stands_in_the_training_part_too_is_left_out_of_the_second_figures() -> None:
    leaked = np.arange(100) < 30
    found = judge_labels(drawn(300), names=NAMES, folds=None, valid=drawn(100, seed=5), leaked=leaked)
    assert found.without_leaks is not None
    assert (found.n_leaked, found.without_leaks.n) == (30, 70)


def trained_on(part: LabelledPart) -> LabelledPart:
    """Return a training part of which a network that was trained has no out-of-fold logits."""
    return LabelledPart(part.has, np.zeros((0, 2)), part.units)


def test_without_out_of_fold_logits_the_validation_part_calibrates() -> None:
    valid = drawn(200, seed=5, sharp=3)
    found = judge_labels(trained_on(drawn(300)), names=NAMES, folds=None, valid=valid)
    alone = judge_labels(valid, names=NAMES, folds=None)
    assert (found.thresholds, found.temperature) == (alone.thresholds, alone.temperature)
    assert (found.measured, found.n_train, found.figures.n) == ("valid", 300, 200)
    assert found.figures.all_right == alone.figures.all_right  # measured crosswise, as that one is


def test_copies_lie_in_one_part_where_the_validation_part_calibrates() -> None:
    once = drawn(40, seed=5)
    twice = LabelledPart(np.tile(once.has, (2, 1)), np.tile(once.logits, (2, 1)), np.tile(once.units, 2))
    one, two = (judge_labels(part, names=NAMES, folds=None).figures for part in (once, twice))
    assert two.all_right == one.all_right


def test_leaks_are_told_where_the_validation_part_calibrates() -> None:
    leaked, valid = np.arange(100) < 30, drawn(100, seed=5)
    found = judge_labels(trained_on(drawn(50)), names=NAMES, folds=None, valid=valid, leaked=leaked)
    assert found.without_leaks is not None
    assert (found.n_leaked, found.without_leaks.n) == (30, 70)


def test_a_single_unit_calibrates_itself() -> None:
    few = LabelledPart(np.eye(2, dtype=bool), np.eye(2), np.zeros(2, np.int64))
    assert judge_labels(trained_on(drawn(50)), names=NAMES, folds=None, valid=few).figures.n == 2
