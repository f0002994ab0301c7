"""What the tests of the loop train: bright and dark pictures of 8 px, and a network of a hundred weights."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fovea.learn.training import ArrayBatches, Looping, Optimisation, Regularisation, Score, Training

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
