"""Doubts of labels: worked out by hand, and laws that hold for any numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fovea.judge import suspects
from fovea.judge.suspects import doubt_labels, far_out, mix, neighbours_vote


def test_a_nearer_neighbours_vote_weighs_more() -> None:
    labels = np.array([0, 0, 1, 1])
    votes = neighbours_vote(
        labels, np.array([[1, 2]] * 4), similarities=np.array([[0.9, 0.8]] * 4), n_classes=2
    )
    near, far = 1 / (1 + np.exp(-1)), np.exp(-1) / (1 + np.exp(-1))  # e^0 and e^(-10 x 0.1), shared
    np.testing.assert_allclose(votes[0], [(near + 0.02) / 1.04, (far + 0.02) / 1.04])


def test_a_copy_of_the_picture_does_not_vote() -> None:
    counted = np.array([[False, True]] * 3)
    votes = neighbours_vote(
        np.array([0, 1, 0]),
        np.array([[2, 1]] * 3),
        similarities=np.full((3, 2), 0.5),
        n_classes=2,
        counted=counted,
    )
    np.testing.assert_allclose(votes[0], [0.02 / 1.04, 1.02 / 1.04])


def test_where_nobody_votes_all_classes_are_alike() -> None:
    votes = neighbours_vote(
        np.array([0, 1]),
        np.array([[1], [0]]),
        similarities=np.ones((2, 1)),
        n_classes=2,
        counted=np.zeros((2, 1), bool),
    )
    np.testing.assert_allclose(votes, 0.5)


def test_doubt_is_the_other_class_against_the_given_one() -> None:
    p, votes = np.array([[0.2, 0.5, 0.3]]), np.array([[0.25, 0.25, 0.5]])
    found = doubt_labels(np.array([0]), p, votes=votes, weight=1)
    # products 0.05, 0.125, 0.15: the last is the likeliest other
    assert found.suggested.tolist() == [2]
    assert found.doubt[0] == pytest.approx(0.15 / 0.20)
    np.testing.assert_allclose(mix(p, votes, weight=1)[0], np.array([0.05, 0.125, 0.15]) / 0.325)


def test_without_a_weight_the_vote_says_nothing() -> None:
    found = doubt_labels(np.array([0]), np.array([[0.6, 0.4]]), votes=np.array([[0.01, 0.99]]), weight=0)
    assert found.doubt[0] == pytest.approx(0.4)


@given(st.integers(0, 2**32), st.floats(0, 2))
def test_the_given_label_is_never_suggested_and_doubt_is_a_share(seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    p, votes = rng.dirichlet([0.05] * 4, 30), rng.dirichlet([0.05] * 4, 30)
    labels = rng.integers(0, 4, 30)
    found = doubt_labels(labels, p, votes=votes, weight=weight)
    assert ((found.doubt >= 0) & (found.doubt <= 1)).all()
    assert (found.suggested != labels).all()
    mixed = mix(p, votes, weight=weight)
    np.testing.assert_allclose(mixed.sum(axis=1), 1)
    likeliest = mixed.argmax(axis=1)
    assert (found.doubt[likeliest == labels] <= 0.5).all()
    assert (found.doubt[likeliest != labels] >= 0.5).all()


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels, indices = rng.integers(0, 7, 50), rng.integers(0, 50, (50, 9))
    p, alike = rng.dirichlet([0.2] * 7, 50), np.sort(rng.random((50, 9)))[:, ::-1]

    def judged() -> list[np.ndarray]:
        votes = neighbours_vote(labels, indices, similarities=alike, n_classes=7)
        found = doubt_labels(labels, p, votes=votes, weight=0.5)
        return [votes, found.doubt, found.suggested]

    whole = judged()
    monkeypatch.setattr(suspects, "_BLOCK_CELLS", 21)
    for one, other in zip(judged(), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_far_out_is_beyond_three_and_a_half_deviations_of_the_logarithms() -> None:
    logs = np.array([0.0, 1, 2, 3, 4])  # quartiles 1 and 3: a deviation of 2 / 1.349, the limit at 7.19
    distances = np.exp(np.append(np.repeat(logs, 100), [7.1, 7.3]))
    assert far_out(distances).nonzero()[0].tolist() == [501]


def test_among_equal_distances_none_is_far_out() -> None:
    assert not far_out(np.ones(10)).any()
