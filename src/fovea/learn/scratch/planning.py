"""How many epochs a budget allows: two training steps are made on a copy and timed."""

import copy
import time
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import nn

from fovea.learn.training import Batches, Training, choose_machine

_FORWARD = 1 / 3  # of a training step's arithmetic
_SHARE = 0.92  # of a budget that is planned for: speed varies


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings with their epochs, and what training them is forecast to take, in seconds."""

    settings: Training
    seconds: float


def plan_training(
    network: nn.Module, batches: Batches, *, settings: Training, n_valid: int, n_scored: int, n_views: int
) -> Plan:
    """Return the settings with as many epochs as their seconds allow (at most those they name), and the forecast.

    `n_scored` validation pictures are answered after every epoch, all `n_valid` at the end with `n_views` each.
    """
    step, n_rows = time_step(network, batches, settings=settings)
    epoch = step * (batches.n_batches + _FORWARD * n_scored / n_rows)
    last = step * _FORWARD * n_valid * n_views / n_rows
    looping = settings.looping
    n_epochs = cast("int", looping.epochs)
    if looping.seconds is not None:
        n_epochs = max(1, min(n_epochs, int((_SHARE * looping.seconds - last) / epoch)))
    settings = replace(settings, looping=replace(looping, epochs=n_epochs))
    return Plan(settings, n_epochs * epoch + last)


def time_step(network: nn.Module, batches: Batches, *, settings: Training) -> tuple[float, int]:
    """Return the seconds of a forward and backward pass of the first batch, on a copy, and its number of pictures."""
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    twin: Any = copy.deepcopy(network).to(machine.device).train()
    twin.to(memory_format=torch.channels_last)
    x = next(iter(batches.epoch(0))).x.to(machine.device)
    x = x.contiguous(memory_format=torch.channels_last)
    seconds = 0.0
    with torch.random.fork_rng([]):
        for _ in range(2):  # the first one prepares much that the others need no more
            started = time.perf_counter()
            with machine.autocast():
                loss = twin(x).float().square().mean()
            loss.backward()
            seconds = time.perf_counter() - started
    return float(seconds), len(x)
