"""Answers of a network on validation pictures, and their score for choosing the best weights."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fovea.learn.augment import Normalise
from fovea.learn.scratch.batches import Pixels
from fovea.learn.training import Score
from fovea.learn.training.losses import Kind, right_answers, usual_criterion

_BATCH = 128  # fits the processor's caches
_TEMPERATURES = torch.logspace(-1, 1, 41)


@torch.no_grad()
def answer(network: nn.Module, pixels: Pixels, *, normalise: Normalise) -> NDArray[np.float32]:
    """Return logits float32 (m, k) of a network in evaluation mode for uint8 (m, h, w, c), on the network's device."""
    device = next(network.parameters()).device
    parts = []
    for begin in range(0, len(pixels), _BATCH):
        rows = torch.from_numpy(np.array(pixels[begin : begin + _BATCH])).to(device)
        parts.append(network(normalise(rows.permute(0, 3, 1, 2))).float().cpu())
    return torch.cat(parts).numpy()


def score(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Score:
    """Return the cross-entropy of logits (m, k) after the one temperature that suits them best, and the accuracy."""
    answers, y = torch.from_numpy(logits), torch.from_numpy(labels)
    losses = [float(nn.functional.cross_entropy(answers / one, y)) for one in _TEMPERATURES]
    return Score(min(losses), float((answers.argmax(1) == y).float().mean()), len(y))


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
