"""The score of answers to validation pictures, by which the best weights are chosen."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fovea.learn.training.history import Score
from fovea.learn.training.losses import Kind, right_answers, usual_criterion

_TEMPERATURES = torch.logspace(-1, 1, 41)


def score(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Score:
    """Return cross-entropy and Brier score of logits (m, k) after the one temperature that suits them best, and the accuracy."""
    answers, y = torch.from_numpy(logits), torch.from_numpy(labels)
    losses = torch.stack([nn.functional.cross_entropy(answers / one, y) for one in _TEMPERATURES])
    best = int(losses.argmin())
    wrong = (answers / _TEMPERATURES[best]).softmax(1) - nn.functional.one_hot(y, answers.shape[1])
    brier = wrong.square().sum(1)
    accuracy = float((answers.argmax(1) == y).float().mean())
    error = float(brier.std(correction=0)) / max(len(y), 1) ** 0.5
    return Score(float(losses[best]), accuracy, len(y), float(brier.mean()), error)


def score_of(
    logits: NDArray[np.float32], labels: NDArray[np.int64] | NDArray[np.float32], *, kind: Kind
) -> Score:
    """Return the loss and the accuracy of logits (m, k); of values R2, of several labels the share that is right."""
    if kind == "class":
        return score(logits, np.asarray(labels, np.int64))
    answers = torch.from_numpy(logits)
    y = torch.from_numpy(np.asarray(labels, np.float32)).reshape(answers.shape)
    loss = float(usual_criterion(kind)(answers, y).mean())
    if kind == "labels":
        return Score(loss, float(right_answers(answers, y, kind=kind).mean()), len(y))
    return Score(loss, 1 - float((answers - y).square().sum() / (y - y.mean(0)).square().sum()), len(y))
