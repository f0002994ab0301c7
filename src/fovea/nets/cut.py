"""A network cut in two at the start of one of its modules: what is frozen below is computed once, what learns is above.

The part above runs the whole network's own code with everything that lies before the cut replaced by zeros that cost nothing,
and the stored values put in where the cut is: so any network whose only way past the cut is that module's input can be cut.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fovea.nets.trainable import Headed

_SAME = 1e-3  # of the largest answer: the two halves together against the whole


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a network is cut: the first module above, the outermost modules that are done before it, and what crosses it.

    `shape` is that of the crossing values of one picture; `n_below` counts the places of the head below, `widths` their columns.
    """

    module: str
    before: tuple[tuple[str, tuple[int, ...]], ...]
    shape: tuple[int, ...]
    known: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def n_crossing(self) -> int:
        """The number of values of a picture that cross the cut."""
        n = 1
        for size in self.shape:
            n *= size
        return n


class _ReachedError(Exception):
    """The cut is reached: nothing behind it is of interest."""


class Below(nn.Module):
    """The part below a cut: uint8 (n, h, w, 3) -> float32 (n, d), what crosses the cut, then the pooled places below it."""

    def __init__(self, headed: Headed, cut: Cut, *, mean: Any, std: Any) -> None:
        super().__init__()
        self.headed, self.cut = headed, cut
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", 255 * torch.tensor(mean, dtype=torch.float32).reshape(1, 3, 1, 1))
        self.register_buffer("scale", 255 * torch.tensor(std, dtype=torch.float32).reshape(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Run the network up to the cut."""
        x = (pixels.permute(0, 3, 1, 2).to(torch.float32) - self.shift) / self.scale
        crossing: list[Tensor] = []

        def reach(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            crossing.append(inputs[0])
            raise _ReachedError

        hook = self.headed.network.get_submodule(self.cut.module).register_forward_pre_hook(reach)
        try:
            self.headed.network(x)
        except _ReachedError:
            pass
        finally:
            hook.remove()
        pooled = [self.headed.parts[number] for number in self.cut.known]
        self.headed.parts.clear()
        return torch.cat([one.flatten(1).float() for one in (crossing[0], *pooled)], dim=1)


class Above(nn.Module):
    """The part above a cut: values (n, d) of `Below` -> logits (n, k). Only inside `cut_off` is what lies below left out."""

    def __init__(self, headed: Headed, cut: Cut, *, size_px: tuple[int, int]) -> None:
        super().__init__()
        self.headed, self.cut, self.size_px = headed, cut, size_px
        self.crossing: list[Tensor] = []
        self.hook = headed.network.get_submodule(cut.module).register_forward_pre_hook(self._put_in)

    def close(self) -> None:
        """Leave the network as it was."""
        self.hook.remove()

    def _put_in(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        return (self.crossing.pop(), *inputs[1:]) if self.crossing else None

    def forward(self, values: Tensor) -> Tensor:
        """Return the logits."""
        return self.headed.answer(self.features(values))

    def features(self, values: Tensor) -> Tensor:
        """Return what the head reads: float32 (n, d)."""
        crossing, *pooled = torch.split(values, [self.cut.n_crossing, *self.cut.widths], dim=1)
        x = crossing.reshape(len(values), *self.cut.shape)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        self.crossing.append(x)
        self.headed.parts.update(zip(self.cut.known, pooled, strict=True))
        return self.headed.features(values.new_zeros(()).expand(len(values), 3, *self.size_px))


class _Nothing(nn.Module):
    """Zeros of the shape that a module would put out, in the memory of one number."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        return x.new_zeros(()).expand(len(x), *self.shape)


def find_cut(headed: Headed, module: str, *, size_px: tuple[int, int]) -> Cut | None:
    """Return the cut before a module of `headed.network`, or None where more than the module's input passes it.

    `size_px` is (height, width) of the pictures.
    """
    done, shape, x = _run_up_to(headed, module, size_px=size_px)
    if not shape or not done:
        return None
    before = tuple((name, held) for name, held in done.items() if not _is_inside(name, done))
    known = tuple(number for number, place in enumerate(headed.places) if place.module in done)
    with torch.no_grad():
        headed.network(x)
        widths = tuple(headed.parts[number].shape[1] for number in known)
        headed.parts.clear()
        cut = Cut(module, before, shape, known, widths)
        below = Below(headed, cut, mean=(0, 0, 0), std=(1 / 255,) * 3).to(x.device)
        values = below(x.permute(0, 2, 3, 1))
        above = Above(headed, cut, size_px=size_px)
        try:
            with cut_off(headed, cut):
                pooled = above.features(values)
        except Exception:  # each network fails in its own way
            return None
        finally:
            above.close()
        whole = headed.features(x)
    same = float((pooled - whole).abs().max()) <= _SAME * float(whole.abs().max())
    return cut if same and pooled.shape == whole.shape else None


def _run_up_to(
    headed: Headed, module: str, *, size_px: tuple[int, int]
) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...], Tensor]:
    """Return the modules that are done before `module` begins, with the shapes of what they put out, and its input's shape."""
    network = headed.network.eval()
    done: dict[str, tuple[int, ...]] = {}
    shapes: list[tuple[int, ...]] = []

    def finish(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not shapes and isinstance(output, Tensor):
                done[name] = tuple(output.shape[1:])

        return hook

    def reach(module: nn.Module, inputs: Any) -> None:
        shapes.append(tuple(inputs[0].shape[1:]))

    hooks = [one.register_forward_hook(finish(name)) for name, one in network.named_modules() if name]
    hooks.append(network.get_submodule(module).register_forward_pre_hook(reach))
    x = torch.randn(2, 3, *size_px, generator=torch.Generator().manual_seed(0)).to(_device_of(network))
    try:
        with torch.no_grad():
            headed.features(x)
    finally:
        for hook in hooks:
            hook.remove()
    return done, shapes[0] if len(shapes) == 1 else (), x


def _device_of(network: nn.Module) -> torch.device:
    return next((one.device for one in network.parameters()), torch.device("cpu"))


def _is_inside(name: str, done: dict[str, tuple[int, ...]]) -> bool:
    return any(name.startswith(f"{other}.") for other in done)


@contextmanager
def cut_off(headed: Headed, cut: Cut) -> Iterator[None]:
    """Leave out what lies before the cut meanwhile."""
    held = {name: headed.network.get_submodule(name) for name, _ in cut.before}
    try:
        for name, shape in cut.before:
            headed.network.set_submodule(name, _Nothing(shape))
        yield
    finally:
        for name, module in held.items():
            headed.network.set_submodule(name, module)
