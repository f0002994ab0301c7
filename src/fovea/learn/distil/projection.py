"""A teacher's features, told from a student's own by a linear layer that learns with it and is dropped afterwards (FitNets).

The student's features are what its last linear layer takes (Romero 2015).
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fovea.errors import InputError

_NAME = "to_teacher"


class Projection:
    """The layer beside one student after another, and what it says of the pictures that the student saw last."""

    def __init__(self, n_features: int, *, seed: int) -> None:
        self._n_features, self._seed = n_features, seed
        self._layer: nn.Linear | None = None
        self._seen: Tensor | None = None

    @contextlib.contextmanager
    def beside(self, network: nn.Module, classifier: str) -> Iterator[None]:
        """Let the layer be a child of the network's last linear layer, at the path `classifier`, inside the block.

        So it moves, learns, is averaged and stands in checkpoints as the network's own weights do, and no other layer runs
        it. Raises InputError where the network does not end in a linear layer.
        """
        last = network.get_submodule(classifier)
        if not isinstance(last, nn.Linear):
            raise InputError(
                "This network does not end in a linear layer, so it cannot learn features: leave out --features, or take "
                "another network (--net)."
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            self._layer = nn.Linear(last.in_features, self._n_features)
        last.add_module(_NAME, self._layer)
        hook = last.register_forward_pre_hook(self._look)
        try:
            yield
        finally:
            hook.remove()
            delattr(last, _NAME)
            self._layer = self._seen = None

    def _look(self, last: nn.Module, given: tuple[Tensor, ...]) -> None:
        self._seen = given[0] if last.training else None

    def losses(self, wanted: Tensor) -> Tensor:
        """Return the mean squared error (n,) of the student's last pictures against wanted features (n, f); 0 is best."""
        if self._layer is None or self._seen is None:
            raise RuntimeError("a student's features are told inside `beside`, after it saw pictures")
        told: Tensor = self._layer(self._seen.flatten(1).float())
        return (told - wanted).square().mean(1)
