"""Near duplicates: against scikit-learn's cosine similarity, in blocks smaller than the data."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from fovea.judge import leaks
from fovea.judge.leaks import near_duplicates, normalise


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(60, 16))
    return np.concatenate([base, base[:20] + 0.05 * rng.normal(size=(20, 16)), np.zeros((1, 16))])


def pairs_of(found):
    return {tuple(pair) for pair in found[0].tolist()}


@pytest.mark.parametrize("block_bytes", [1, 1000, 10**7])
def test_pairs_within_one_set_are_those_of_the_full_matrix(features, monkeypatch, block_bytes):
    monkeypatch.setattr(leaks, "BLOCK_BYTES", block_bytes)
    cosine = np.triu(cosine_similarity(features), 1)
    expected = {tuple(pair) for pair in np.argwhere(cosine >= 0.9).tolist()}
    assert pairs_of(near_duplicates(features, limit=0.9)) == expected
    assert len(expected) >= 20


@pytest.mark.parametrize("block_bytes", [1, 1000, 10**7])
def test_pairs_across_two_sets_are_those_of_the_full_matrix(features, monkeypatch, block_bytes):
    monkeypatch.setattr(leaks, "BLOCK_BYTES", block_bytes)
    one, other = features[:50], features[50:]
    expected = {tuple(pair) for pair in np.argwhere(cosine_similarity(one, other) >= 0.5).tolist()}
    assert pairs_of(near_duplicates(one, other, limit=0.5)) == expected


def test_the_nearest_pairs_come_first(features):
    pairs, cosines = near_duplicates(features, limit=0.5)
    assert (np.diff(cosines) <= 0).all()
    full = cosine_similarity(features)
    np.testing.assert_allclose(cosines, full[pairs[:, 0], pairs[:, 1]], atol=1e-6)


def test_only_so_many_of_the_nearest_are_kept(features, monkeypatch):
    monkeypatch.setattr(leaks, "BLOCK_BYTES", 1000)
    everything, few = near_duplicates(features, limit=0.1), near_duplicates(features, limit=0.1, max_pairs=7)
    assert pairs_of(few) == {tuple(pair) for pair in everything[0][:7].tolist()}


def test_a_row_of_zeros_is_near_nothing(features):
    assert not (near_duplicates(features, limit=0.01)[0] == 80).any()


def test_nothing_has_no_pairs():
    pairs, cosines = near_duplicates(np.empty((0, 4)), np.ones((3, 4)))
    assert (pairs.shape, cosines.shape) == ((0, 2), (0,))


def test_rows_are_scaled_to_length_one():
    np.testing.assert_allclose(normalise(np.array([[3.0, 4.0], [0, 0]])), [[0.6, 0.8], [0, 0]])
