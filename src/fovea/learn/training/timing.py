"""How long learning takes on this machine: real steps are made and timed, and the network is given back as it was."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from typing import Any, cast

import torch
from torch import nn

from fovea.learn.training.batches import Batches
from fovea.learn.training.devices import choose_machine, computing
from fovea.learn.training.optimisers import Optimizers, make_optimizer, usual_groups
from fovea.learn.training.processes import Processes
from fovea.learn.training.settings import Training
from fovea.learn.training.state import State
from fovea.learn.training.step import Goal, Stepper, learning_mode

_LEAST, _MOST = 2, 6  # steps, the first of which prepares much that the others need no more
_ENOUGH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What is timed: a network, some of its batches, what is learned of them, and its optimisers (None: the usual ones).

    The optimisers are used up.
    """

    network: nn.Module
    batches: Batches
    goal: Goal
    optimizers: Optimizers | None = None
    frozen_statistics: bool = False


def time_step(trial: Trial, *, settings: Training) -> float:
    """Return the seconds a picture of training steps, the median of a few.

    A step is all that it is in training: the batch made and augmented, forward, backward, weights moved and averaged.
    Raises ValueError (torch's) where batch normalisation gets a single picture.
    """
    settings = replace(settings, looping=replace(settings.looping, compile=False))
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    endless = (batch for _ in itertools.count() for batch in trial.batches.epoch(0))
    seconds: list[float] = []
    with computing(machine.device), _given_back(trial.network, device=machine.device):
        network = trial.network
        optimizers = trial.optimizers or make_optimizer(usual_groups(network), settings=settings.optimisation)
        stepper = Stepper(
            network, optimizers, settings=settings, machine=machine, processes=Processes(), goal=trial.goal
        )
        state = State(stepper)
        learning_mode(network, frozen_statistics=trial.frozen_statistics)
        begun = before = perf_counter()
        try:
            for number, batch in enumerate(itertools.islice(endless, _MOST)):
                stepper.step(batch, number=number, factor=0.0, look=False)
                if state.averages is not None:
                    state.averages.update()
                float(stepper.sums[0])  # waits for a GPU
                now = perf_counter()
                seconds.append((now - before) / len(batch.x))
                before = now
                if number + 1 >= _LEAST and now - begun >= _ENOUGH_SECONDS:
                    break
        finally:
            state.put_best()
    return median(seconds[1:])


@contextmanager
def _given_back(network: nn.Module, *, device: str) -> Iterator[None]:
    """Lay a network out as it will be trained meanwhile; device, order, modes and gradients are as before afterwards."""
    home = next(network.parameters()).device
    modes = [(layer, layer.training) for layer in network.modules()]
    cast("Any", network).to(device=device, memory_format=torch.channels_last)
    try:
        yield
    finally:
        network.zero_grad(set_to_none=True)
        cast("Any", network).to(device=home, memory_format=torch.contiguous_format)
        for layer, mode in modes:
            layer.training = mode
