"""Pseudo-labels: what they bring where classes lie apart, what is refused, and that no held-out label leaks into its answer."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.learn import ProbeFit, PseudoFit, fit_probe, fit_pseudo

NAMES = ("a", "b", "c")


def draw(n: int, *, seed: int, spread: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return rows of three clusters in 20 columns, of which 3 tell them apart, and their classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    rows = rng.normal(size=(n, 20)) * spread
    rows[np.arange(n), labels] += 4
    return rows.astype(np.float32), labels.astype(np.int64)


def learn(
    features: NDArray[np.float32], labels: NDArray[np.int64], unlabelled: NDArray[np.float32]
) -> tuple[ProbeFit, PseudoFit]:
    folds = (np.arange(len(labels)) // 3 % 5).astype(np.int64)
    probe = fit_probe(features, labels, folds=folds, class_names=NAMES)
    return probe, fit_pseudo(features, labels, unlabelled=unlabelled, folds=folds, probe=probe)


def test_unlabelled_pictures_teach_what_few_labels_cannot() -> None:
    features, labels = draw(315, seed=1, spread=1.5)
    new, truth = draw(600, seed=2, spread=1.5)
    probe, fit = learn(features[:15], labels[:15], features[15:])
    before, after = ((head.logits(new).argmax(axis=1) == truth).mean() for head in (probe.head, fit.head))
    assert fit.rounds[1].is_kept
    assert after > before + 0.03
    assert (fit.added.labels == labels[15:][fit.added.rows]).mean() > before


def test_each_round_adds_its_share_of_every_class() -> None:
    features, labels = draw(330, seed=3, spread=0.5)
    _, fit = learn(features[:30], labels[:30], features[30:])
    assert [one.n_added for one in fit.rounds] == [0, 150, 201]  # half, then 67 %, of 100 a class
    assert np.bincount(fit.added.labels).tolist() == [67, 67, 67]
    assert sorted(set(fit.added.rounds.tolist())) == [1, 2]
    assert ((fit.added.probabilities > 1 / 3) & (fit.added.probabilities <= 1)).all()


@pytest.mark.parametrize("spread", [1.5, 2.5])
def test_probabilities_of_what_was_added_are_calibrated(spread: float) -> None:
    features, labels = draw(1560, seed=4, spread=spread)
    _, fit = learn(features[:60], labels[:60], features[60:])
    share_right = (fit.added.labels == labels[60:][fit.added.rows]).mean()
    assert len(fit.added.rows) > 700
    assert fit.added.probabilities.mean() == pytest.approx(share_right, abs=0.05)


def test_nothing_is_added_that_is_more_likely_wrong_than_right() -> None:
    features, labels = draw(1560, seed=4, spread=2.5)
    _, fit = learn(features[:60], labels[:60], features[60:])
    assert len(fit.added.rows) > 100
    assert fit.added.probabilities.min() >= 0.5
    noise = np.random.default_rng(0).normal(size=(330, 20)).astype(np.float32)
    _, fit = learn(noise[:30], np.arange(30) % 3, noise[30:])
    assert (len(fit.added.rows), len(fit.rounds)) == (0, 1)


@pytest.mark.parametrize("seed", range(6))
def test_a_round_after_which_accuracy_falls_is_not_kept(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(30, dtype=np.int64) % 3
    features = rng.normal(size=(30, 8)).astype(
        np.float32
    )  # nothing to learn: accuracy goes up and down by chance
    probe, fit = learn(features, labels, rng.normal(size=(200, 8)).astype(np.float32))
    kept = [one for one in fit.rounds if one.is_kept]
    assert [one.accuracy for one in kept] == sorted(one.accuracy for one in kept)
    assert (fit.oof_logits.argmax(axis=1) == labels).mean() == kept[-1].accuracy
    assert (fit.head is probe.head) == (len(kept) == 1) == (not len(fit.added.rows))


def test_some_rounds_of_pure_chance_are_refused() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(30, dtype=np.int64) % 3
    draws = [rng.normal(size=(230, 8)).astype(np.float32) for _ in range(6)]
    refused = [not learn(rows[:30], labels, rows[30:])[1].rounds[-1].is_kept for rows in draws]
    assert any(refused)


def test_no_label_enters_its_own_out_of_fold_answer() -> None:
    features, labels = draw(130, seed=5, spread=1.5)
    changed = labels[:30].copy()
    changed[0] = 1  # in fold 0, with rows 1, 2, 15, 16 and 17
    fits = [learn(features[:30], some, features[30:])[1] for some in (labels[:30], changed)]
    same = np.flatnonzero(np.arange(30) // 3 % 5 == 0)
    assert all(len(fit.rounds) > 1 for fit in fits)
    one, other = (fit.oof_logits[same] for fit in fits)
    assert one == pytest.approx(other, abs=1e-4)


def test_the_head_answers_as_the_student_did() -> None:
    features, labels = draw(130, seed=6, spread=1.0)
    _, fit = learn(features[:30], labels[:30], features[30:])
    told = fit.head.logits(features[30:])[fit.added.rows].argmax(axis=1)
    assert (told == fit.added.labels).mean() > 0.97


def test_balanced_a_rare_class_is_answered_more_often() -> None:
    features, labels = draw(930, seed=11, spread=2.5)
    rare = np.flatnonzero((labels != 2) | (np.arange(930) % 15 == 2))  # a fifth of the third class
    features, labels = features[rare], labels[rare]
    folds = (np.arange(60) // 3 % 5).astype(np.int64)
    n_answered = {}
    for balance in (False, True):
        probe = fit_probe(features[:60], labels[:60], folds=folds, class_names=NAMES, balance=balance)
        fit = fit_pseudo(
            features[:60], labels[:60], unlabelled=features[60:], folds=folds, probe=probe, balance=balance
        )
        n_answered[balance] = int((fit.head.logits(features[60:]).argmax(axis=1) == 2).sum())
        assert fit.rounds[1].is_kept
    assert n_answered[True] > n_answered[False]


def test_the_same_input_gives_the_same_answer() -> None:
    features, labels = draw(130, seed=7, spread=1.5)
    first, second = (learn(features[:30], labels[:30], features[30:])[1] for _ in range(2))
    assert first.head.weights.tobytes() == second.head.weights.tobytes()
    assert first.added.rows.tolist() == second.added.rows.tolist()


@pytest.mark.parametrize("n", [1, 2, 20])
def test_few_unlabelled_pictures_are_no_trouble(n: int) -> None:
    features, labels = draw(12 + n, seed=8, spread=0.5)
    _, fit = learn(features[:12], labels[:12], features[12:])
    assert fit.rounds[1].n_added >= 1
    assert fit.added.labels.tolist() == labels[12:][fit.added.rows].tolist()


def test_a_pile_half_of_strangers_is_told_and_hardly_any_is_added() -> None:
    features, labels = draw(330, seed=9, spread=0.8)
    strangers = draw(300, seed=10, spread=0.8)[0][:, ::-1] * np.float32(
        1
    )  # their columns turned round: of no class
    _, fit = learn(features[:30], labels[:30], np.concatenate([features[30:], strangers]))
    assert fit.n_strangers > 250
    assert (fit.added.rows >= 300).mean() < 0.1


def test_a_pile_without_strangers_leaves_none_out() -> None:
    features, labels = draw(330, seed=9, spread=0.8)
    assert learn(features[:30], labels[:30], features[30:])[1].n_strangers == 0
