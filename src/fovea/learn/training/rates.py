"""Finding a learning rate: it rises from step to step, and the loss says where learning begins and where it breaks (Smith 2017)."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fovea.learn.training.batches import Batch, Batches
from fovea.learn.training.devices import choose_machine, computing
from fovea.learn.training.losses import Criterion, Kind, usual_criterion
from fovea.learn.training.memory import forecast_memory, free_bytes, require_memory
from fovea.learn.training.optimisers import USUAL_LR, Optimizers, ParamGroup, make_optimizer, usual_groups
from fovea.learn.training.planned import PlanFile
from fovea.learn.training.processes import Processes, join_processes
from fovea.learn.training.settings import Training
from fovea.learn.training.state import State
from fovea.learn.training.step import Goal, Stepper, learning_mode

N_STEPS = 100
_SMOOTHING = 0.9  # of the running mean of losses
_BROKEN = 4.0  # times the lowest loss: everything after it is noise
_REACH = 1_000.0  # from the usual rate down by this much and up by a tenth of it


@dataclass(frozen=True, slots=True)
class RateSearch:
    """`rates` float64 (s,) rising; `losses` float64 (s,), smoothed; `suggestion`: the rate at which the loss falls fastest."""

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    suggestion: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values for metrics.json."""
        return {
            "rates": self.rates.tolist(),
            "losses": self.losses.tolist(),
            "suggestion": self.suggestion,
        }

    def describe(self) -> str:
        """Return in a sentence what was found."""
        return (
            f"The learning rate {self.suggestion:.2g} was found by raising it from {self.rates[0]:.2g} on, over "
            f"{len(self.rates)} steps: there the loss fell fastest."
        )


def with_found_rate(
    network: nn.Module,
    batches: Batches,
    *,
    settings: Training,
    kept: PlanFile | None,
    kind: Kind = "class",
    criterion: Criterion | None = None,
    groups: Sequence[ParamGroup] | Optimizers | None = None,
    frozen_statistics: bool = False,
) -> tuple[Training, RateSearch]:
    """Return the settings with the learning rate that a search suggests, and the search; several processes take the first's.

    What is left of the settings' seconds afterwards stands in them. A search that is `kept` is not made again. See
    `find_learning_rate`.
    """
    clock, before = time.perf_counter(), None if kept is None else kept.read().get("rate_search")
    search = (
        find_learning_rate(
            network,
            batches,
            settings=settings,
            kind=kind,
            criterion=criterion,
            groups=groups,
            frozen_statistics=frozen_statistics,
        )
        if before is None
        else RateSearch(np.array(before["rates"]), np.array(before["losses"]), before["suggestion"])
    )
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    (found,) = join_processes(machine.device).agree(search.suggestion)
    search = replace(search, suggestion=found)
    if kept is not None:
        kept.add(rate_search=search.to_json())
    found_settings = replace(settings, optimisation=replace(settings.optimisation, lr=found))
    return found_settings.after(time.perf_counter() - clock), search


def find_learning_rate(
    network: nn.Module,
    batches: Batches,
    *,
    settings: Training,
    kind: Kind = "class",
    criterion: Criterion | None = None,
    groups: Sequence[ParamGroup] | Optimizers | None = None,
    frozen_statistics: bool = False,
    n_steps: int = N_STEPS,
) -> RateSearch:
    """Train with a rate that rises by the same factor each step until the loss breaks; the network is given back as it was.

    Rates go from a thousandth of the usual one to a hundred times it: the optimiser's, or that of the settings where
    `groups` are optimisers, which are used up. n_steps is from 10. Raises InputError and BackboneError like `train_network`.
    """
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    network.to(machine.device)
    x = next(iter(batches.epoch(0))).x
    memory = forecast_memory(network, x[:1].to(machine.device), settings=settings)
    require_memory(memory, batch_size=len(x), free=free_bytes(machine.device))
    usual = USUAL_LR[settings.optimisation.optimizer]
    if isinstance(groups, Optimizers):
        optimizers, usual = groups, settings.optimisation.lr or usual
    else:
        settings = replace(settings, optimisation=replace(settings.optimisation, lr=usual))
        optimizers = make_optimizer(
            usual_groups(network) if groups is None else groups, settings=settings.optimisation
        )
    rates = np.geomspace(usual / _REACH, usual * _REACH / 10, n_steps)
    goal = Goal(kind, criterion or usual_criterion(kind, smoothing=settings.regularisation.smoothing or 0.0))
    losses: list[float] = []
    with computing(machine.device):
        stepper = Stepper(
            network, optimizers, settings=settings, machine=machine, processes=Processes(), goal=goal
        )
        before = State(stepper)
        learning_mode(network, frozen_statistics=frozen_statistics)
        mean = 0.0
        for number, batch in zip(range(n_steps), _endless(batches), strict=False):
            stepper.sums.zero_()
            went_well = stepper.step(batch, number=number, factor=rates[number] / usual, look=False)
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
