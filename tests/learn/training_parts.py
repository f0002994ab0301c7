"""What the tests of the loop train: bright and dark pictures of 8 px, and a network of a hundred weights."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fovea.learn.training import (
    ArrayBatches,
    Batch,
    History,
    Looping,
    Optimisation,
    Regularisation,
    Score,
    Training,
    train_network,
)

torch.set_num_threads(1)


def pictures(n: int = 64, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return x float32 (n, 3, 8, 8) and y int64 (n,): 1 where a picture is brighter than it is dark."""
    x = np.random.default_rng(seed).normal(size=(n, 3, 8, 8)).astype(np.float32)
    y = np.arange(n) % 2
    return x + np.where(y, 0.5, -0.5).astype(np.float32)[:, None, None, None], y


def tiny_network(*, dropout: float = 0.0, norm: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(4 * 36, 2),
    )


def batches(n: int = 64, *, batch_size: int = 16) -> ArrayBatches:
    return ArrayBatches(*pictures(n), batch_size=batch_size, seed=0)


def settings(
    *, optimizer: str = "momentum", epochs: int = 2, ema: float | None = None, **looping: object
) -> Training:
    return Training(
        Optimisation(optimizer=optimizer, lr=0.01, schedule="constant", warmup=0.0, clip=None),
        Regularisation(ema=ema),
        Looping(epochs=epochs, precision="f32", device="cpu", **looping),  # type: ignore[arg-type]
    )


def score(network: nn.Module) -> Score:
    x, y = (torch.from_numpy(array) for array in pictures(32, seed=1))
    outputs = network(x)
    loss = nn.functional.cross_entropy(outputs, y)
    return Score(float(loss), float((outputs.argmax(1) == y).float().mean()), len(y))


def weights_of(network: nn.Module) -> dict[str, NDArray[np.float32]]:
    return {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}


class Stopping(ArrayBatches):
    """Batches that stop like a pulled plug after some steps."""

    left = 5

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        for batch in super().epoch(number, start=start):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield batch


def shared_training(checkpoint: Path | None = None, *, left: int = -1) -> tuple[nn.Module, History]:
    """Train as two processes do and as one does: mixed pictures, weights, averages, batches of 15 pictures and one of 1."""
    x, y = pictures(61)
    network = tiny_network(norm=False)
    weighted = Stopping(x, y, batch_size=15, seed=0, weights=np.linspace(0.5, 2, 61))
    weighted.left = left
    told = settings(ema=0.9)
    told = replace(
        told,
        optimisation=replace(told.optimisation, clip=0.5),
        regularisation=replace(told.regularisation, mixup=0.5, cutmix=1.0),
    )
    return network, train_network(network, weighted, settings=told, evaluate=score, checkpoint=checkpoint)
