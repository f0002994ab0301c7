"""Likely label errors from features: real ones come first, copies do not vouch for each other, the number is told."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.judge.suspects import far_out
from fovea.learn import suspects
from fovea.learn.suspects import Suspicion, find_suspects, find_voters

N, K = 600, 3


def draw(*, n_wrong: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """Return features of three clouds, their labels with so many moved to the next class, and which were."""
    rng = np.random.default_rng(seed)
    truth = np.arange(N) % K
    features = rng.normal(size=(N, 12)) + 2.2 * np.eye(K, 12)[truth]
    wrong = np.zeros(N, np.bool_)
    wrong[rng.choice(N, n_wrong, replace=False)] = True
    return features.astype(np.float32), np.where(wrong, (truth + 1) % K, truth), wrong


def find(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    units: NDArray[np.int64] | None = None,
    answered: NDArray[np.bool_] | None = None,
) -> Suspicion:
    rows = np.arange(len(labels))
    return find_suspects(
        features,
        labels,
        compared=features,
        units=rows if units is None else units,
        folds=rows % 5 if units is None else units % 5,
        class_names=["a", "b", "c"],
        answered=answered,
        threads=1,
    )


@pytest.fixture(scope="module")
def noisy() -> tuple[Suspicion, NDArray[np.bool_], NDArray[np.int64]]:
    features, labels, wrong = draw(n_wrong=60)
    return find(features, labels), wrong, labels


def test_wrong_labels_come_first(noisy: tuple[Suspicion, NDArray[np.bool_], NDArray[np.int64]]) -> None:
    found, wrong, _ = noisy
    order = np.argsort(-found.doubts.doubt)
    assert wrong[order[:20]].mean() >= 0.9
    assert wrong[order[:60]].mean() > 0.75


def test_what_is_suggested_is_the_class_they_were_taken_from(
    noisy: tuple[Suspicion, NDArray[np.bool_], NDArray[np.int64]],
) -> None:
    found, wrong, labels = noisy
    order = np.argsort(-found.doubts.doubt)[:40]
    assert (
        found.doubts.suggested[order][wrong[order]] == ((labels[order] - 1) % K)[wrong[order]]
    ).mean() > 0.9


def test_the_number_of_wrong_labels_lies_in_its_interval(
    noisy: tuple[Suspicion, NDArray[np.bool_], NDArray[np.int64]],
) -> None:
    found, wrong, _ = noisy
    low, high = found.expected.n_errors_interval
    assert low <= wrong.sum() <= high
    assert found.expected.yields[0].n == 10
    assert found.expected.yields[-1].n == found.doubted.sum()
    assert found.expected.yields[0].precision_interval[1] > 0.9


def test_answered_labels_are_neither_doubted_nor_counted_as_wrong(
    noisy: tuple[Suspicion, NDArray[np.bool_], NDArray[np.int64]],
) -> None:
    found, wrong, labels = noisy
    features, _, _ = draw(n_wrong=60)
    answered = wrong & (found.doubts.doubt >= 0.5)  # confirmed as they stand, however doubtful
    again = find(features, labels, answered=answered)
    assert not (again.doubted & answered).any()
    assert again.expected.yields[-1].n == again.doubted.sum() == found.doubted.sum() - answered.sum()
    assert again.expected.n_errors < found.expected.n_errors - 0.7 * answered.sum()


def test_the_same_input_gives_the_same_answer() -> None:
    features, labels, _ = draw(n_wrong=10, seed=1)
    one, other = find(features, labels), find(features, labels)
    np.testing.assert_array_equal(one.doubts.doubt, other.doubts.doubt)
    assert one.expected == other.expected


def test_copies_do_not_vouch_for_each_other() -> None:
    features, labels, _ = draw(n_wrong=0)
    middle = features[labels == 0].mean(axis=0)  # one picture five times, labelled as what it is not
    features = np.concatenate([features, np.tile(middle, (5, 1))])
    labels, units = np.append(labels, np.full(5, 1)), np.append(np.arange(N), np.full(5, N))
    found = find(features, labels, units=units)
    assert found.votes[-1, 1] < 0.1
    assert (found.doubts.doubt[-5:] > 0.9).all()


def test_a_picture_far_from_all_has_the_greatest_distance() -> None:
    features, labels, _ = draw(n_wrong=0)
    features[:, 11] = 0
    features[7] = 40 * np.eye(12)[11]
    assert find(features, labels).distances.argmax() == 7


@pytest.mark.parametrize("most_spare", [200, 5])
def test_the_nearest_twenty_of_other_units_vote_however_large_ones_own_is(
    most_spare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "_SPARE", (5, most_spare))
    rng = np.random.default_rng(0)
    features = rng.normal(size=(120, 6)).astype(np.float32)
    units = np.concatenate([np.full(40, 7), np.arange(80) // 4 + 10])
    features[:40] = features[0] + 0.01 * features[:40]  # a clip: each frame's nearest are its own
    indices, cosines, counted = find_voters(features, units, threads=1)
    rows = features.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alike = np.where(units == units[:, None], -np.inf, rows @ rows.T)
    assert counted.all()
    np.testing.assert_array_equal(indices, np.argsort(-alike, axis=1)[:, :20])
    np.testing.assert_allclose(cosines, -np.sort(-alike, axis=1)[:, :20], atol=1e-6)


def test_of_few_others_all_vote_and_nobody_else() -> None:
    features = np.random.default_rng(1).normal(size=(30, 4)).astype(np.float32)
    units = np.where(np.arange(30) < 25, 0, np.arange(30))
    indices, _, counted = find_voters(features, units, threads=1)
    assert counted.sum(axis=1).tolist() == [5] * 25 + [20] * 5
    assert {*indices[0][counted[0]].tolist()} == {25, 26, 27, 28, 29}


def test_the_frames_of_a_clip_among_the_others_are_not_far_out() -> None:
    features, labels, _ = draw(n_wrong=0)
    frames = features[0] + 0.01 * np.random.default_rng(2).normal(size=(40, 12)).astype(np.float32)
    features, labels = np.concatenate([features, frames]), np.append(labels, np.full(40, labels[0]))
    units = np.append(np.arange(N), np.full(40, N))
    assert not far_out(find(features, labels, units=units).distances)[-40:].any()
