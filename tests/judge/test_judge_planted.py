"""Planted errors: where they go, and that they tell how many real ones there are where the answer is known."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.judge.planted import (
    Expected,
    Planted,
    Round,
    choose_weight,
    confusion,
    expect,
    n_rounds,
    plant_errors,
)
from fovea.judge.suspects import doubt_labels, neighbours_vote


def guess(labels: NDArray[np.int64], *, seed: int = 0) -> NDArray[np.float64]:
    """Return probabilities that favour the labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), 4)) + 4 * np.eye(4)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def plant(labels: NDArray[np.int64], p: NDArray[np.float64], *, seed: int) -> Planted:
    return plant_errors(labels, p, votes=p, weight=0, seed=seed)


@pytest.fixture
def labels() -> NDArray[np.int64]:
    return np.arange(1000) % 4


def test_a_twentieth_of_each_kind_is_moved_to_another_class(labels: NDArray[np.int64]) -> None:
    planted = plant(labels, guess(labels), seed=0)
    assert len(planted.easy) == len(planted.hard) == 50
    assert not np.intersect1d(planted.easy, planted.hard).size
    assert np.flatnonzero(planted.labels != labels).tolist() == np.flatnonzero(planted.is_planted).tolist()
    assert ((planted.labels >= 0) & (planted.labels < 4)).all()


def test_what_is_doubted_already_is_not_moved(labels: NDArray[np.int64]) -> None:
    p = guess(labels)
    doubted = doubt_labels(labels, p, votes=p, weight=0).doubt >= 0.5
    assert doubted.any()
    assert not plant(labels, p, seed=1).is_planted[doubted].any()


def test_hard_ones_resemble_the_other_class_more(labels: NDArray[np.int64]) -> None:
    p = guess(labels)
    planted = plant(labels, p, seed=2)
    hard, easy = (np.median(p[at, planted.labels[at]]) for at in (planted.hard, planted.easy))
    assert hard > 1.5 * easy


