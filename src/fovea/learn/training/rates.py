"""Finding a learning rate: it rises from step to step, and the loss says where learning begins and where it breaks (Smith 2017)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fovea.learn.training.batches import Batch, Batches
from fovea.learn.training.devices import choose_machine, computing
from fovea.learn.training.losses import Criterion, Kind, usual_criterion
from fovea.learn.training.optimisers import USUAL_LR, ParamGroup, make_optimizer, usual_groups
from fovea.learn.training.processes import Processes
from fovea.learn.training.settings import Training
from fovea.learn.training.state import State
from fovea.learn.training.step import Goal, Stepper

_SMOOTHING = 0.9  # of the running mean of losses
_BROKEN = 4.0  # times the lowest loss: everything after it is noise
_REACH = 1_000.0  # from the usual rate down by this much and up by a tenth of it


@dataclass(frozen=True, slots=True)
class RateSearch:
    """`rates` float64 (s,) rising; `losses` float64 (s,), smoothed; `suggestion`: the rate at which the loss falls fastest."""

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    suggestion: float


def find_learning_rate(
    network: nn.Module,
    batches: Batches,
    *,
    settings: Training,
    kind: Kind = "class",
    criterion: Criterion | None = None,
    groups: Sequence[ParamGroup] | None = None,
    n_steps: int = 100,
) -> RateSearch:
    """Train with a rate that rises by the same factor each step until the loss breaks; the network is given back as it was.

    Rates go from a thousandth of the optimiser's usual one to a hundred times it; n_steps is from 10. Raises InputError and
    BackboneError like `train_network`.
    """
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    network.to(machine.device)
    usual = USUAL_LR[settings.optimisation.optimizer]
    rates = np.geomspace(usual / _REACH, usual * _REACH / 10, n_steps)
    settings = replace(settings, optimisation=replace(settings.optimisation, lr=float(rates[-1])))
    optimizers = make_optimizer(
        usual_groups(network) if groups is None else groups, settings=settings.optimisation
    )
    goal = Goal(kind, criterion or usual_criterion(kind, smoothing=settings.regularisation.smoothing or 0.0))
    losses: list[float] = []
    with computing(machine.device):
        stepper = Stepper(
            network, optimizers, settings=settings, machine=machine, processes=Processes(), goal=goal
        )
        before = State(stepper)
        network.train()
        mean = 0.0
        for number, batch in zip(range(n_steps), _endless(batches), strict=False):
            stepper.sums.zero_()
            went_well = stepper.step(batch, number=number, factor=rates[number] / rates[-1], look=False)
            loss = float(stepper.sums[0]) / len(batch.x)
            if not (went_well and math.isfinite(loss)):
                break
            mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
            losses.append(mean / (1 - _SMOOTHING ** (number + 1)))
            if losses[-1] > _BROKEN * min(losses):
                break
        before.put_best()
    network.zero_grad(set_to_none=True)
    return RateSearch(
        rates[: len(losses)], np.array(losses), _suggest(rates[: len(losses)], np.array(losses))
    )


def _endless(batches: Batches) -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from batches.epoch(epoch)
        epoch += 1


def _suggest(rates: NDArray[np.float64], losses: NDArray[np.float64]) -> float:
    """Return the rate in the middle of the tenth of the steps over which the loss falls most, before its lowest point.

    The first tenth of the steps is left out: the mean of so few losses says little. Where nothing falls, it is a tenth of
    the lowest rate.
    """
    window = max(1, len(losses) // 10)
    lowest = int(np.argmin(losses)) if len(losses) else 0
    falls = losses[window : lowest + 1 - window] - losses[2 * window : lowest + 1]
    if not len(falls) or falls.max() <= 0:
        return float(rates[0] / 10) if len(rates) else math.nan
    return float(rates[window + int(np.argmax(falls)) + window // 2])
