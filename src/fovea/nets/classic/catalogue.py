"""The classic networks by name: what they are, the pictures they take, and building one."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import nn

from fovea.errors import InputError
from fovea.nets.classic import dense, lenet
from fovea.nets.classic.parts import check_name, initialise


@dataclass(frozen=True, slots=True)
class Classic:
    """A classic network: the least height and width of its pictures, the usual one, and where it is described."""

    smallest_px: int
    usual_px: int
    summary: str
    paper: str
    make: Callable[..., nn.Module]


CLASSICS = MappingProxyType(
    {
        "mlp": Classic(1, 28, "fully connected layers", "Rumelhart 1986", dense.Mlp),
        "lenet5": Classic(
            lenet.SMALLEST_PX, 28, "two convolutions, ReLU, maximum pooling", "LeCun 1998", lenet.LeNet
        ),
    }
)


def build_classic(
    name: str,
    *,
    n_classes: int,
    in_channels: int = 3,
    size_px: int = 32,
    activation: str | None = None,
    init: str | None = None,
    dropout: float | None = None,
    seed: int = 0,
    **kwargs: object,
) -> nn.Module:
    """Return a classic network with random weights, ready to train; None leaves a choice to the network.

    It takes normalised pictures, float (n, 3, size_px, size_px), with `in_channels` 1 also (n, 1, ...), and gives
    logits (n, n_classes) by its last layer, `.classifier`. `kwargs` are the network's own, as `hidden` of "mlp".
    Raises InputError for an unknown name or option, or pictures smaller than its smallest input.
    """
    check_name(name, CLASSICS, kind="network")
    classic = CLASSICS[name]
    if size_px < classic.smallest_px:
        raise InputError(
            f"pictures of {size_px} x {size_px} px are smaller than the smallest input of {name!r}, "
            f"{classic.smallest_px} px. Enlarge them (--size {classic.usual_px}), or take --net mlp, which takes any size."
        )
    options = {"activation": activation, "dropout": dropout, **kwargs}
    given = {key: value for key, value in options.items() if value is not None}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network = classic.make(n_classes=n_classes, in_channels=in_channels, size_px=size_px, **given)
        except TypeError as error:
            raise InputError(f"{name!r} cannot be built with {given}: {error}.") from error
        if init is not None:
            initialise(network, init)
    return network
