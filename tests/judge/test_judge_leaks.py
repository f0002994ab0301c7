"""Near duplicates: against a plain loop over scikit-learn's cosine similarity, in blocks smaller than the data."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from fovea.judge import leaks
from fovea.judge.leaks import near_duplicates, normalise


@pytest.fixture(scope="module")
def features():
    """60 pictures, of which the first 20 come again, a little changed, and one without features."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(60, 16)) + 1
    return np.concatenate([base, base[:20] + 0.1 * rng.normal(size=(20, 16)), np.zeros((1, 16))])


def found_by_loop(features, ratio):
    distance = 1 - cosine_similarity(features)
    np.fill_diagonal(distance, 9)
    return {
        (min(i, j), max(i, j))
        for i, row in enumerate(distance)
        for j in range(len(row))
        if row[j] <= max(ratio * np.sort(row)[4], ratio**2 * np.sort(row)[19])
    }


def pairs_of(found):
    return {tuple(pair) for pair in found[0].tolist()}


@pytest.mark.parametrize("block_bytes", [1, 5000, 10**7])
@pytest.mark.parametrize("ratio", [0.2, 0.5])
def test_pairs_are_those_of_the_plain_loop_in_blocks_of_any_size(features, monkeypatch, block_bytes, ratio):
    monkeypatch.setattr(leaks, "BLOCK_BYTES", block_bytes)
    expected = found_by_loop(features, ratio)
    assert pairs_of(near_duplicates(features, ratio=ratio)) == expected
    assert len(expected) >= 15


@pytest.mark.parametrize("n_marked", [1, 4, 5, 30])
@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.9])
def test_pairs_across_two_parts_are_those_of_all_pairs(features, n_marked, ratio):
    one_of = np.zeros(81, bool)
    one_of[np.random.default_rng(n_marked).choice(80, n_marked, replace=False)] = True
    expected = {(i, j) for i, j in found_by_loop(features, ratio) if one_of[i] != one_of[j]}
    assert pairs_of(near_duplicates(features, ratio=ratio, one_of=one_of)) == expected


def test_across_two_parts_few_rows_are_compared_with_all(features):
    marked = np.arange(81) >= 60
    numbers = leaks._could_pair(normalise(features), marked, ratio=0.5, rows=7)
    assert set(range(60, 81)) <= set(numbers.tolist())
    assert len(numbers) <= 55  # 21 marked, their 20 originals, and a few of the other 40


def test_planted_copies_are_found_and_little_else(features):
    found = pairs_of(near_duplicates(features))
    assert {(i, 60 + i) for i in range(20)} <= found
    assert len(found) <= 23


def test_how_crowded_the_features_are_does_not_matter(features):
    # everything nearly points the same way, as with a backbone whose features are never negative
    crowded = features[:80] + 100
    assert cosine_similarity(crowded).min() > 0.99
    assert {(i, 60 + i) for i in range(20)} <= pairs_of(near_duplicates(crowded))


def test_many_copies_of_one_picture_are_all_found():
    one = np.random.default_rng(1).normal(size=(30, 8))
    pairs = pairs_of(near_duplicates(np.concatenate([one, np.repeat(one[:1], 9, axis=0)])))
    copies = [0, *range(30, 39)]
    assert {(a, b) for a in copies for b in copies if a < b} <= pairs


def test_a_family_of_near_copies_is_found_though_the_fifth_nearest_is_one_too():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 16))
    family = x[:1] + 0.1 * rng.normal(size=(14, 16))
    pairs = pairs_of(near_duplicates(np.concatenate([x, family])))
    inside = [0, *range(200, 214)]
    wanted = {(a, b) for a in inside for b in inside if a < b}
    assert len(wanted & pairs) == len(wanted)
    assert len(pairs - wanted) <= 5


def test_the_nearest_pairs_come_first_with_their_cosine(features):
    pairs, cosines = near_duplicates(features)
    assert (np.diff(cosines) <= 0).all()
    np.testing.assert_allclose(cosines, cosine_similarity(features)[pairs[:, 0], pairs[:, 1]], atol=1e-6)


@pytest.mark.parametrize("block_bytes", [1, 10**7])
def test_only_so_many_of_the_nearest_are_kept(features, monkeypatch, block_bytes):
    monkeypatch.setattr(leaks, "BLOCK_BYTES", block_bytes)
    few = near_duplicates(features, max_pairs=7)
    assert pairs_of(few) == {tuple(pair) for pair in near_duplicates(features)[0][:7].tolist()}


def test_a_picture_without_features_is_nobodys_copy(features):
    assert not (near_duplicates(features, ratio=0.99)[0] == 80).any()


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_pictures_have_no_pairs(n):
    pairs, cosines = near_duplicates(np.ones((n, 4)))
    assert (pairs.shape, cosines.shape) == ((0, 2), (0,))


def test_two_copies_alone_are_found():
    assert near_duplicates(np.ones((2, 4)))[0].tolist() == [[0, 1]]


def test_rows_are_scaled_to_length_one():
    np.testing.assert_allclose(normalise(np.array([[3.0, 4.0], [0, 0]])), [[0.6, 0.8], [0, 0]])


@pytest.mark.parametrize("n", [2, 6, 127, 128, 129, 640, 900])
def test_pairs_are_those_of_the_plain_definition_at_any_number(n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 16)).astype(np.float32)
    x[n // 2] = x[0] + 0.01 * rng.normal(size=16)
    cosine = normalise(x) @ normalise(x).T
    np.fill_diagonal(cosine, -1)
    fifth, twentieth = (np.sort(cosine, axis=1)[:, -min(k, n - 1)] for k in (5, 20))
    reach = np.maximum(0.5 * (1 - fifth), 0.25 * (1 - twentieth))
    wanted = {
        (min(i, j), max(i, j))
        for i, j in np.argwhere(cosine >= 1 - np.maximum(reach, 2e-5)[:, None]).tolist()
    }
    assert {(i, j) for i, j in near_duplicates(x)[0].tolist()} == wanted
