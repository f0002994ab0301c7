"""How a network fares inside: the length of its gradients by layer, units that never speak, where numbers stopped being numbers."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

_RELUS = (nn.ReLU, nn.ReLU6)


@torch.no_grad()
def gradient_norms(network: nn.Module) -> dict[str, float]:
    """Return the Euclidean norm of the gradient of each layer that learns a matrix or filters, in the order of their making.

    A layer whose gradient is nothing but zeros does not learn (now): what vanishes on its way down leaves something.
    """
    norms = {}
    for name, weights in _layers(network):
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0
        if norm != 0:
            norms[name] = norm
    return norms


@torch.no_grad()
def dead_shares(network: nn.Module, x: Tensor) -> dict[str, float]:
    """Return by ReLU layer the share of units (channels) that answer 0 to every picture of x, at every place.

    The network must be in evaluation mode; a ReLU that runs several times counts each time, with its number behind a dot.
    """
    shares: dict[str, Tensor] = {}

    def look(name: str, output: Tensor) -> None:
        units = output.detach().transpose(0, 1).flatten(1)
        shares[_free(name, shares)] = (units <= 0).all(1).float().mean()

    relus = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, _RELUS)]
    if relus:
        _run_watched(network, x, relus, look)
    return {name: float(share) for name, share in shares.items()}


@torch.no_grad()
def find_non_finite(network: nn.Module, x: Tensor) -> str:
    """Return in words where numbers that are not finite begin: the pictures, a layer's weights, its answers, its gradients."""
    if not torch.isfinite(x).all():
        return "the batch of pictures itself"
    for name, weight in network.named_parameters():
        if not torch.isfinite(weight).all():
            return f"the weight {name!r}"
    found: list[str] = []

    def look(name: str, output: Tensor) -> None:
        if not found and isinstance(output, Tensor) and not torch.isfinite(output).all():
            found.append(name)

    leaves = [(name, layer) for name, layer in network.named_modules() if not any(layer.children())]
    _run_watched(network, x, leaves, look)
    if found:
        return f"the layer {found[0]!r}"
    backwards = reversed(list(network.named_parameters()))
    for name, weight in backwards:
        if weight.grad is not None and not torch.isfinite(weight.grad).all():
            return f"the gradient of {name!r}"
    return "the loss"


def _layers(network: nn.Module) -> Iterator[tuple[str, list[nn.Parameter]]]:
    """Yield each layer that has a weight of two axes or more itself, with its own weights; else the whole network."""
    layers = [
        (name, list(layer.parameters(recurse=False))) for name, layer in network.named_modules() if name
    ]
    layers = [(name, own) for name, own in layers if any(weight.ndim > 1 for weight in own)]
    yield from layers or [("network", list(network.parameters()))]


def _free(name: str, taken: dict[str, Tensor]) -> str:
    names = [name, *(f"{name}.{number}" for number in range(2, len(taken) + 3))]
    return next(one for one in names if one not in taken)


def _run_watched(
    network: nn.Module,
    x: Tensor,
    layers: Sequence[tuple[str, nn.Module]],
    look: Callable[[str, Tensor], None],
) -> None:
    """Run x through the network and show `look` what each of the layers answers."""

    def hook_of(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda layer, given, output: look(name, output)

    hooks = [layer.register_forward_hook(hook_of(name)) for name, layer in layers]
    try:
        network(x)
    finally:
        for hook in hooks:
            hook.remove()
