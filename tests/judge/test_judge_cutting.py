"""From which probability on pictures are taken: promised, or estimated, and what is said of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fovea.judge import find_cut, threshold_for_precision
from fovea.judge.cutting import estimate_cut, most_supported


def test_many_labels_promise_the_threshold_of_the_exact_test() -> None:
    rng = np.random.default_rng(1)
    scores = rng.uniform(size=2_000)
    right = rng.uniform(size=2_000) < scores**0.05
    cut = find_cut(scores, right, unlabelled=rng.uniform(size=500), precision=0.9)
    assert cut.is_promised
    assert cut.threshold == max(0.5, threshold_for_precision(scores, right, precision=0.9).threshold or 0)
    assert (cut.supported, cut.n_more_needed) == (0.9, None)


def test_few_labels_say_what_they_support() -> None:
    scores, right = np.full(58, 0.99), np.ones(58, bool)  # 0.95^58 > 0.05: one picture short of 95 %
    cut = find_cut(scores, right, unlabelled=np.full(10, 0.99), precision=0.95)
    assert (cut.is_promised, cut.supported, cut.n_more_needed) == (False, 0.94, 1)
    assert (cut.threshold, cut.n_taken) == (0.99, 10)
    assert cut.expected == pytest.approx(0.99)


def test_the_estimate_takes_as_many_as_the_mean_probability_allows() -> None:
    unlabelled = np.array([0.5, 1.0, 0.9, 0.8, 0.7, 0.1])  # means 1, .95, .9, .85, .78
    found = estimate_cut(np.array([0.95]), np.array([True]), unlabelled=unlabelled, precision=0.85)
    assert found == 0.7


def test_the_estimate_heeds_what_the_labelled_show() -> None:
    unlabelled = np.array([0.99, 0.95, 0.9])
    scores, right = np.array([0.97, 0.92, 0.91]), np.array([True, False, True])
    assert estimate_cut(scores, right, unlabelled=unlabelled, precision=0.9) == 0.95


def test_nothing_is_taken_where_nothing_is_sure() -> None:
    cut = find_cut(np.full(20, 0.6), np.ones(20, bool), unlabelled=np.full(5, 0.6), precision=0.97)
    assert (cut.threshold, cut.n_taken, cut.expected) == (None, 0, None)


def test_labels_that_support_nothing_are_said_to() -> None:
    assert most_supported(np.full(4, 0.9), np.ones(4, bool), below=0.97, confidence=0.95) is None


@given(st.integers(0, 500), st.floats(0.5, 0.99))
def test_the_taken_always_seem_right_to_the_wanted_share(seed: int, precision: float) -> None:
    rng = np.random.default_rng(seed)
    scores, unlabelled = rng.uniform(size=30), rng.uniform(size=40)
    right = rng.uniform(size=30) < scores
    found = estimate_cut(scores, right, unlabelled=unlabelled, precision=precision)
    taken = unlabelled[unlabelled >= (2 if found is None else found)]
    above = right[scores >= (2 if found is None else found)]
    assert not len(taken) or taken.mean() >= precision
    assert not len(above) or above.mean() >= precision