def test_the_same_seed_plants_the_same(labels: NDArray[np.int64]) -> None:
    one, other = (plant(labels, guess(labels), seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.labels, other.labels)


def test_confusion_is_of_the_true_class() -> None:
    # 40 pictures labelled 0, ten of them confidently 1; 60 labelled 1, all confidently 1
    labels = np.repeat([0, 1], [40, 60])
    sure = np.repeat([0, 1, 1], [30, 10, 60])
    p = np.where(np.arange(2) == sure[:, None], 0.9, 0.1)
    # of 70 that are 1, 10 are labelled 0 (and a twentieth of all ten to each pair: a tenth over two)
    np.testing.assert_allclose(confusion(labels, p), [[0, (0.5 + 1e-3) / 30], [(10.5 + 1e-3) / 70, 0]])


def test_the_weight_that_puts_planted_errors_first_is_chosen() -> None:
    planted = Planted(np.where(np.arange(200) < 20, 1, 0), np.arange(10), np.arange(10, 20))
    right = np.tile([0.9, 0.1], (200, 1))  # the class of all, whatever they are labelled
    even = np.random.default_rng(0).dirichlet([1, 1], 200)
    believed = np.ones(200, np.bool_)
    assert choose_weight([Round(planted, even, right)], believed=believed) == 1.0
    assert choose_weight([Round(planted, right, even)], believed=believed) == 0.0


def simulate(*, n_hard: int, n_easy: int, seed: int) -> Expected:
    """Return what is expected of 10,000 labels: errors of the two kinds, the rest of little doubt."""
    rng = np.random.default_rng(seed)

    def scores(hard: int, easy: int, right: int) -> NDArray[np.float64]:
        return np.concatenate([rng.beta(4, 3, hard), rng.beta(12, 2, easy), rng.beta(1, 30, right)])

    m, n = 500, 10_000
    planted = Planted(np.zeros(n, np.int64), np.arange(m, 2 * m), np.arange(m))
    rest = scores(n_hard, n_easy, n - n_hard - n_easy - 2 * m)
    doubt = np.concatenate([scores(m, m, 0), rest])
    return expect([planted], [doubt], listed=np.ones(n, np.bool_), lengths=(100, 1000), seed=seed)


@pytest.mark.parametrize(("n_hard", "n_easy"), [(1500, 0), (0, 800), (600, 600)])
def test_the_number_of_errors_is_told_whatever_their_kind(n_hard: int, n_easy: int) -> None:
    found = simulate(n_hard=n_hard, n_easy=n_easy, seed=0)
    low, high = found.n_errors_interval
    assert found.n_errors == pytest.approx(n_hard + n_easy, rel=0.15)
    assert low <= n_hard + n_easy <= high
    assert found.yields[0].precision > 0.9
    assert found.yields[1].recall > found.yields[0].recall


def test_where_nothing_is_wrong_hardly_anything_is_expected() -> None:
    found = simulate(n_hard=0, n_easy=0, seed=1)
    assert found.n_errors < 20
    assert found.yields[1].precision < 0.05


def test_intervals_hold_their_figure_and_shares_stay_shares() -> None:
    for one in simulate(n_hard=400, n_easy=200, seed=2).yields:
        assert 0 <= one.precision_interval[0] <= one.precision <= one.precision_interval[1] <= 1
        assert 0 <= one.recall_interval[0] <= one.recall <= one.recall_interval[1] <= 1


def test_without_planted_errors_nothing_is_said() -> None:
    none = np.zeros(0, np.int64)
    planted, doubt = Planted(np.zeros(2, np.int64), none, none), np.array([0.9, 0.1])
    found = expect([planted], [doubt], listed=np.ones(2, np.bool_), lengths=(1,), seed=0)
    assert found == Expected(0.0, (0.0, 2.0), 0, ())


def test_a_round_seen_twice_tells_the_same_number() -> None:
    rng = np.random.default_rng(5)
    planted = Planted(np.zeros(1000, np.int64), np.arange(50), np.arange(50, 100))
    doubt = np.concatenate([rng.beta(4, 3, 100), rng.beta(4, 3, 80), rng.beta(1, 30, 820)])
    listed = np.ones(1000, np.bool_)
    one, two = (expect([planted] * m, [doubt] * m, listed=listed, lengths=(20, 200), seed=0) for m in (1, 2))
    assert two.n_errors == pytest.approx(one.n_errors, rel=0.05)
    assert (one.n_planted, two.n_planted) == (100, 200)


def test_only_listed_labels_are_counted_as_wrong() -> None:
    rng = np.random.default_rng(6)
    planted = Planted(np.zeros(10_000, np.int64), np.arange(500), np.arange(500, 1000))
    doubt = np.concatenate([rng.beta(4, 3, 1000), rng.beta(4, 3, 1600), rng.beta(1, 30, 7400)])
    half = np.ones(10_000, np.bool_)
    half[1000:1800] = False  # half of those that are wrong, not planted, have been answered
    found = expect([planted], [doubt], listed=half, lengths=(200,), seed=0)
    assert found.n_errors == pytest.approx(800, rel=0.15)
    assert found.yields[0].recall == pytest.approx(200 / 800, rel=0.2)


def test_where_every_label_was_answered_nothing_is_said() -> None:
    planted, doubt = Planted(np.zeros(4, np.int64), np.array([0]), np.array([1])), np.linspace(0.1, 0.9, 4)
    found = expect([planted], [doubt], listed=np.zeros(4, np.bool_), lengths=(), seed=0)
    assert found == Expected(0.0, (0.0, 0.0), 0, ())


def test_memory_is_that_of_the_tables_not_a_multiple_of_it() -> None:
    n, k = 20_000, 200
    rng = np.random.default_rng(0)
    p = rng.random((n, k), np.float32)
    p /= p.sum(axis=1, keepdims=True)
    labels, near, alike = rng.integers(0, k, n), rng.integers(0, n, (n, 20)), rng.random((n, 20), np.float32)
    tracemalloc.start()
    try:
        votes = neighbours_vote(labels, near, similarities=alike, n_classes=k)
        planted = plant_errors(labels, p, votes=votes, weight=0.5, seed=0)
        Round(planted, p, votes).doubt(0.5)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert votes.nbytes == p.nbytes == 16_000_000
    assert most < votes.nbytes + 20_000_000  # blocks of 2 MB, a few at once, and arrays (n, 20)


@pytest.mark.parametrize(("n", "rounds"), [(4, 1), (100, 5), (950, 5), (4213, 2), (6000, 1), (100_000, 1)])
def test_few_pictures_are_planted_in_more_often(n: int, rounds: int) -> None:
    assert n_rounds(n) == rounds
