"""What a network's modules put out: run once on a drawn picture, every module's output shape is written down.

In: any torch network of pictures. Out: a `Layer` for each module that ran, in the order in which they finished.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Layer:
    """A module by its path, and the shape of what it puts out for one picture (without the axis of pictures).

    `axis` is the axis of channels, counted with the axis of pictures: 1 for (n, c, h, w) and (n, c), else the last.
    `answers` tells that its output, flattened, is the network's own.
    """

    name: str
    shape: tuple[int, ...]
    axis: int
    answers: bool

    @property
    def n_channels(self) -> int:
        """The number of channels c."""
        return self.shape[self.axis - 1]

    @property
    def space(self) -> tuple[int, ...]:
        """The axes without that of channels: (h, w) of maps, (t,) of tokens, () of vectors; (1, 1) counts as none."""
        rest = tuple(size for axis, size in enumerate(self.shape, start=1) if axis != self.axis)
        return () if set(rest) <= {1} else rest

    @property
    def map_px(self) -> tuple[int, int] | None:
        """Height and width of the maps, None where there are none."""
        space = self.space
        return (space[0], space[1]) if len(space) == 2 else None


def observe(network: "torch.nn.Module", *, size_px: int) -> tuple[Layer, ...]:
    """Run the network on two noisy pictures of `size_px` and return its layers, in the order in which they finished.

    A module that ran several times stands where it ran last; one whose output is no tensor of 2 to 4 axes, the first of
    them that of pictures, is left out. Pictures are square here, so two equal axes of an output are those of space.
    A network on torch's device "meta" has shapes only; of it, the last layers with as many values as it gives answer.
    Raises BackboneError where it cannot be run on such pictures.
    """
    import torch

    outputs: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is not None:
                outputs.pop(name, None)
                outputs[name] = tensor.clone() if tensor.numel() <= _LARGEST_ANSWER else tensor[:0]
                shapes[name] = tuple(tensor.shape)

        return hook

    shapes: dict[str, tuple[int, ...]] = {}
    hooks = [one.register_forward_hook(keep(name)) for name, one in network.named_modules() if name]
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn((_N_PICTURES, 3, size_px, size_px), generator=generator)
    device = next((one.device for one in network.parameters()), pictures.device)
    try:
        with torch.inference_mode():
            answer = first_tensor(network.eval()(pictures.to(device)))
    except (
        RuntimeError,
        AssertionError,
        ValueError,
        TypeError,
    ) as error:  # each network refuses in its own way
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(
            f"The network cannot be run on pictures of {size_px} x {size_px} px ({type(error).__name__}: {reason}). Take "
            "another network, or correct the size that its weights name."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    maps = int(getattr(network, "maps_axis", 0))
    answering = _answering(outputs, shapes, answer)
    return tuple(
        Layer(name=name, shape=shape[1:], axis=_axis(shape[1:], maps=maps), answers=name in answering)
        for name, shape in ((name, shapes[name]) for name in outputs)
        if 2 <= len(shape) <= 4 and shape[0] == _N_PICTURES
    )


_N_PICTURES = 2  # more than one, so that windows counted as pictures are told apart
_LARGEST_ANSWER = 65_536  # larger outputs are no list of classes, and need not be kept


def first_tensor(output: object) -> "torch.Tensor | None":
    """Return a module's output, or its first tensor where it puts out several."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    values: Iterable[object] = output.values() if isinstance(output, dict) else ()
    if isinstance(output, tuple | list):
        values = output
    return next((value for value in values if isinstance(value, torch.Tensor)), None)


def _axis(shape: tuple[int, ...], *, maps: int) -> int:
    """Return the axis of channels of an output: the last for (t, c) and for (h, w, c) with h = w, else the first.

    `maps` is the axis of channels in maps where the network itself knows it (keras's do), else 0.
    """
    if len(shape) == 2:
        return 2
    if len(shape) == 3 and maps:
        return maps
    if len(shape) == 3 and shape[0] == shape[1] != shape[2]:
        return 3
    return 1


def _answering(
    outputs: dict[str, "torch.Tensor"], shapes: dict[str, tuple[int, ...]], answer: "torch.Tensor | None"
) -> set[str]:
    """Return the names of the modules whose output is the network's own."""
    import torch

    if answer is None:
        return set()
    if answer.is_meta:
        sized = (name for name in reversed(outputs))
        return set(takewhile(lambda name: math.prod(shapes[name]) == answer.numel(), sized))
    return {
        name
        for name, output in outputs.items()
        if output.numel() == answer.numel() and torch.equal(output.flatten(), answer.flatten())
    }
