"""What a batch size needs in memory, from a forward pass of a few pictures; a batch that does not fit is refused."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fovea.errors import InputError
from fovea.learn.training.devices import Machine, choose_machine
from fovea.learn.training.settings import Training

_REMEMBERED = {
    "sgd": 0,
    "momentum": 1,
    "nesterov": 1,
    "adagrad": 1,
    "rmsprop": 2,
    "muon": 1,
}  # numbers a weight; else 2
_AT_WORK = (
    1.5  # what kernels and the backward pass hold for a moment, over what is kept for it (measured: lab log)
)
_LAYOUTS = 2  # copies of filters in the kernels' own order, for the forward and the backward pass (oneDNN)
_FILTERS = 4  # dimensions of a convolution's weights
_USABLE = 0.9  # of what is free


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a step: `fixed_bytes` for weights, gradients, optimiser and copies; `picture_bytes` a picture of the batch."""

    fixed_bytes: int
    picture_bytes: int

    def of(self, batch_size: int) -> int:
        """Return the bytes of a step with this many pictures."""
        return self.fixed_bytes + batch_size * self.picture_bytes

    def largest_batch(self, free_bytes: int) -> int:
        """Return how many pictures fit into nine tenths of what is free; 0 where the network alone does not."""
        return max(0, math.floor((_USABLE * free_bytes - self.fixed_bytes) / self.picture_bytes))


def forecast_memory(network: nn.Module, x: Tensor, *, settings: Training) -> Memory:
    """Forecast what training needs, from the tensors that a forward pass keeps for its backward pass.

    Args:
        network: as it will be trained; what is frozen keeps nothing.
        x: float (n, ...), as the network takes it; its first picture is used.
        settings: the optimiser, the precision and EMA count.
    """
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    two, three = (_kept_bytes(network, x[:1], n=n, machine=machine) for n in (2, 3))
    a_picture = three - two  # the rest, two - 2 * a_picture, does not grow: weights cast to bf16, say
    learned = sum(weight.nbytes for weight in network.parameters() if weight.requires_grad)
    held = sum(tensor.nbytes for tensor in [*network.parameters(), *network.buffers()])
    times = 2 + _REMEMBERED.get(settings.optimisation.optimizer, 2) + bool(settings.regularisation.ema)
    filters = sum(weight.nbytes for weight in network.parameters() if weight.ndim == _FILTERS)
    fixed = held + learned * times + filters * _LAYOUTS + max(0, two - 2 * a_picture)
    return Memory(fixed, max(1, round(_AT_WORK * a_picture) + x[:1].nbytes))


def free_bytes(device: str = "cpu", *, root: Path = Path("/")) -> int | None:
    """Return what a device can still give: a GPU, or the computer within its container's limit; None where nothing is known."""
    if device == "cuda":
        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # by torch, for what comes next
        return int(torch.cuda.mem_get_info()[0]) + kept
    available = _meminfo(root / "proc/meminfo")
    group = root / "sys/fs/cgroup"
    limit, used = _number(group / "memory.max"), _number(group / "memory.current")
    left = None if limit is None or used is None else max(0, limit - used + _cached(group / "memory.stat"))
    known = [value for value in (available, left) if value is not None]
    return min(known) if known else None


def require_memory(memory: Memory, *, batch_size: int, free: int | None) -> None:
    """Raise InputError where a batch needs more memory than is free; the size that fits is named. None: nothing is known."""
    if free is None or memory.of(batch_size) <= _USABLE * free:
        return
    fits = memory.largest_batch(free)
    needs = (
        f"would need {describe_bytes(memory.of(batch_size))} of memory, and {describe_bytes(free)} are free"
    )
    if fits < 1:
        raise InputError(
            f"A batch of {batch_size:,} pictures {needs}: not even one picture fits. Choose a smaller network or smaller pictures."
        )
    raise InputError(f"A batch of {batch_size:,} pictures {needs}. Use --batch-size {fits} or less.")


def describe_bytes(n: int) -> str:
    """Return "1.5 GB", or below one "12 MB"."""
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{max(1, round(n / 1e6)):,} MB"


def _kept_bytes(network: nn.Module, x: Tensor, *, n: int, machine: Machine) -> int:
    """Return the bytes that the forward pass of n pictures keeps, those of the weights themselves left out."""
    own = {tensor.untyped_storage().data_ptr() for tensor in [*network.parameters(), *network.buffers()]}
    kept: dict[
        int, Tensor
    ] = {}  # held by their storage until all are counted, so that no address comes twice

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            kept[place] = tensor
        return tensor

    device = next(network.parameters()).device
    modes = [(layer, layer.training) for layer in network.modules()]
    statistics = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.train()
    with (
        torch.random.fork_rng([]),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        machine.autocast(),
    ):
        outputs = network(x.to(device).repeat(n, *[1] * (x.ndim - 1)))
    for layer, mode in modes:
        layer.training = mode
    for name, buffer in network.named_buffers():
        buffer.copy_(statistics[name])
    del outputs
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def _meminfo(file: Path) -> int | None:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def _cached(file: Path) -> int:
    """Return the bytes of files that a container's memory holds, which it gives up when asked for more."""
    try:
        lines = [line.split() for line in file.read_text(encoding="ascii").splitlines()]
        return sum(int(value) for name, value in lines if name in {"active_file", "inactive_file"})
    except (OSError, ValueError):
        return 0


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max" is no limit
        return None
