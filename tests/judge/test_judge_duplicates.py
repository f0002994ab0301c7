"""The limit of copies, against strangers drawn from a known law; what stays and what may go, by brute force."""

import numpy as np
import pytest

from fovea.judge.duplicates import FEW, choose_kept, copy_limit, same_scene, scene_ratio


def strangers(n: int, *, power: float, seed: int = 0) -> np.ndarray:
    """Return n differences up to 1 of which n * t**power are expected at t or below."""
    return np.random.default_rng(seed).uniform(size=n) ** (1 / power)


@pytest.fixture(scope="module")
def planted() -> np.ndarray:
    return np.linspace(0.001, 0.2, 200)


def test_without_strangers_nearly_all_planted_copies_and_some_more_are_within(planted):
    found = copy_limit(planted, np.empty(0), precision=0.99)
    edge = np.quantile(planted, 0.99, method="lower")
    assert (found.limit, found.recall) == (pytest.approx(1.25 * edge), 1.0)
    assert (found.precision, found.n_strangers) == (1.0, 0.0)


@pytest.mark.parametrize("power", [3.0, 4.0, 6.0])
def test_strangers_below_the_limit_are_told_within_their_law(planted, power):
    copies = np.tile(planted, 50)
    found = [
        copy_limit(planted, np.append(strangers(4000, power=power, seed=seed), copies), precision=0.9)
        for seed in range(40)
    ]
    expected = [4000 * one.limit**power for one in found]
    assert np.median([one.n_strangers for one in found]) == pytest.approx(np.median(expected), rel=0.35)


def test_few_copies_among_many_strangers_draw_the_limit_in(planted):
    others = strangers(4000, power=3)
    few = copy_limit(planted, others, precision=0.99)
    many = copy_limit(planted, np.append(others, np.tile(planted, 50)), precision=0.99)
    assert few.limit < many.limit
    assert few.n_strangers <= FEW or few.precision >= 0.99
    assert few.recall < many.recall


def test_strangers_far_off_leave_the_copies_found(planted):
    found = copy_limit(planted, np.linspace(0.5, 2, 40), precision=0.99)
    assert found.recall > 0.9
    assert found.limit < 0.5


def test_a_stricter_precision_never_finds_more(planted):
    others = np.append(strangers(4000, power=3), planted)
    limits = [copy_limit(planted, others, precision=p).limit for p in (0.5, 0.9, 0.99, 0.999)]
    assert limits == sorted(limits, reverse=True)


def test_copies_that_were_never_compared_count_as_missed():
    planted = np.array([0.1, 0.1, np.inf, np.inf])
    assert copy_limit(planted, np.empty(0), precision=0.99).recall == 0.5


def test_nothing_planted_finds_nothing():
    found = copy_limit(np.empty(0), np.array([0.1, 0.2]), precision=0.99)
    assert (found.limit, found.recall, found.precision) == (0.0, 0.0, 1.0)


def test_what_goes_is_a_copy_of_one_that_stays():
    # 0 is like 1, and 1 like 2, but 0 and 2 are no copies of each other.
    assert choose_kept([0, 1, 2], [(0, 1), (1, 2)]) == {1: 0}
    assert choose_kept([1, 0, 2], [(0, 1), (1, 2)]) == {0: 1, 2: 1}


@pytest.mark.parametrize("seed", range(10))
def test_nothing_stays_beside_its_copy_and_nothing_goes_without_one(seed):
    rng = np.random.default_rng(seed)
    pairs = {tuple(sorted(pair)) for pair in rng.integers(0, 30, (40, 2)).tolist() if pair[0] != pair[1]}
    order = rng.permutation(30).tolist()
    gone = choose_kept(order, pairs)
    stays = set(range(30)) - set(gone)
    assert all(kept in stays and tuple(sorted((one, kept))) in pairs for one, kept in gone.items())
    assert not [pair for pair in pairs if set(pair) <= stays]


def test_a_scene_is_near_for_both():
    neighbours = np.array([[1, 2], [0, 2], [1, 0]])
    distances = np.array([[0.1, 1.0], [0.1, 1.0], [0.9, 1.0]])
    assert same_scene(neighbours, distances, ratio=0.5).tolist() == [[0, 1]]
    assert same_scene(neighbours, distances, ratio=0.05).tolist() == []


def test_one_neighbour_tells_no_scene():
    assert same_scene(np.array([[1], [0]]), np.array([[0.1], [0.1]]), ratio=0.5).shape == (0, 2)


def test_the_part_of_a_scene_finds_half_of_made_up_shots_but_is_never_loose():
    assert scene_ratio(np.linspace(0, 0.5, 101)) == pytest.approx(0.25)
    assert scene_ratio(np.ones(5)) == 0.45
    assert scene_ratio(np.empty(0)) == 0.0
