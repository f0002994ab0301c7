"""The verdict: one protocol, told by what may and may not move what; figures are tested beside their own files."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fovea.judge.calibration import cross_fitted, expected_calibration_error, fit_temperature, softmax
from fovea.judge.guarantee import threshold_for_precision
from fovea.judge.metrics import log_loss
from fovea.judge.verdict import calibration_scores, judge

K = 6
NAMES = tuple("abcdef")


def draw(n, *, seed, sharpness=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, n)
    z = rng.normal(size=(n, K))
    z[np.arange(n), labels] += 3
    return labels, z * sharpness


@pytest.fixture(scope="module")
def parts():
    train_labels, oof_logits = draw(600, seed=0)
    valid_labels, valid_logits = draw(200, seed=1)
    return {
        "train_labels": train_labels,
        "oof_logits": oof_logits,
        "valid_labels": valid_labels,
        "valid_logits": valid_logits,
        "class_names": NAMES,
        "folds": np.arange(600) % 3,
    }


@pytest.fixture(scope="module")
def verdict(parts):
    return judge(**parts, precisions=(0.9,), per_class=True)


def test_figures_are_measured_on_the_validation_part(parts, verdict):
    labels, p = (
        parts["valid_labels"],
        softmax(parts["valid_logits"], fit_temperature(parts["oof_logits"], parts["train_labels"])),
    )
    assert verdict.measured == "valid"
    assert verdict.figures.accuracy == np.mean(p.argmax(axis=1) == labels)
    assert verdict.figures.log_loss == log_loss(labels, p)
    assert verdict.ece == expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == labels)


def test_validation_labels_move_no_setting(parts, verdict):
    other = judge(**(parts | {"valid_labels": (parts["valid_labels"] + 1) % K}), precisions=(0.9,))
    assert other.temperature == verdict.temperature
    assert other.unsure == verdict.unsure
    assert other.guarantees == verdict.guarantees
    assert other.figures.accuracy < verdict.figures.accuracy


def test_the_calibration_error_before_is_that_without_temperature(parts, verdict):
    p = softmax(parts["valid_logits"])
    correct = p.argmax(axis=1) == parts["valid_labels"]
    assert verdict.ece_before == expected_calibration_error(p.max(axis=1), correct)
    assert verdict.ece < verdict.ece_before


def test_the_baseline_is_the_commonest_class_of_the_training_part(parts):
    labels = np.where(np.arange(600) < 300, 4, parts["train_labels"])
    verdict = judge(**(parts | {"train_labels": labels}))
    assert verdict.figures.baseline_class == "e"
    assert verdict.figures.baseline_accuracy == np.mean(parts["valid_labels"] == 4)


def test_without_validation_part_no_fold_is_scaled_by_its_own_labels(parts):
    alone = {k: parts[k] for k in ("train_labels", "oof_logits", "class_names", "folds")}
    verdict = judge(**alone)
    fair = cross_fitted(parts["oof_logits"], parts["train_labels"], parts=parts["folds"])
    assert verdict.measured == "out-of-fold"
    assert verdict.figures.log_loss == log_loss(parts["train_labels"], fair)
    assert verdict.promise_kept is None
    assert {s.part for s in verdict.suspects} == {"train"}


def test_without_folds_five_parts_are_drawn_by_the_seed(parts):
    alone = {k: parts[k] for k in ("train_labels", "oof_logits", "class_names")}
    one, same, other = (judge(**alone, seed=seed).figures.log_loss for seed in (1, 1, 2))
    assert one == same != other


def test_leaked_pictures_are_counted_and_figures_given_without_them(parts):
    leaked = np.arange(200) < 40
    verdict = judge(**parts, leaked=leaked)
    right = parts["valid_logits"].argmax(axis=1) == parts["valid_labels"]
    assert (verdict.n_leaked, verdict.without_leaks.n) == (40, 160)
    assert verdict.without_leaks.accuracy == np.mean(right[40:])
    assert verdict.figures.accuracy == np.mean(right)


def test_without_leaks_there_are_no_second_figures(parts):
    assert judge(**parts, leaked=np.zeros(200, bool)).without_leaks is None
    assert judge(**parts, leaked=np.ones(200, bool)).without_leaks is None


def test_classes_the_model_does_not_know_are_left_out_and_counted(parts):
    labels = parts["valid_labels"].copy()
    labels[:50] = -1
    verdict = judge(**(parts | {"valid_labels": labels}))
    assert (verdict.figures.n, verdict.figures.n_unknown_class) == (150, 50)
    assert min(m.index for m in verdict.mistakes) >= 50
    assert sum(b.n for b in verdict.reliability) == 150


def test_unsure_is_below_the_promise_of_95_percent_where_none_is_asked_for(parts):
    verdict = judge(**parts)
    scores = verdict.calibration
    assert verdict.unsure == threshold_for_precision(scores.top, scores.correct, precision=0.95)


def test_unsure_is_below_the_promise_that_was_asked_for(verdict):
    assert verdict.unsure == verdict.guarantees[0]
    assert verdict.unsure_threshold == verdict.unsure.threshold
    n, n_right, interval = verdict.promise_kept
    assert n_right <= n <= 200
    assert interval[0] < n_right / n < interval[1]


def test_where_no_promise_is_supported_unsure_is_below_95_percent(parts):
    few = {k: parts[k][:30] for k in ("train_labels", "oof_logits", "folds")}
    verdict = judge(**few, class_names=NAMES)
    assert (verdict.unsure.threshold, verdict.unsure_threshold) == (None, 0.95)


def test_asked_promises_are_given_for_all_and_for_each_class(verdict):
    assert [g.precision for g in verdict.guarantees] == [0.9]
    assert [len(each) for each in verdict.per_class_guarantees] == [K]
    assert sum(g.n_calibration for g in verdict.per_class_guarantees[0]) == 600


def test_one_picture_of_each_unit_calibrates():
    labels, z = draw(90, seed=2)
    scores = calibration_scores(softmax(z), labels, units=np.arange(90) // 3)
    assert len(scores.top) == 30
    again = calibration_scores(softmax(z), labels, units=np.arange(90) // 3)
    np.testing.assert_array_equal(scores.top, again.top)


def test_the_most_confident_mistake_comes_first(parts, verdict):
    tops = [m.probability for m in verdict.mistakes]
    assert tops == sorted(tops, reverse=True)
    first = verdict.mistakes[0]
    assert parts["valid_labels"][first.index] == first.label != first.answer
    assert parts["valid_logits"][first.index].argmax() == first.answer


def test_a_planted_label_error_is_the_first_suspect_of_its_part(parts):
    sure = parts["valid_logits"].max(axis=1).argmax()
    labels = parts["valid_labels"].copy()
    labels[sure] = (parts["valid_logits"][sure].argmax() + 1) % K
    suspects = judge(**(parts | {"valid_labels": labels})).suspects
    found = next(s for s in suspects if s.part == "valid")
    assert (found.index, found.label, found.suggested) == (sure, labels[sure], parts["valid_labels"][sure])


def test_json_has_the_names_of_metrics_json_and_is_plain(verdict):
    found = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert found.keys() >= {
        "accuracy", "accuracy_interval", "baseline_accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece",
        "ece_before", "ece_floor", "top5_accuracy", "per_class", "confusion", "reliability", "temperature", "n_leaked",
    }  # fmt: skip
    assert found["accuracy"] == verdict.figures.accuracy
    assert found["per_class"]["a"]["recall"] == verdict.figures.per_class[0].recall
    assert np.sum(found["confusion"]) == 200


def test_json_gives_the_figures_without_leaks(parts):
    found = judge(**parts, leaked=np.arange(200) < 40).to_json()
    assert found["accuracy_without_leaks"] == found["without_leaks"]["accuracy"]
    assert len(found["accuracy_without_leaks_interval"]) == 2


def test_json_of_few_classes_has_no_top_five(parts):
    labels, z = draw(80, seed=3)
    found = judge(train_labels=labels % 3, oof_logits=z[:, :3], class_names=NAMES[:3]).to_json()
    assert "top5_accuracy" not in found
    assert "promise_kept" not in found


def test_verdicts_of_the_same_seed_are_equal(parts):
    one, other = judge(**parts, seed=4), judge(**parts, seed=4)
    assert replace(one, figures=None, calibration=None) == replace(other, figures=None, calibration=None)


def test_a_trained_network_is_calibrated_by_the_validation_part_alone(parts):
    told = judge(**parts, by_valid=True, precisions=(0.9,))
    other = judge(**(parts | {"oof_logits": parts["oof_logits"] * 3}), by_valid=True, precisions=(0.9,))
    assert told.temperature == fit_temperature(parts["valid_logits"], parts["valid_labels"])
    assert (other.temperature, other.guarantees) == (told.temperature, told.guarantees)
    assert other.figures.log_loss == told.figures.log_loss
    assert other.train_temperature == pytest.approx(3 * told.train_temperature, rel=1e-6)


def test_a_trained_network_is_measured_by_temperatures_that_have_not_seen_the_picture(parts):
    told = judge(**parts, by_valid=True)
    numbers = np.random.default_rng(0).permutation(200) % 5
    p = cross_fitted(parts["valid_logits"], parts["valid_labels"], parts=numbers)
    assert told.measured == "valid"
    assert told.figures.log_loss == log_loss(parts["valid_labels"], p)
    assert told.promise_kept is None


def test_a_network_trained_from_scratch_is_judged_without_out_of_fold_answers(parts):
    told = judge(**(parts | {"oof_logits": np.zeros((0, K))}), by_valid=True)
    assert {suspect.part for suspect in told.suspects} <= {"valid"}
    assert told.figures.accuracy == judge(**parts).figures.accuracy


def test_a_trained_network_cannot_be_judged_without_a_validation_part(parts):
    alone = parts | {"valid_labels": None, "valid_logits": None}
    with pytest.raises(
        ValueError, match="a trained network is judged by a validation part, and there is none"
    ):
        judge(**alone, by_valid=True)
