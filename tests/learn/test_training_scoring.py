"""The score by which the best weights are chosen."""

import numpy as np
import pytest

pytest.importorskip("torch")

from fovea.learn.training.scoring import score, score_of


def test_the_score_is_taken_at_the_best_temperature() -> None:
    labels = np.array([0, 0, 0, 1])
    logits = np.array([[10.0, 0], [10, 0], [10, 0], [10, 0]], np.float32)
    # Three of four right, all alike sure: the best sureness is 0.75, its cross-entropy that of a coin of 3 to 1.
    best = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    told = score(logits, labels)
    assert (told.loss, told.accuracy, told.n) == (pytest.approx(best, abs=1e-3), 0.75, 4)
    # By hand: three times 2 * 0.25^2, once 2 * 0.75^2, over four.
    assert told.brier == pytest.approx((3 * 2 * 0.25**2 + 2 * 0.75**2) / 4, abs=1e-2)


def test_several_labels_are_scored_by_the_share_that_is_right() -> None:
    logits = np.array([[1.0, -1.0], [2.0, 3.0]], np.float32)
    found = score_of(logits, np.array([[1, 0], [1, 0]], np.float32), kind="labels")
    assert found.accuracy == 0.75
