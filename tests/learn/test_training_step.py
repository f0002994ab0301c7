"""One step: several processes refuse together, and what layers draw follows from the place and the process."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn
from training_parts import batches, settings, weights_of

from fovea.learn.training.devices import Machine
from fovea.learn.training.losses import usual_criterion
from fovea.learn.training.optimisers import make_optimizer, usual_groups
from fovea.learn.training.processes import Processes
from fovea.learn.training.step import Goal, Stepper


class Beside(Processes):
    """A process of two that does not wait for the other, whose numbers are like its own."""

    def wrap(self, network: nn.Module, *, device: str) -> nn.Module:
        return network

    def total(self, numbers: Tensor) -> Tensor:
        return 2 * numbers


class BesideABrokenOne(Beside):
    """A process of two, of which the other's loss is no number."""

    def total(self, numbers: Tensor) -> Tensor:
        return numbers + math.nan


class Drawing(nn.Linear):
    """A layer with a generator of its own, which remembers how it was seeded."""

    def __init__(self) -> None:
        super().__init__(192, 2)
        self.seeds: list[int] = []

    def seed_draws(self, seed: int) -> None:
        self.seeds.append(seed)


def stepper(network: nn.Module, processes: Processes) -> Stepper:
    told = settings()
    return Stepper(
        network,
        make_optimizer(usual_groups(network), settings=told.optimisation),
        settings=told,
        machine=Machine("cpu", "f32"),
        processes=processes,
        goal=Goal("class", usual_criterion("class", smoothing=0.0)),
    )


def test_a_loss_that_is_no_number_in_another_process_is_refused_in_f16_too() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    before = weights_of(network)
    one = stepper(network, BesideABrokenOne(0, 2))
    scaler: Any = SimpleNamespace(
        is_enabled=lambda: True,
        scale=lambda loss: loss,
        unscale_=lambda part: None,
        step=lambda part: None,
        update=lambda: None,
    )
    one.scaler = scaler  # as f16 has it: it leaves out steps of infinite gradients without a word
    assert not one.step(next(iter(batches().epoch(0))), number=0, factor=1.0, look=False)
    for name, values in weights_of(network).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)


def test_layers_with_generators_of_their_own_are_seeded_by_place_and_process() -> None:
    def seeds_of(rank: int) -> list[int]:
        layer = Drawing()
        one = stepper(nn.Sequential(nn.Flatten(), layer), Beside(rank, 2))
        for number in (0, 1, 0):
            assert one.step(next(iter(batches().epoch(0))), number=number, factor=1.0, look=False)
        return layer.seeds

    first, other = seeds_of(0), seeds_of(1)
    assert first[0] == first[2]
    assert len({*first, *other}) == 4
