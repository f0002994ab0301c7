"""Which places of a network are taken as features, and the wrapper that pools them in one pass.

In: uint8 (n, h, w, 3) RGB. Out: float32 (n, d): each place's mean over space, for some its maximum too; what the network
itself calls a picture, as a softmax.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fovea.errors import BackboneError

if TYPE_CHECKING:
    from typing import TypeAlias

    import torch

    TorchNetwork: TypeAlias = torch.nn.Module  # by these names other rooms annotate without importing torch
    TorchTensor: TypeAlias = torch.Tensor


@dataclass(frozen=True, slots=True)
class Place:
    """A module of a network by its path, and how its output is pooled over space.

    "mean", "max", or "root": the mean's square root with its sign, which evens out a few strong channels. "softmax", of
    logits, which have no space: the fourth root of their softmax, in which the second and third guess count too.
    """

    module: str
    pool: str

    @property
    def name(self) -> str:
        """The stage's name, as in `blocks.6:mean`."""
        return f"{self.module}:{self.pool}"


def _means(*modules: str) -> tuple[Place, ...]:
    """Return the mean of every module, and the maximum of the last."""
    return (*(Place(module, "mean") for module in modules), Place(modules[-1], "max"))


def _roots(*modules: str) -> tuple[Place, ...]:
    """Return the mean's root of every module."""
    return tuple(Place(module, "root") for module in modules)


# By the beginning of an architecture's name, the longest that fits. Better places are put here.
_PLACES: dict[str, tuple[Place, ...]] = {
    # Widened maps inside the blocks, behind the depthwise convolution, the last convolution's, and the 1,000 answers:
    # measured in lab/LOG.md, against the blocks' outputs.
    "timm/mobilenetv2": (
        *_roots("blocks.3.3.bn2", "blocks.4.2.bn2", "blocks.5.0.bn2", "blocks.5.1.bn2", "blocks.5.2.bn2"),
        *_roots("blocks.6.0.bn2", "bn2"),
        Place("classifier", "softmax"),
    ),
    "torchvision/squeezenet1_1": _means(
        "features.7", "features.9", "features.10", "features.11", "features.12"
    ),
    "torchvision/resnet": _means("layer2", "layer3", "layer4"),
    "torchvision/mobilenet_v2": _means(
        "features.10", "features.13", "features.16", "features.17", "features.18"
    ),
}


def places_of(network: "torch.nn.Module", *, library: str, architecture: str) -> tuple[Place, ...]:
    """Return the places to take: the table's, else what timm says of its own network.

    Raises BackboneError where neither knows.
    """
    key = f"{library}/{architecture}"
    fitting = [known for known in _PLACES if key.startswith(known)]
    if fitting:
        return _PLACES[max(fitting, key=len)]
    told: Any = getattr(network, "feature_info", None)
    modules = [str(stage["module"]) for stage in told] if isinstance(told, list) else []
    if not modules:
        raise BackboneError(
            f"no places to take features from are known for {key!r}. Known are names beginning with "
            f"{', '.join(sorted(_PLACES))}, and timm's networks that describe their stages."
        )
    return _means(*modules[-3:])


def pooled_network(
    network: "torch.nn.Module", *, places: tuple[Place, ...], mean: Any, std: Any
) -> "torch.nn.Module":
    """Return a module from uint8 (n, h, w, 3) to float32 (n, d): normalised (as 0..1 values), run, pooled."""
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.outputs: dict[str, torch.Tensor] = {}
            self.widths: list[tuple[str, int]] = []
            self.shift: torch.Tensor
            self.scale: torch.Tensor
            self.register_buffer("shift", 255 * torch.tensor(mean, dtype=torch.float32).reshape(1, 3, 1, 1))
            self.register_buffer("scale", 255 * torch.tensor(std, dtype=torch.float32).reshape(1, 3, 1, 1))
            for name in {place.module for place in places}:
                network.get_submodule(name).register_forward_hook(self._keep(name))

        def _keep(self, name: str) -> Any:
            def hook(module: Any, inputs: Any, output: torch.Tensor) -> None:
                self.outputs[name] = output

            return hook

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            planes = pixels.permute(0, 3, 1, 2).to(torch.float32)
            self.network((planes - self.shift) / self.scale)
            pooled = [_pool(self.outputs[place.module], place.pool) for place in places]
            self.widths = [(place.name, part.shape[1]) for place, part in zip(places, pooled, strict=True)]
            self.outputs.clear()
            return torch.cat(pooled, dim=1)

    return Pooled().eval()


def stage_widths(pooled: "torch.nn.Module") -> list[tuple[str, int]]:
    """Return name and number of columns of every stage of a pooled network that has run at least once."""
    return [(name, int(width)) for name, width in cast("Any", pooled).widths]


def stages_version() -> str:
    """Return a short name of the table of places, so that a changed table converts weights again."""
    return hashlib.sha256(repr(sorted(_PLACES.items())).encode()).hexdigest()[:8]


def _pool(output: "torch.Tensor", pool: str) -> "torch.Tensor":
    """Pool (n, c, h, w) or tokens (n, t, c) to (n, c), logits (n, c) to as many."""
    if pool == "softmax":
        return output.flatten(1).float().softmax(1).sqrt().sqrt()
    axes = {4: (2, 3), 3: (1,)}.get(output.ndim)
    if axes is None:
        raise BackboneError(
            f"a place with an output of {output.ndim} axes cannot be pooled; 3 or 4 are needed."
        )
    if pool == "max":
        return output.amax(axes)
    mean = output.mean(axes)
    return mean.sign() * mean.abs().sqrt() if pool == "root" else mean
