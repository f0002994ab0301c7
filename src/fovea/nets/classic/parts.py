"""What the classic networks share: activations and starting weights by name, and how grey pictures enter."""

import difflib
from collections.abc import Callable, Iterable

from torch import Tensor, nn

from fovea.errors import InputError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "none": nn.Identity,
}
"""Activations by the names a user gives."""

INITS: dict[str, Callable[[Tensor], object]] = {
    "xavier": nn.init.xavier_uniform_,  # Glorot 2010, formula 16
    "xavier-normal": nn.init.xavier_normal_,
    "he": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),  # He 2015, formula 10
    "he-uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "lecun": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"),  # LeCun 1998, section 4.6
    "normal": lambda weight: nn.init.normal_(weight, std=0.01),  # Krizhevsky 2012, section 5
    "orthogonal": nn.init.orthogonal_,  # Saxe 2014
    "zeros": nn.init.zeros_,  # to see that nothing comes of it
}
"""Starting weights of convolutions and fully connected layers, whose biases then start at 0."""


def unknown_name(name: str, known: Iterable[str], *, kind: str) -> InputError:
    """Return the error that says `name` is not known, which known one is closest, and which there are."""
    names = list(known)  # all of them in small letters
    near = difflib.get_close_matches(name.strip().lower(), names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return InputError(f"There is no {kind} {name!r}{hint}. There are: {', '.join(names)}.")


def make_activation(name: str) -> nn.Module:
    """Return a new activation layer. Raises InputError for an unknown name."""
    if name not in ACTIVATIONS:
        raise unknown_name(name, ACTIVATIONS, kind="activation")
    return ACTIVATIONS[name]()


def initialise(network: nn.Module, how: str) -> None:
    """Start every convolution and fully connected layer anew as `how` says, in place, biases at 0.

    Raises InputError for an unknown name.
    """
    if how not in INITS:
        raise unknown_name(how, INITS, kind="init")
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            INITS[how](module.weight)
            if module.bias is not None and not isinstance(module, KeepsBias):
                nn.init.zeros_(module.bias)


class KeepsBias(nn.Linear):
    """A fully connected layer whose bias has a starting value of its own."""


class Grey(nn.Module):
    """Average the channels of pictures: (n, c, h, w) -> (n, 1, h, w); how colour enters a network of one channel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean over channels."""
        return x.mean(1, keepdim=True)


def entrance(in_channels: int) -> nn.Module:
    """Return what stands before the first layer of a network of 1 or 3 channels. Raises InputError for others."""
    if in_channels not in (1, 3):
        raise InputError(f"A network for {in_channels!r} channels is not known. Take 3 (colour) or 1 (grey).")
    return Grey() if in_channels == 1 else nn.Identity()


def dropout_layers(share: float) -> list[nn.Module]:
    """Return one dropout layer in a list, or an empty list for a share of 0."""
    return [nn.Dropout(share)] if share else []
