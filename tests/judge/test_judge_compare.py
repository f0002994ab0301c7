"""Comparing two runs: against scipy's exact binomial test and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from fovea.judge.compare import compare


def test_changed_fixed_and_broken_answers_are_told_apart():
    labels = np.array([0, 0, 0, 0, -1])
    found = compare(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 2, 2]), labels=labels)
    assert (found.n_fixed, found.n_broken) == (1, 1)
    assert found.changed.tolist() == [1, 2, 3, 4]


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_p_value_is_mcnemars_exact_test(n_fixed, n_broken):
    labels = np.zeros(n_fixed + n_broken + 1, int)
    old = np.array([1] * n_fixed + [0] * n_broken + [0])
    expected = binomtest(n_fixed, n_fixed + n_broken).pvalue if n_fixed + n_broken else 1.0
    assert compare(old, np.append(1 - old[:-1], 0), labels=labels).p_value == pytest.approx(expected)


def test_the_text_says_whether_chance_would_do():
    labels = np.zeros(10, int)
    old = np.array([1] * 9 + [0])
    assert compare(old, labels, labels=labels).text == (
        "Of 10 pictures in both runs 9 are answered differently: 9 were wrong and are right, 0 were right and are "
        "wrong; more than chance would (McNemar's exact test, p = 0.0039)."
    )
    assert compare(labels, labels, labels=labels).text == (
        "Of 10 pictures in both runs 0 are answered differently: 0 were wrong and are right, 0 were right and are "
        "wrong; no more than chance may (McNemar's exact test, p = 1)."
    )
