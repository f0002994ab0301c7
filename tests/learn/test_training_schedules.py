"""Schedules against torch's own and by hand."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.training import Optimisation
from fovea.learn.training.schedules import due_step, schedule_factor

STEPS, PER_EPOCH = 60, 4


def ours(**named: Any) -> list[float]:
    settings = Optimisation(**named)
    return [
        schedule_factor(step, n_steps=STEPS, steps_per_epoch=PER_EPOCH, settings=settings)
        for step in range(STEPS)
    ]


def torchs(make: Any, *, every: int = 1) -> list[float]:
    """Return the rates that one of torch's schedulers gives an optimiser of rate 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for step in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % every == 0:
            scheduler.step()
    return rates


def test_step_is_torchs_step_lr() -> None:
    expected = torchs(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=7, gamma=0.1), every=PER_EPOCH)
    assert ours(schedule="step", warmup=0.0) == pytest.approx(expected)


@pytest.mark.parametrize(("n_epochs", "size"), [(25, 7), (8, 7), (7, 2), (4, 1), (2, 1), (1, 1)])
def test_the_rate_falls_after_seven_epochs_and_of_so_few_after_a_third(n_epochs: int, size: int) -> None:
    told = Optimisation(schedule="step", warmup=0.0)
    factors = [
        schedule_factor(epoch, n_steps=n_epochs, steps_per_epoch=1, settings=told)
        for epoch in range(n_epochs)
    ]
    assert factors == pytest.approx([0.1 ** (epoch // size) for epoch in range(n_epochs)])


def test_the_steps_that_are_said_are_taken() -> None:
    expected = torchs(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=2, gamma=0.5), every=PER_EPOCH)
    assert ours(schedule="step", warmup=0.0, step_size=2, gamma=0.5) == pytest.approx(expected)


def test_cosine_is_torchs_cosine_annealing() -> None:
    expected = torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=STEPS))
    assert ours(schedule="cosine", warmup=0.0) == pytest.approx(expected)


def test_one_cycle_is_torchs_one_cycle() -> None:
    expected = torchs(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, max_lr=1.0, total_steps=STEPS + 1, cycle_momentum=False
        )
    )
    own = [
        schedule_factor(
            step, n_steps=STEPS + 1, steps_per_epoch=PER_EPOCH, settings=Optimisation(schedule="one-cycle")
        )
        for step in range(STEPS)
    ]
    assert own == pytest.approx(expected)


def test_constant_rises_over_the_warm_up_and_stays() -> None:
    assert ours(schedule="constant", warmup=0.05)[:5] == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1, 1])


def test_cosine_starts_from_the_top_after_the_warm_up() -> None:
    factors = ours(schedule="cosine", warmup=0.05)
    assert factors[3] == 1.0
    assert factors[3 + 57 // 3] == pytest.approx(0.75)  # a third of the way: (1 + cos 60 degrees) / 2


def test_one_cycle_of_a_single_step_has_a_rate() -> None:
    settings = Optimisation(schedule="one-cycle")
    assert 0 < schedule_factor(0, n_steps=1, steps_per_epoch=1, settings=settings) <= 1


@pytest.mark.parametrize(
    ("seconds", "allowed", "due"),
    [
        (0.0, 100.0, 0),
        (10.0, 100.0, 0),  # the clock counts from a tenth on
        (55.0, 100.0, 30),  # half of the rest
        (100.0, 100.0, 60),
        (120.0, 100.0, 60),
        (1.0, 0.0, 60),  # nothing was left
    ],
)
def test_the_clock_makes_the_last_step_due_when_the_time_is_up(
    seconds: float, allowed: float, due: int
) -> None:
    assert due_step(seconds, allowed, n_steps=STEPS) == due


def test_a_training_as_fast_as_planned_goes_by_its_steps_alone() -> None:
    """A plan fills nine tenths of the time: step k ends at 0.9 k / n of it."""
    assert all(due_step(0.9 * k / STEPS, 1.0, n_steps=STEPS) <= k for k in range(STEPS + 1))
