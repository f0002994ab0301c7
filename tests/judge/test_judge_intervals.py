"""Intervals and exact tails: against scipy's and statistics' second implementations and hand arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from fovea.judge.intervals import (
    binomial_tail,
    clopper_pearson,
    fewest_without_error,
    upper_bound,
    wilson_interval,
)

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999])


@given(counts, confidences)
def test_wilson_interval_is_scipys(count, confidence):
    expected = binomtest(*count).proportion_ci(confidence, method="wilson")
    assert wilson_interval(*count, confidence=confidence) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


@given(counts, confidences)
def test_clopper_pearson_interval_is_scipys(count, confidence):
    expected = binomtest(*count).proportion_ci(confidence, method="exact")
    assert clopper_pearson(*count, confidence=confidence) == pytest.approx(
        (expected.low, expected.high), abs=1e-9
    )


@given(counts, st.sampled_from([1e-6, 0.001, 0.01, 0.05, 0.3, 0.5, 0.9, 0.999]))
def test_binomial_tail_is_scipys(count, share):
    assert binomial_tail(*count, share=share) == pytest.approx(binom.cdf(*count, share), rel=1e-9, abs=1e-300)


def test_binomial_tail_by_hand():
    # at most one of three fair coins: (1 + 3) / 8
    assert binomial_tail(1, 3, share=0.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("n_wrong", "share", "expected"), [(3, 0.4, 1.0), (1, 0.0, 1.0), (2, 1.0, 0.0), (-1, 0.4, 0.0)]
)
def test_binomial_tail_at_its_ends(n_wrong, share, expected):
    assert binomial_tail(n_wrong, 3, share=share) == expected


def test_wilsons_interval_is_that_of_95_percent_unless_said_otherwise():
    # Wilson 1927: (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n) with z = 1.96 by hand
    assert wilson_interval(3, 4) == pytest.approx((0.3006, 0.9544), abs=5e-5)


def test_without_pictures_nothing_is_known():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@given(counts)
def test_intervals_hold_the_share_and_stay_within_0_and_1(count):
    for low, high in (wilson_interval(*count), clopper_pearson(*count)):
        assert 0 <= low <= count[0] / count[1] <= high <= 1


@pytest.mark.parametrize(
    ("share", "miss", "n"),
    # architecture.md and the closed form ln(miss) / ln(1 - share)
    [
        (0.05, 0.05, 59),
        (0.02, 0.05, 149),
        (0.01, 0.05, 299),
        (0.01, 0.01, 459),
        (0.02, 0.001, 342),
        (0.5, 0.25, 2),
    ],
)
def test_fewest_pictures_without_an_error(share, miss, n):
    assert fewest_without_error(share, miss=miss) == n
    assert (1 - share) ** n <= miss + 1e-12 < (1 - share) ** (n - 1)


def test_upper_bound_without_error_is_the_closed_form():
    # (1 - u) ** n = miss
    assert upper_bound(0, 59, miss=0.05) == pytest.approx(1 - 0.05 ** (1 / 59), abs=1e-10)
    assert upper_bound(59, 59, miss=0.05) == 1.0
