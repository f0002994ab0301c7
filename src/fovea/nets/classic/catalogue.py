"""The classic networks by name: what they are, the pictures they take, and building one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import signature
from types import MappingProxyType

import torch
from torch import nn

from fovea.errors import InputError
from fovea.nets.classic import bncnn, dense, fast, lenet, residual
from fovea.nets.classic.parts import initialise, unknown_name
from fovea.nets.classic.views import MultiView


@dataclass(frozen=True, slots=True)
class Classic:
    """A classic network: the least height and width of its pictures, the usual one, and where it is described.

    `init` says how its weights start where nothing is said.
    """

    smallest_px: int
    usual_px: int
    summary: str
    paper: str
    make: Callable[..., nn.Module]
    init: str = "torch's own"


def _residual(depth: int, *, adds: bool) -> Classic:
    kind = "residual" if adds else "plain"
    make = partial(residual.Residual, depth=depth, adds=adds)
    return Classic(residual.SMALLEST_PX, 32, f"{kind} network of {depth} layers", "He 2015", make, "he")


CLASSICS = MappingProxyType(
    {
        "mlp": Classic(1, 28, "fully connected layers, ReLU or logistic", "Rumelhart 1986", dense.Mlp),
        "highway": Classic(
            1, 28, "fully connected layers with gates around them", "Srivastava 2015", dense.Highway
        ),
        "lenet5": Classic(
            lenet.SMALLEST_PX, 28, "LeNet-5 with ReLU and maximum pooling", "LeCun 1998", lenet.LeNet
        ),
        "lenet5-1998": Classic(lenet.SMALLEST_PX, 28, "LeNet-5 as published", "LeCun 1998", lenet.LeNet1998),
        "bncnn": Classic(
            bncnn.SMALLEST_PX,
            32,
            "convolutions with batch normalisation, then dense layers",
            "Ioffe 2015",
            bncnn.BnCnn,
        ),
        "plain20": _residual(20, adds=False),
        "plain56": _residual(56, adds=False),
        "resnet20": _residual(20, adds=True),
        "resnet56": _residual(56, adds=True),
        "fast": Classic(
            fast.SMALLEST_PX,
            32,
            "learns small pictures fast, on a CPU too",
            "Jordan 2024",
            fast.Fast,
            "identity",
        ),
    }
)
"""Classic networks by name; plain and residual ones exist in other depths too (`find_classic`)."""


def find_classic(name: str) -> Classic | None:
    """Return the classic network of a name, also `plainN` and `resnetN` with N = 6 n + 2; None where it is none.

    resnet50 and resnet152 are none: those names are torchvision's networks for large pictures.
    """
    read = residual.read_depth(name)
    return _residual(read[1], adds=read[0]) if read else CLASSICS.get(name)


def build_classic(
    name: str,
    *,
    n_classes: int,
    in_channels: int = 3,
    size_px: int = 32,
    init: str | None = None,
    views: Mapping[str, object] | None = None,
    seed: int = 0,
    **options: object,
) -> nn.Module:
    """Return a classic network with random weights, ready to train.

    It takes normalised pictures, float (n, 3, size_px, size_px), with `in_channels` 1 also (n, 1, ...), and gives
    logits (n, n_classes) by its last layer, `.classifier`.

    Args:
        name: one of `CLASSICS`, or plainN, resnetN with N = 6 n + 2.
        n_classes: the number of logits.
        in_channels: 3, or 1 for a network that averages the channels first.
        size_px: height and width of its pictures.
        init: how weights start, one of `INITS`; None for the network's own way.
        views: {"mirror": bool, "shift_px": int}: answer by the mean over views (`MultiView`).
        seed: of the random weights.
        options: `activation` and `dropout`, and the network's own, as `hidden` of "mlp"; None leaves one to the network. One
            that it does not have may be 0.

    Raises:
        InputError: an unknown name or option, or pictures smaller than the network's smallest input.
    """
    classic = find_classic(name)
    if classic is None:
        raise unknown_name(name, CLASSICS, kind="network")
    check_size(name, size_px, smallest_px=classic.smallest_px, usual_px=classic.usual_px)
    check_options(name, options)
    known = options_of(classic)
    given = {key: value for key, value in options.items() if value is not None and key in known}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = classic.make(n_classes=n_classes, in_channels=in_channels, size_px=size_px, **given)
        if init is not None:
            initialise(network, init)
    return network if views is None else MultiView(network, **views)  # type: ignore[arg-type]


def options_of(classic: Classic) -> dict[str, object]:
    """Return the options of a network's layers and what they are where nothing is said, such as {"activation": "relu"}."""
    bound = classic.make.keywords if isinstance(classic.make, partial) else {}
    told = signature(classic.make).parameters.values()
    return {one.name: one.default for one in told if one.default is not one.empty and one.name not in bound}


def check_options(name: str, options: Mapping[str, object]) -> None:
    """Raise InputError where the classic network `name` has none of these options; what is None or 0 need not be there."""
    classic = find_classic(name)
    if classic is None:
        raise unknown_name(name, CLASSICS, kind="network")
    known = {*options_of(classic), "init"}
    unknown = [key for key, value in options.items() if value and key not in known]
    if not unknown:
        return
    having = [one for one, other in CLASSICS.items() if set(unknown) <= options_of(other).keys()]
    advice = f"such as {', '.join(having)}" if having else "such as one of timm's (--net timm:NAME)"
    raise InputError(
        f"The network {name!r} has no {' and no '.join(unknown)}: leave it out, or take a network that has it, {advice}."
    )


def check_size(name: str, size_px: int, *, smallest_px: int, usual_px: int) -> None:
    """Raise InputError where pictures of `size_px` are smaller than a network's smallest input."""
    if size_px < smallest_px:
        raise InputError(
            f"Pictures of {size_px} x {size_px} px are smaller than the smallest input of {name!r}, {smallest_px} px. "
            f"Enlarge them to {usual_px} px or more, or take --net mlp, which takes any size."
        )
