"""Probabilities of every picture by a probe and its neighbours: better than the probe, calibrated, and fair where it judges."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.judge import fit_temperature, softmax
from fovea.learn import SpreadFit, fit_probe, fit_spread

KNOWN = np.arange(30, dtype=np.int64)
FOLDS = (KNOWN // 2 % 5).astype(np.int64)


def draw(seed: int, *, columns: int = 40) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(400) % 2
    rows = rng.normal(size=(400, columns)) + 1.0
    rows[:, :6] += 2.0 * (2 * labels[:, None] - 1)
    return rows.astype(np.float32), labels.astype(np.int64)


def learn(features: NDArray[np.float32], labels: NDArray[np.int64]) -> SpreadFit:
    return fit_spread(features, labels, known=KNOWN, folds=FOLDS, class_names=("junk", "wanted"))


def log_loss(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def test_neighbours_add_to_what_the_probe_knows() -> None:
    features, labels = draw(1)
    fit = learn(features, labels[:30])
    probe = fit_probe(features[:30], labels[:30], folds=FOLDS, class_names=("junk", "wanted"))
    alone = softmax(probe.head.logits(features), fit_temperature(probe.oof_logits, labels[:30]))
    right, right_alone = ((p[30:].argmax(axis=1) == labels[30:]).mean() for p in (fit.probabilities, alone))
    assert right > right_alone
    assert log_loss(fit.probabilities[30:], labels[30:]) < log_loss(alone[30:], labels[30:])


def test_probabilities_sum_to_one() -> None:
    features, labels = draw(2)
    fit = learn(features, labels[:30])
    assert fit.probabilities.shape == (400, 2)
    assert fit.oof.shape == (30, 2)
    for told in (fit.probabilities, fit.oof):
        assert told.sum(axis=1) == pytest.approx(np.ones(len(told)))


def test_no_label_enters_its_own_out_of_fold_answer() -> None:
    features, labels = draw(3)
    changed = labels[:30].copy()
    changed[0] = 1 - changed[0]
    one, other = (learn(features, some).oof[FOLDS == 0] for some in (labels[:30], changed))
    order = np.argsort(
        one[:, 1]
    )  # the last temperature is of the other folds' labels: what is said keeps its order
    assert np.argsort(other[:, 1]).tolist() == order.tolist()
