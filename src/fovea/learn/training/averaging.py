"""Averaged weights (EMA): a slow copy of what is learned and of the statistics, put in place for evaluation."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Averages:
    """The exponential average of a network's trainable weights and float buffers.

    The decay at step t is min(decay, (1 + t) / (10 + t)), as in TensorFlow, so that a short training forgets its beginning.
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.n_updates = 0
        self._live = averaged_tensors(network)
        self.tensors = {name: tensor.detach().clone() for name, tensor in self._live.items()}

    def update(self) -> None:
        """Move the averages towards the network's present values."""
        self.n_updates += 1
        decay = min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        live = [tensor.detach() for tensor in self._live.values()]
        torch._foreach_lerp_(list(self.tensors.values()), live, 1 - decay)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the network hold the averages inside the block, and its own values again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, tensor in self._live.items():
            held = self.tensors[name].clone()
            self.tensors[name].copy_(tensor.detach())
            tensor.detach().copy_(held)


def averaged_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return by name what training moves: weights with a gradient, and float buffers."""
    weights = {name: held for name, held in network.named_parameters() if held.requires_grad}
    return weights | {name: held for name, held in network.named_buffers() if held.is_floating_point()}
