"""Likely label errors: cleanlab is the oracle where the definitions agree; the rest by hand."""

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from fovea.judge.labels import confident_classes, label_issues, label_quality


def draw(seed, *, k=4, n=600, sharpness=3.0):
    """Probabilities, and labels of which 8 % are wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    z = rng.normal(size=(n, k))
    z[np.arange(n), true] += sharpness
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    wrong = rng.random(n) < 0.08
    return np.where(wrong, (true + 1) % k, true), p, wrong


@pytest.mark.parametrize("seed", range(6))
def test_found_issues_are_cleanlabs_confident_learning(seed):
    labels, p, _ = draw(seed)
    mask = find_label_issues(labels, p, filter_by="confident_learning", n_jobs=1)
    # where several classes are confident, cleanlab takes the most probable of all, the paper that of these
    agree = _several_confident_agree(labels, p)
    found = np.isin(np.arange(len(labels)), label_issues(labels, p).indices)
    assert mask[agree].sum() > 10
    np.testing.assert_array_equal(found[agree], mask[agree])


def _several_confident_agree(labels, p):
    chosen = confident_classes(labels, p)
    return (chosen < 0) | (chosen == p.argmax(axis=1)) | ((p >= _limits(labels, p)).sum(axis=1) < 2)


def _limits(labels, p):
    return np.array([p[labels == c, c].mean() for c in range(p.shape[1])])


def test_scores_are_cleanlabs_and_the_ranking_is_by_odds():
    labels, p, _ = draw(1)
    np.testing.assert_allclose(label_quality(labels, p), get_label_quality_scores(labels, p))
    found = label_issues(labels, p).indices
    others = np.where(np.arange(p.shape[1]) == labels[:, None], 0, p).max(axis=1)
    odds = others / label_quality(labels, p)
    mask = find_label_issues(labels, p, filter_by="confident_learning", n_jobs=1)
    assert set(found) == set(np.flatnonzero(mask))
    np.testing.assert_array_equal(found, found[np.argsort(-odds[found])])


def test_the_confident_joint_is_cleanlabs():
    labels, p, _ = draw(2, sharpness=4)
    expected = compute_confident_joint(labels, p, calibrate=False)
    np.testing.assert_array_equal(label_issues(labels, p).joint, expected)


def test_confident_joint_by_hand():
    # thresholds (0.9 + 0.8 + 0.1) / 3 = 0.6 and (0.7 + 0.9) / 2 = 0.8: row 2 is confidently of class 1
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.1, 0.9]])
    issues = label_issues(np.array([0, 0, 0, 1, 1]), p)
    assert issues.joint.tolist() == [[2, 1], [0, 1]]
    assert (issues.indices.tolist(), issues.suggested.tolist(), issues.quality.tolist()) == ([2], [1], [0.1])


def test_the_most_probable_of_the_confident_classes_is_suggested():
    # row 0: class 2 is the most probable but does not reach its class's high threshold, class 1 does
    p = np.array([[0.1, 0.44, 0.46], [1, 0, 0], [0.6, 0.4, 0], [0, 0.01, 0.99]])
    assert confident_classes(np.array([0, 0, 1, 2]), p)[0] == 1


def test_a_class_that_nobody_has_is_never_suggested():
    p = np.array([[0.1, 0.1, 0.8], [0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    assert 2 not in confident_classes(np.array([0, 0, 1]), p)


def test_most_planted_errors_are_found_and_most_found_are_planted():
    labels, p, wrong = draw(3, sharpness=5)
    found = label_issues(labels, p).indices
    assert wrong[found].mean() > 0.9
    assert np.isin(np.flatnonzero(wrong), found).mean() > 0.8


def test_right_labels_with_sure_answers_have_no_issue():
    assert len(label_issues(np.arange(3), np.eye(3)).indices) == 0
