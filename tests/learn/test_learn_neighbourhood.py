"""Probabilities heard from neighbours: against a dense second computation, and what must hold for any rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fovea.learn import find_neighbourhood
from fovea.learn.neighbourhood import N_NEIGHBOURS, SHARE_HEARD


def test_who_is_heard_is_the_symmetric_graph_of_nearest_neighbours() -> None:
    rows = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = unit.astype(np.float64) @ unit.T.astype(np.float64)
    np.fill_diagonal(cosine, -2)
    weights = np.zeros((40, 40))
    for k, row in enumerate(cosine):
        near = np.argsort(-row, kind="stable")[:N_NEIGHBOURS]
        weights[k, near] = np.maximum(row[near], 0) ** 3
    weights += weights.T
    root = np.sqrt(weights.sum(axis=1))
    expected = weights / np.outer(root, root)
    assert np.allclose(find_neighbourhood(rows).weights.toarray(), expected, atol=1e-5)


def test_spreading_comes_near_its_closed_form() -> None:
    rows = np.random.default_rng(2).normal(size=(30, 4)).astype(np.float32)
    found = find_neighbourhood(rows)
    given_ = np.random.default_rng(3).dirichlet(np.ones(3), size=30)
    exact = np.linalg.solve(np.eye(30) - SHARE_HEARD * found.weights.toarray(), given_)
    assert found.spread(given_) == pytest.approx(exact / exact.sum(axis=1, keepdims=True), abs=5e-3)


def test_loudness_is_the_sum_of_what_is_heard_of_each() -> None:
    rows = np.random.default_rng(4).normal(size=(100, 4)).astype(np.float32)
    found = find_neighbourhood(rows)
    each = (1 - SHARE_HEARD) * np.linalg.inv(np.eye(100) - SHARE_HEARD * found.weights.toarray())
    speaking = np.arange(70)  # more than are worked on together
    everybody, others = found.loudness(speaking)
    assert everybody == pytest.approx(each[:, speaking].sum(axis=1), abs=0.02)
    alone = each[speaking][:, speaking].sum(axis=1) - np.diag(each)[speaking]
    assert others == pytest.approx(alone, abs=0.02)


def test_of_many_rows_some_that_lie_among_all_of_them_say_how_loud_the_others_are() -> None:
    rows = np.random.default_rng(5).normal(size=(900, 4)).astype(np.float32)
    found = find_neighbourhood(rows)
    each = (1 - SHARE_HEARD) * np.linalg.inv(np.eye(900) - SHARE_HEARD * found.weights.toarray())
    everybody, others = found.loudness(np.arange(800))
    assert everybody == pytest.approx(each[:, :800].sum(axis=1), abs=0.02)
    assert len(others) == 256
    alone = each[:800, :800].sum(axis=1) - np.diag(each)[:800]
    assert np.quantile(others, (0.1, 0.5, 0.9)) == pytest.approx(
        np.quantile(alone, (0.1, 0.5, 0.9)), abs=0.05
    )


@given(st.integers(0, 1000), st.integers(2, 40))
def test_what_is_heard_stays_a_probability(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(m, 3)).astype(np.float32)
    rows[0] = 0  # like nothing
    heard = find_neighbourhood(rows).spread(rng.dirichlet(np.ones(4), size=m))
    assert (heard >= 0).all()
    assert heard.sum(axis=1) == pytest.approx(np.ones(m))


def test_a_doubtful_picture_among_its_like_takes_their_answer() -> None:
    rows = np.concatenate([np.tile([1.0, 0.1], (20, 1)), np.tile([0.1, 1.0], (20, 1))]).astype(np.float32)
    answers = np.repeat([[0.9, 0.1], [0.1, 0.9]], 20, axis=0)
    answers[0] = [0.4, 0.6]
    assert find_neighbourhood(rows).spread(answers)[0, 0] > 0.6
