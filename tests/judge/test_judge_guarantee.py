"""Promises: by hand, by exact tails, and by simulated draws whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from fovea.judge.guarantee import (
    CalibrationScores,
    Guarantee,
    check_promise,
    estimate_more,
    plan_thresholds,
    threshold_for_precision,
    thresholds_per_class,
)


def draw(n, *, rng, wrong_at_0=0.4, noise=0.0, trust=1.0):
    """Return probabilities and whether right: an answer is wrong in (1 - u) * wrong_at_0 + noise, u even in (0, 1).

    With `trust` 1 the probabilities know it but for the noise; above 1 they are too sure of themselves.
    """
    wrong = (1 - rng.random(n)) * wrong_at_0
    return 1 - wrong / trust, rng.random(n) >= wrong + noise


def true_share_wrong(threshold, *, wrong_at_0=0.4, noise=0.0, trust=1.0):
    # evenly spread from 0 to what the threshold allows
    return min((1 - threshold) * trust, wrong_at_0) / 2 + noise


def count_broken(n, *, precision, n_draws, **world):
    rng, n_broken = np.random.default_rng(0), 0
    for _ in range(n_draws):
        found = threshold_for_precision(*draw(n, rng=rng, **world), precision=precision, confidence=0.9)
        if found.threshold is not None:
            n_broken += true_share_wrong(found.threshold, **world) > 1 - precision
    return n_broken


@pytest.mark.parametrize(
    ("n", "precision", "world"),
    [
        (100, 0.9, {}),
        (500, 0.95, {}),
        (500, 0.95, {"noise": 0.03}),
        (500, 0.9, {"trust": 3.0}),
        (2000, 0.98, {"wrong_at_0": 0.1}),
    ],
)
def test_a_promise_is_broken_no_more_often_than_stated(n, precision, world):
    # at a true rate of 10 % more than this would come up once in a thousand times
    assert count_broken(n, precision=precision, n_draws=400, **world) <= binom.ppf(0.999, 400, 0.1)


def test_where_every_answer_is_just_too_often_wrong_the_confidence_is_used_up():
    # the hardest case for the promise: no threshold helps; a test that never dared would be useless
    n_broken = count_broken(300, precision=0.9, n_draws=400, wrong_at_0=0.0, noise=0.1001)
    assert 0.02 * 400 < n_broken <= binom.ppf(0.999, 400, 0.1)


def test_most_of_what_could_be_accepted_is():
    rng = np.random.default_rng(1)
    coverages = [threshold_for_precision(*draw(4000, rng=rng), precision=0.95).coverage for _ in range(20)]
    # of the surest quarter 5 % are wrong: half of a tenth
    assert 0.6 * 0.25 < np.mean(coverages) < 0.25


def test_59_pictures_without_an_error_support_95_percent():
    found = threshold_for_precision(np.full(59, 0.98), np.ones(59, bool), precision=0.95)
    assert (found.n_accepted, found.coverage) == (59, 1.0)
    # half the odds of 1 to 19
    assert found.threshold == pytest.approx(1 - 1 / 39)
    assert found.text == (
        "With 95 % confidence at least 95 % of the accepted pictures are right, as long as they are drawn like the 59 "
        "calibration ones: 59 of these (100.0 %) reach a probability of 0.9744, 0 of them wrong."
    )


def test_58_do_not_and_one_more_would():
    found = threshold_for_precision(np.ones(58), np.ones(58, bool), precision=0.95)
    assert (found.threshold, found.n_more_needed, found.n_accepted, found.coverage) == (None, 1, 0, 0.0)
    assert found.text == (
        "58 calibration pictures cannot support 95 % right with 95 % confidence; some 1 more might, if the surest "
        "answers stay as often right."
    )


def test_60_without_an_error_need_239_more_for_99_percent():
    found = threshold_for_precision(np.ones(60), np.ones(60, bool), precision=0.99)
    assert found.n_more_needed == 299 - 60


def test_without_pictures_it_says_how_many_are_needed():
    found = threshold_for_precision(np.empty(0), np.empty(0, bool), precision=0.99)
    assert (found.threshold, found.n_more_needed, found.coverage) == (None, 299, 0.0)


def test_answers_that_are_wrong_too_often_are_not_helped_by_more():
    found = threshold_for_precision(np.linspace(0, 1, 400), np.arange(400) % 2 == 0, precision=0.9)
    assert (found.threshold, found.n_more_needed) == (None, None)
    assert found.text == (
        "400 calibration pictures cannot support 90 % right with 95 % confidence: even the surest answers are wrong "
        "too often. Look at the likely label errors first."
    )


def test_the_estimate_counts_on_the_first_threshold_that_can_be_tested():
    # of 40 the stricter threshold accepts 20, all right: some 118 in all make these 59
    more = estimate_more(40, np.array([20, 40]), n_wrong=np.array([0, 20]), share=0.05, miss=0.05)
    assert 118 <= 40 + more <= 118 * 1.06


def test_with_as_many_more_as_estimated_the_promise_comes_within_reach():
    rng, n_supported, n_asked = np.random.default_rng(2), 0, 0
    for _ in range(60):
        few = threshold_for_precision(*draw(150, rng=rng, wrong_at_0=0.2), precision=0.97)
        if few.n_more_needed is not None:
            enough = draw(150 + few.n_more_needed, rng=rng, wrong_at_0=0.2)
            n_asked += 1
            n_supported += threshold_for_precision(*enough, precision=0.97).threshold is not None
    assert n_asked > 30
    # the estimate aims at even chances and is taken from 150 pictures; 6 % before the probabilities had a say
    assert n_supported > 0.25 * n_asked


def test_one_confident_mistake_does_not_spoil_everything():
    correct = np.ones(2000, bool)
    correct[0] = False
    found = threshold_for_precision(np.linspace(1, 0, 2000), correct, precision=0.95)
    assert (found.n_accepted, found.n_wrong) == (2000, 1)


def test_a_looser_threshold_that_accepts_no_more_is_not_taken():
    # nothing scores below 0.9: what would be like there is not known
    found = threshold_for_precision(np.full(100, 0.9), np.ones(100, bool), precision=0.8)
    assert 0.88 < found.threshold <= 0.9


def test_thresholds_are_tested_until_the_first_that_fails():
    # the surest 600 are right, of the next 600 half are wrong, and the other 4,000 are right: one may not skip
    scores = np.repeat([0.99, 0.9, 0.7], [600, 600, 4000])
    correct = np.ones(5200, bool)
    correct[600:1200:2] = False
    assert threshold_for_precision(scores, correct, precision=0.95).n_accepted == 600


@given(st.floats(0.01, 0.999))
def test_thresholds_fall_from_half_the_allowed_odds_to_everything(precision):
    thresholds = plan_thresholds(precision)
    assert thresholds[0] == pytest.approx(1 / (1 + 0.5 * (1 - precision) / precision))
    assert (np.diff(thresholds) < 0).all()
    assert thresholds[-1] == 0.0


@given(st.integers(60, 3000), st.integers(0, 2**32 - 1))
def test_the_order_of_the_pictures_does_not_matter(n, seed):
    rng = np.random.default_rng(seed)
    scores, correct = draw(n, rng=rng)
    shuffle = rng.permutation(n)
    one = threshold_for_precision(scores, correct, precision=0.9)
    assert threshold_for_precision(scores[shuffle], correct[shuffle], precision=0.9) == one


@given(st.integers(60, 1000), st.integers(0, 2**32 - 1))
def test_what_is_promised_passes_the_exact_test(n, seed):
    scores, correct = draw(n, rng=np.random.default_rng(seed))
    found = threshold_for_precision(scores, correct, precision=0.9)
    accepted = np.zeros(n, bool) if found.threshold is None else scores >= found.threshold
    assert found.n_accepted == accepted.sum()
    assert found.n_wrong == (~correct[accepted]).sum()
    assert binom.cdf(found.n_wrong, found.n_accepted, 0.1) <= 0.05 or found.threshold is None


def test_each_class_has_a_threshold_of_its_own():
    scores = np.tile(np.linspace(0.5, 1, 100), 2)
    predicted = np.repeat([0, 1], 100)
    correct = (predicted == 0) | (np.arange(200) % 2 == 0)
    good, bad = thresholds_per_class(
        scores, correct, predicted=predicted, class_names=("cat", "dog"), precision=0.95
    )
    assert (good.n_accepted, good.n_calibration) == (100, 100)
    assert bad.threshold is None
    assert good.text.startswith(
        "With 95 % confidence at least 95 % of the accepted pictures answered 'cat' are right"
    )


@pytest.mark.parametrize(("precision", "confidence"), [(0, 0.95), (1.0, 0.95), (0.9, 0), (0.9, 1.5)])
def test_shares_that_make_no_sense_are_refused(precision, confidence):
    with pytest.raises(ValueError, match=r"it has to lie between 0 and 1, as 0\.95 does$"):
        threshold_for_precision(np.ones(9), np.ones(9, bool), precision=precision, confidence=confidence)


def test_a_promise_is_checked_by_the_exact_interval():
    n, n_right, interval = check_promise(
        np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, True, False, False]), threshold=0.7
    )
    assert (n, n_right) == (3, 2)
    # Clopper-Pearson: P(Bin(3, low) >= 2) = 0.025 and P(Bin(3, high) <= 2) = 0.025
    assert 1 - binom.cdf(1, 3, interval[0]) == pytest.approx(0.025)
    assert 1 - interval[1] ** 3 == pytest.approx(0.025)


def test_calibration_scores_come_back_from_their_arrays():
    scores = CalibrationScores(np.array([0.5, 0.25]), np.array([True, False]), np.array([2, 0]))
    again = CalibrationScores.from_arrays(scores.to_arrays())
    assert again.top.tolist() == [0.5, 0.25]
    assert again.correct.tolist() == [True, False]
    assert again.predicted.tolist() == [2, 0]


def test_calibration_scores_that_do_not_fit_together_are_refused():
    arrays = CalibrationScores(np.ones(2), np.ones(2, bool), np.ones(2, int)).to_arrays()
    with pytest.raises(
        ValueError, match=r"^calibration scores need three arrays of one length, not \(2,\), \(1,\), \(2,\)$"
    ):
        CalibrationScores.from_arrays(arrays | {"calibration_correct": np.ones(1)})
    del arrays["calibration_top"]
    with pytest.raises(
        ValueError, match=r"^the arrays \['calibration_top'\] of the calibration scores are missing$"
    ):
        CalibrationScores.from_arrays(arrays)


def test_a_guarantee_is_plain_values():
    found = threshold_for_precision(np.linspace(0, 1, 90), np.ones(90, bool), precision=0.95)
    assert isinstance(found, Guarantee)
    assert {type(getattr(found, name)) for name in Guarantee.__slots__} <= {float, int, str, type(None)}
