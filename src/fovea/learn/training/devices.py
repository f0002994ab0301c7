"""What a training computes on and in: the device, the precision of matrix products, the threads."""

import contextlib
import ctypes
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from fovea.errors import InputError
from fovea.features import available_cores
from fovea.features.processor import has_native_bf16
from fovea.nets import choose_device, has_bf16

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of mallopt(3)
_USUAL_MAX = 65_536
_USUAL_THRESHOLD = 32 << 20  # what glibc's own comes to once larger blocks have been freed
_TYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}


@dataclass(frozen=True, slots=True)
class Machine:
    """`device` "cpu", "cuda" or "mps"; `precision` "f32", "bf16" or "f16", in which products are computed; weights stay float32."""

    device: str
    precision: str

    def autocast(self) -> torch.autocast:
        """Return the block in which the forward pass runs; without gradients, weights may change inside it."""
        return torch.autocast(
            self.device,
            dtype=_TYPES[self.precision],
            enabled=self.precision != "f32",
            cache_enabled=torch.is_grad_enabled(),  # else the weights of the first pass answer in all that follow
        )


def choose_machine(*, device: str = "auto", precision: str = "auto") -> Machine:
    """Choose what is asked for, or the best there is: a GPU; bf16 where it is native, f16 on older CUDA, else f32.

    Raises:
        BackboneError: this computer has no such device.
        InputError: f16 anywhere but on CUDA, where its small range would end in zeros.
    """
    device = choose_device(device)
    native = has_native_bf16() if device == "cpu" else has_bf16(device)
    if precision == "auto":
        precision = "bf16" if native else "f16" if device == "cuda" else "f32"
    if precision == "f16" and device != "cuda":
        raise InputError(
            f"The precision 'f16' needs a CUDA device, and this training runs on {device!r}: choose 'bf16' or 'f32'."
        )
    return Machine(device, precision)


@contextlib.contextmanager
def computing(device: str) -> Iterator[None]:
    """Keep torch within the cores this process may use (a container's quota too); give its threads and generators back after.

    On a processor memory that is freed is kept for the next step, and given back at the end.
    """
    before = torch.get_num_threads()
    gpus = list(range(torch.cuda.device_count())) if device == "cuda" else []
    if before > available_cores():
        torch.set_num_threads(available_cores())
    fixed_sizes: Any = torch.backends.cudnn.flags(enabled=True, benchmark=True)  # batches are all of one size
    try:
        with (
            torch.random.fork_rng(gpus),
            fixed_sizes,
            _freed_memory_kept() if device == "cpu" else contextlib.nullcontext(),
        ):
            yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _freed_memory_kept() -> Iterator[None]:
    """Let glibc keep what is freed inside the block; elsewhere the allocator does as it does.

    Every block of more than 32 MB would be mapped anew in every step, and the system clears it page by page: of a step of the
    fast recipe's wide network, 1,000 pictures in bf16, that takes a seventh.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, _USUAL_MAX)
        libc.mallopt(_MMAP_THRESHOLD, _USUAL_THRESHOLD)
        libc.mallopt(_TRIM_THRESHOLD, 2 * _USUAL_THRESHOLD)
        libc.malloc_trim(0)


@contextlib.contextmanager
def threads_at_most(n: int) -> Iterator[None]:
    """Let torch compute with n threads at most; give it its own number back after."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(n, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seed_draws(seed: int, *, device: str) -> None:
    """Seed what dropout and its like draw from (torch.manual_seed, which seeds every device, costs 3 ms without CUDA)."""
    if device == "cuda":
        torch.cuda.manual_seed(seed)
    elif device == "mps":
        torch.mps.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def gpu_bytes(device: str) -> int | None:
    """Return the most memory a CUDA device has held for us, None elsewhere."""
    return int(torch.cuda.max_memory_allocated()) if device == "cuda" else None


def gpu_share(device: str) -> float | None:
    """Return the share of the last second in which a CUDA device computed, None where nothing can tell."""
    if device != "cuda":
        return None
    try:
        return torch.cuda.utilization() / 100
    except Exception:  # of nvidia-ml-py, which is not always there: errors of its own kinds
        return None
