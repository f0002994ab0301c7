"""Choosing between classifiers: the simplest stays unless another is better by more than noise."""

import numpy as np
import pytest

from fovea.tasks.train.choose import Candidate, Standing, choose, choose_by_loss

LABELS = np.arange(400) % 4


def logits(share_right, *, seed, sureness=4.0):
    rng = np.random.default_rng(seed)
    wrong = rng.random(400) >= share_right
    answers = np.where(wrong, (LABELS + 1) % 4, LABELS)
    z = rng.normal(size=(400, 4)).astype(np.float32)
    z[np.arange(400), answers] += sureness
    return z


def named(name, z):
    return Candidate(name, z, 1.0)


def test_a_clearly_better_one_is_kept():
    told = choose(
        [named("the probe", logits(0.8, seed=0)), named("fine-tuning", logits(0.95, seed=1))], labels=LABELS
    )
    assert told.chosen == 1
    assert told.standings[1].is_better


def test_the_same_answers_leave_the_first():
    z = logits(0.9, seed=0)
    told = choose([named("the probe", z), named("fine-tuning", z.copy())], labels=LABELS)
    assert told.chosen == 0
    assert told.text == (
        "The probe is kept. On the 400 validation pictures fine-tuning has +0.0 points of accuracy against the probe "
        "(0 answers mended, 0 broken); its Brier score, 0 at best, changes by -0.0000 ± 0.0000: not better by more than noise."
    )


def test_surer_answers_do_not_excuse_more_wrong_ones():
    first = logits(0.90, seed=0, sureness=1.0)
    other = first * 1.0
    other[np.arange(400), LABELS] += 3
    other[:5, 0] = 50  # of which rows 1, 2, 3 belong to other classes
    worse = choose([named("the probe", logits(1.0, seed=3)), named("fine-tuning", other)], labels=LABELS)
    assert worse.chosen == 0


@pytest.mark.parametrize(
    ("gain", "n_fixed", "n_broken", "is_better"),
    [
        (0.012, 5, 5, True),  # the score is better by more than its standard error, 0.01
        (0.005, 9, 3, True),  # six more are right, where chance alone makes 3.5 of twelve (the root of 12)
        (0.005, 7, 5, False),  # neither
        (-0.001, 9, 3, True),  # the score is worse by no more than noise
        (0.012, 4, 5, True),  # one fewer is right, where chance alone makes three of nine
        (-0.011, 9, 3, False),  # more are right, and the score is worse by more than noise
        (0.012, 3, 9, False),  # the score is better, and fewer are right by more than noise
    ],
)
def test_one_is_better_by_score_or_by_right_answers_and_in_neither_worse_by_more_than_noise(
    gain: float, n_fixed: int, n_broken: int, is_better: bool
) -> None:
    told = Standing("b", 380, 400, 0.2, 0.1, gain, 0.01, n_fixed, n_broken, 1.0)
    assert told.is_better is is_better


def test_wrong_labels_that_it_contradicts_firmly_do_not_outweigh_answers_it_mends():
    first = logits(1.0, seed=0, sureness=6.0)
    first[:12] = np.roll(first[:12], 1, axis=1)  # four of these labels are wrong: nobody answers them
    other = logits(1.0, seed=0, sureness=6.0)
    other[:4] = np.roll(other[:4], 1, axis=1) * 4
    told = choose([named("the probe", first), named("fine-tuning", other)], labels=LABELS)
    assert told.chosen == 1
    assert told.standings[1].log_loss > told.standings[0].log_loss


def test_the_best_of_several_is_kept():
    told = choose(
        [named("a", logits(0.7, seed=0)), named("b", logits(0.9, seed=1)), named("c", logits(0.99, seed=2))],
        labels=LABELS,
    )
    assert told.chosen == 2


def test_answers_mended_and_broken_are_counted():
    z = logits(1.0, seed=0, sureness=20.0)
    other = z.copy()
    other[:3] = np.roll(z[:3], 1, axis=1)
    told = choose([named("a", z), named("b", other)], labels=LABELS)
    assert (told.standings[1].n_fixed, told.standings[1].n_broken) == (0, 3)
    assert told.standings[1].accuracy == pytest.approx(397 / 400)


def test_pictures_of_unknown_classes_do_not_count():
    labels = LABELS.copy()
    labels[:40] = -1
    told = choose([named("a", logits(0.9, seed=0)), named("b", logits(0.9, seed=1))], labels=labels)
    assert {one.n for one in told.standings} == {360}


def compared(*losses, is_number=True):
    names = ("the probe", "fine-tuning")
    candidates = [named(name, np.zeros((len(losses[0]), 1), np.float32)) for name in names]
    return choose_by_loss(candidates, losses=[np.array(one, float) for one in losses], is_number=is_number)


def test_numbers_that_are_told_better_by_more_than_a_standard_error_are_kept():
    told = compared([4, 4, 4, 4], [1, 1, 1, 2])
    assert told.chosen == 1
    assert told.text == (
        "Fine-tuning is kept. On the 4 validation pictures fine-tuning has a root mean square error of 1.118, the probe of 2; "
        "the mean squared error changes by -2.75 ± 0.217: better by more than noise."
    )


def test_labels_that_are_told_better_by_less_than_a_standard_error_leave_the_first():
    told = compared([1, 1, 1, 1], [0.1, 0.1, 2, 1.6], is_number=False)
    assert told.chosen == 0
    assert told.text == (
        "The probe is kept. On the 4 validation pictures fine-tuning has a log loss a label of 0.95, the probe of 1; the mean "
        "log loss changes by -0.05 ± 0.431: not better by more than noise."
    )
