"""Answers of a network to validation pictures."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fovea.learn.augment import Normalise
from fovea.learn.scratch.batches import Pixels

_BATCH = 128  # fits the processor's caches


@torch.no_grad()
def answer(network: nn.Module, pixels: Pixels, *, normalise: Normalise) -> NDArray[np.float32]:
    """Return logits float32 (m, k) of a network in evaluation mode for uint8 (m, h, w, c), on the network's device."""
    device = next(network.parameters()).device
    parts = []
    for begin in range(0, len(pixels), _BATCH):
        rows = torch.from_numpy(np.array(pixels[begin : begin + _BATCH])).to(device)
        parts.append(network(normalise(rows.permute(0, 3, 1, 2))).float().cpu())
    return torch.cat(parts).numpy()
