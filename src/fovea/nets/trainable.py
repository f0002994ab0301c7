"""A network that is about to be trained, and the head that it is trained with.

In: a built network with its weights and its pooled places (as the probe sees them). Out: `Headed`, the same network with a
linear layer (or dense layers) on all those places, standardised: with the probe's numbers in it, it answers as the probe does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fovea.errors import InputError
from fovea.nets.layers import first_tensor
from fovea.nets.stages import Place, pool
from fovea.nets.weights import WeightsCard

ARCHITECTURE = "headed"
Reals: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trainable:
    """A network to be trained further.

    `network` takes normalised float32 (n, 3, h, w) and gives logits; `card` builds it again. `classifier` is the path of its
    last linear layer, "" where it has none. `blocks` hold the paths of modules in running order: what is counted from the
    end when only the last ones shall learn. `places` are what a head reads.
    """

    network: nn.Module
    card: WeightsCard
    classifier: str
    blocks: tuple[tuple[str, ...], ...]
    places: tuple[Place, ...]


class Headed(nn.Module):
    """A network and a head over its pooled places: normalised float (n, 3, h, w) -> logits (n, k)."""

    def __init__(
        self,
        network: nn.Module,
        *,
        places: tuple[Place, ...],
        n_columns: int,
        n_classes: int,
        hidden: tuple[int, ...] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.places = places
        self.mean: Tensor
        self.gain: Tensor
        self.register_buffer("mean", torch.zeros(n_columns))
        self.register_buffer("gain", torch.ones(n_columns))
        self.head = dense_layers(n_columns, n_classes, hidden=hidden, dropout=dropout)
        self.parts: dict[int, Tensor] = {}
        for name in dict.fromkeys(place.module for place in places):
            network.get_submodule(name).register_forward_hook(partial(self._keep, name))

    def _keep(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        for number, place in enumerate(self.places):
            if place.module == name:
                tensor = first_tensor(inputs if place.pool == "input" else output)
                self.parts[number] = pool(cast("Tensor", tensor), place)

    def features(self, x: Tensor) -> Tensor:
        """Return what the head reads, before it is standardised: float32 (n, d)."""
        self.network(x)
        pooled = [self.parts[number].float() for number in range(len(self.places))]
        self.parts.clear()
        return torch.cat(pooled, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits float32 (n, k) of x float (n, 3, h, w)."""
        return self.answer(self.features(x))

    def answer(self, features: Tensor) -> Tensor:
        """Return logits (n, k) of features float32 (n, d)."""
        logits: Tensor = self.head((features - self.mean) * self.gain)
        return logits


def dense_layers(n_in: int, n_classes: int, *, hidden: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Return fully connected layers with ReLU and dropout between them; a single linear layer where `hidden` is empty."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(n_in, width), nn.ReLU(), nn.Dropout(dropout)]
        n_in = width
    return nn.Sequential(*layers, nn.Linear(n_in, n_classes))


def add_head(
    trainable: Trainable,
    *,
    class_names: tuple[str, ...],
    hidden: tuple[int, ...] = (),
    dropout: float = 0.0,
    seed: int = 0,
) -> tuple[Headed, WeightsCard]:
    """Return the network with a new head over its places, and the card that builds it again.

    The head's last layer is all zeros; `start_from` gives it the probe's numbers. Layers below it are random, by `seed`.
    """
    inner = trainable.card
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        headed = Headed(trainable.network, places=trainable.places, n_columns=1, n_classes=1)
        with torch.inference_mode():
            n_columns = headed.features(torch.zeros(1, 3, inner.size_px, inner.size_px)).shape[1]
        headed.head = dense_layers(n_columns, len(class_names), hidden=hidden, dropout=dropout)
    headed.mean, headed.gain = torch.zeros(n_columns), torch.ones(n_columns)
    last = cast("nn.Linear", headed.head[-1])
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    kwargs = {
        "network": {
            "library": inner.library,
            "architecture": inner.architecture,
            "kwargs": dict(inner.kwargs),
            "n_classes": len(inner.class_names),
        },
        "places": [[place.module, place.pool, place.axis] for place in trainable.places],
        "n_columns": n_columns,
        "hidden": list(hidden),
    }
    card = replace(inner, library="fovea", architecture=ARCHITECTURE, kwargs=kwargs, class_names=class_names)
    return headed, card


def stop_unreached(headed: Headed, *, size_px: int) -> frozenset[nn.Parameter]:
    """Let weights that the head does not see (behind the last place) learn no more; return them."""
    with torch.enable_grad():
        features = headed.eval().features(torch.zeros(1, 3, size_px, size_px))
        unreached = unreached_by(features, headed)
    for weight in unreached:
        weight.requires_grad_(False)
    return unreached


def unreached_by(features: Tensor, headed: Headed) -> frozenset[nn.Parameter]:
    """Return the weights of the network under the head that learn, and of which these features do not depend."""
    weights = [weight for weight in headed.network.parameters() if weight.requires_grad]
    gradients: Sequence[Tensor | None] = [None] * len(weights)
    if features.requires_grad and weights:
        gradients = torch.autograd.grad(features.sum(), weights, allow_unused=True)
    return frozenset(weight for weight, gradient in zip(weights, gradients, strict=True) if gradient is None)


def start_from(headed: Headed, *, weights: Reals, bias: Reals, mean: Reals, scale: Reals) -> None:
    """Put a linear head over standardised features into a network, so that it answers just as that head does.

    `weights` (k, d), `bias` (k,), `mean` (d,), `scale` (d,), 0 for columns that are to be ignored. Through dense layers 2 k units
    of each carry the positive and negative parts of the k answers; the others keep their random weights and are not heard
    at first. Raises InputError where a layer has fewer.
    """
    matrix, shift = torch.from_numpy(weights), torch.from_numpy(bias)
    layers = [one for one in headed.head if isinstance(one, nn.Linear)]
    with torch.no_grad():
        headed.mean.copy_(torch.from_numpy(mean))
        headed.gain.copy_(torch.from_numpy(np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)))
        for layer in layers[:-1]:
            n = 2 * len(weights)
            if layer.out_features < n:
                raise InputError(
                    f"A dense layer of {layer.out_features} is too narrow for {len(weights)} classes: it needs {n} units or "
                    f"more to begin with the probe's answers. Give --head mlp:{max(n, 256)}."
                )
            layer.weight[:n] = torch.cat([matrix, -matrix])
            layer.bias[:n] = torch.cat([shift, -shift])
            own = torch.eye(len(weights))
            matrix = torch.zeros(len(weights), layer.out_features)
            matrix[:, :n] = torch.cat([own, -own], dim=1)
            shift = torch.zeros(len(weights))
        layers[-1].weight.copy_(matrix)
        layers[-1].bias.copy_(shift)


def inner_card(card: WeightsCard) -> WeightsCard:
    """Return the card of the network under the head that a card of `add_head` describes."""
    within: Mapping[str, Any] = card.kwargs["network"]
    return replace(
        card,
        library=within["library"],
        architecture=within["architecture"],
        kwargs=dict(within["kwargs"]),
        class_names=tuple(map(str, range(within["n_classes"]))),
    )


def build_headed(card: WeightsCard) -> Headed:
    """Return the network that a card of `add_head` describes, with random weights. Raises BackboneError."""
    from fovea.nets.zoo import build_network

    told: Mapping[str, Any] = card.kwargs
    return Headed(
        build_network(inner_card(card)),
        places=tuple(Place(module, how, axis) for module, how, axis in told["places"]),
        n_columns=int(told["n_columns"]),
        n_classes=len(card.class_names),
        hidden=tuple(told["hidden"]),
    )
