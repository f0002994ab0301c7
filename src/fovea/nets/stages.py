"""Pooling the places of a network that are taken as features, all in one pass.

In: uint8 (n, h, w, 3) RGB. Out: float32 (n, d): each place's mean over space, for some its maximum too; fully connected
layers as they are; what the network itself calls a picture, as a softmax.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fovea.errors import BackboneError
from fovea.nets.layers import first_tensor

if TYPE_CHECKING:
    from typing import TypeAlias

    import torch

    TorchNetwork: TypeAlias = torch.nn.Module  # by these names other rooms annotate without importing torch
    TorchTensor: TypeAlias = torch.Tensor

POOLS = ("mean", "max", "root", "flat", "input", "softmax")
"""The ways in which a place's output is pooled; see `Place`."""
WHOLE = "net"
"""What a whole network is called among the names of its stages."""


@dataclass(frozen=True, slots=True)
class Place:
    """A module of a network by its path ("" is the network itself), and how its output is pooled over space.

    "mean", "max", or "root": the mean's square root with its sign, which evens out a few strong channels. "flat": all
    values as they are, of layers without space. "input": the mean of what enters the module, as of the classifier.
    "softmax", of logits, which have no space: the fourth root of their softmax, in which the second and third guess
    count too. `axis` is the axis of channels where there are four: 1, or 3 in networks that keep them last.
    """

    module: str
    pool: str
    axis: int = 1

    @property
    def name(self) -> str:
        """The stage's name, as in `blocks.6:mean`."""
        return f"{self.module or WHOLE}:{self.pool}"


def pooled_network(
    network: "torch.nn.Module", *, places: tuple[Place, ...], mean: Any, std: Any
) -> "torch.nn.Module":
    """Return a module from uint8 (n, h, w, 3) to float32 (n, d): normalised (as 0..1 values), run, pooled.

    Every place is pooled at once when its module has run: a later one may change the tensor in place.
    """
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.places = places
            self.parts: dict[Place, torch.Tensor] = {}
            self.widths: list[tuple[str, int]] = []
            self.shift: torch.Tensor
            self.scale: torch.Tensor
            self.register_buffer("shift", 255 * torch.tensor(mean, dtype=torch.float32).reshape(1, 3, 1, 1))
            self.register_buffer("scale", 255 * torch.tensor(std, dtype=torch.float32).reshape(1, 3, 1, 1))
            self.hooks = []
            for name in dict.fromkeys(place.module for place in places):
                here = [place for place in places if place.module == name]
                self.hooks.append(network.get_submodule(name).register_forward_hook(self._keep(here)))

        def _keep(self, here: list[Place]) -> Any:
            def hook(module: Any, inputs: Any, output: Any) -> None:
                for place in here:
                    tensor = first_tensor(inputs if place.pool == "input" else output)
                    self.parts[place] = pool(cast("torch.Tensor", tensor), place)

            return hook

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            planes = pixels.permute(0, 3, 1, 2).to(torch.float32)
            self.network(((planes - self.shift) / self.scale).to(self.kind()))
            pooled = [self.parts[place].float() for place in places]
            self.widths = [(place.name, part.shape[1]) for place, part in zip(places, pooled, strict=True)]
            self.parts.clear()
            return torch.cat(pooled, dim=1)

        def kind(self) -> torch.dtype:
            """Return what the network computes in."""
            return next((one.dtype for one in self.network.parameters()), torch.float32)

    return Pooled().eval()


def release_network(pooled: "torch.nn.Module") -> "tuple[torch.nn.Module, tuple[Place, ...]]":
    """Return the network inside a pooled one, which pools no more, and the places that were taken."""
    whole = cast("Any", pooled)
    for hook in whole.hooks:
        hook.remove()
    return whole.network, whole.places


def stage_widths(pooled: "torch.nn.Module") -> list[tuple[str, int]]:
    """Return name and number of columns of every stage of a pooled network that has run at least once."""
    return [(name, int(width)) for name, width in cast("Any", pooled).widths]


def pool(output: "torch.Tensor", place: Place) -> "torch.Tensor":
    """Pool (n, c, h, w), (n, h, w, c) or tokens (n, t, c) to (n, c); logits and vectors (n, c) to as many."""
    if place.pool == "softmax":
        return output.flatten(1).float().softmax(1).sqrt().sqrt()
    if place.pool == "flat" or (place.pool == "input" and output.ndim == 2):
        return output.flatten(1)
    axes = {4: (1, 2) if place.axis == 3 else (2, 3), 3: (1,)}.get(output.ndim)
    if axes is None:
        raise BackboneError(
            f"a place with an output of {output.ndim} axes cannot be pooled; 3 or 4 are needed."
        )
    if place.pool == "max":
        return output.amax(axes)
    mean = output.float().mean(axes)
    return mean.sign() * mean.abs().sqrt() if place.pool == "root" else mean
