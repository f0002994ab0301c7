"""Several processes that train one network, each on its share of every batch, as torchrun and accelerate start them."""

import atexit
import gc
import os
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from numpy.typing import NDArray
from torch import distributed, nn


@dataclass(frozen=True, slots=True)
class Processes:
    """This process is number `rank` of `n`; `local` is its number on this computer, which is its GPU's."""

    rank: int = 0
    n: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that evaluates, tells and writes."""
        return self.rank == 0

    def wrap(self, network: nn.Module, *, device: str) -> nn.Module:
        """Return the network with its gradients averaged over all processes, or the network itself where it is alone."""
        if self.n == 1:
            return network
        return nn.parallel.DistributedDataParallel(
            network, device_ids=[self.local] if device == "cuda" else None
        )

    def share(self, n_rows: int) -> slice:
        """Return this process's rows of a batch; of one with fewer rows than processes, every process takes all."""
        if n_rows < self.n:
            return slice(0, n_rows)
        return slice(n_rows * self.rank // self.n, n_rows * (self.rank + 1) // self.n)

    def total(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return the sum of these numbers over all processes."""
        if self.n > 1:
            distributed.all_reduce(numbers)
        return numbers

    def agree(self, *values: float) -> tuple[float, ...]:
        """Return the first process's values to all."""
        if self.n == 1:
            return values
        held: list[Any] = [values]
        distributed.broadcast_object_list(held, src=0)
        told: tuple[float, ...] = held[0]
        return told

    def hand_out(self, values: NDArray[Any], *, owner: int) -> None:
        """Put what the process `owner` holds in a contiguous array into the same array of every other."""
        if self.n == 1:
            return
        held = torch.from_numpy(values)
        moved = held.cuda() if distributed.get_backend() == "nccl" else held
        distributed.broadcast(moved, src=owner)
        held.copy_(moved)

    def least(self, number: int | None) -> int | None:
        """Return the smallest of all processes' numbers, by which all decide alike; None where nobody knows one."""
        if self.n == 1:
            return number
        held: list[int | None] = [None] * self.n
        distributed.all_gather_object(held, number)
        return min((one for one in held if one is not None), default=None)


def join_processes(device: str) -> Processes:
    """Return the place of this process among those that a launcher started (WORLD_SIZE), and join them where it has not yet.

    Who joins here leaves when Python ends. Otherwise a thread of gloo that still holds a tensor then takes the whole
    process down with it (SIGABRT, 3 of 100 measured; github.com/pytorch/pytorch/issues/190489).
    """
    if not distributed.is_available() or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda":
        torch.cuda.set_device(local)
    if not distributed.is_initialized():
        # Imported after joining (by DistributedDataParallel) it would keep the group alive, in its functions' defaults.
        import_module("torch.distributed.nn.functional")
        distributed.init_process_group("nccl" if device == "cuda" else "gloo")
        atexit.register(_leave_processes)
    return Processes(distributed.get_rank(), distributed.get_world_size(), local)


def _leave_processes() -> None:
    """End the threads that serve the group; they end with the last thing that holds it."""
    if distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()
