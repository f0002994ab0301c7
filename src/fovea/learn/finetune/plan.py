"""What a budget buys: steps and the frozen part are timed on this machine, then blocks, epochs and views chosen to fit."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fovea.learn.finetune.frozen import Frozen
from fovea.learn.finetune.ready import learning
from fovea.learn.finetune.settings import MOST_VIEWS, TooLittleTimeError, Tuning
from fovea.learn.training import Training, choose_machine
from fovea.learn.training.memory import Memory, forecast_memory, free_bytes, require_memory
from fovea.manifest.wording import count
from fovea.nets.cut import Below, Cut, find_cut
from fovea.nets.trainable import Headed, Trainable

_SHARE = 0.9  # of a budget that is planned for: speed varies
_WORTH = 6  # epochs that a deeper unfreezing must fit to be chosen
_FORWARD = 1 / 3  # of a step's time
_FROZEN_SHARE = 0.3  # of a budget that computing views may take
_TIMED = 3  # batches


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds a picture: in the frozen part, in a training step; what a step and the stored values take."""

    frozen_seconds: float
    step_seconds: float
    memory: Memory
    value_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done: the last `n_blocks` blocks learn; settings with their epochs, views a picture, forecast."""

    n_blocks: int
    cut: Cut | None
    frozen: Frozen | None
    settings: Training
    n_views: int
    seconds: float
    n_bytes: int


def plan_finetune(
    headed: Headed,
    trainable: Trainable,
    *,
    n_train: int,
    n_valid: int,
    size_px: tuple[int, int],
    wish: Tuning,
    settings: Training,
    workspace: Path,
) -> Plan:
    """Choose what learns and for how long, by this machine's speed; `settings.looping.seconds` is the budget left.

    Raises TooLittleTimeError where not one epoch of the last block fits, InputError where a batch needs more memory than is
    free or more blocks are asked for than there are.
    """
    budget, begun = settings.looping.seconds, time.perf_counter()
    choices = _choices(wish, n_blocks=len(trainable.blocks), is_free=budget is None)
    for number in choices:
        cut, frozen, speed = _measure(
            headed, trainable, number, size_px=size_px, settings=settings, workspace=workspace
        )
        epoch = n_train * speed.step_seconds + n_valid * speed.step_seconds * _FORWARD
        left = np.inf if budget is None else _SHARE * (budget - (time.perf_counter() - begun))
        plain = speed.frozen_seconds * (n_train + n_valid)
        most = int(min(settings.looping.epochs or 1, max(0, (left - plain) / epoch)))
        if most >= min(_WORTH, settings.looping.epochs or 1) or (most >= 1 and number == choices[-1]):
            break
    else:
        raise TooLittleTimeError(
            f"{budget:.0f} s are too few to fine-tune: one epoch of the last block alone takes {plain + epoch:.0f} s here. Give "
            f"--budget {2 * (plain + epoch) + 5:.0f}s or more."
        )
    most_views = 1 if settings.regularisation.augment == "none" else MOST_VIEWS
    n_views, n_epochs = _share_out(
        speed, most_views, left=left, epoch=epoch, most=most, n_train=n_train, n_valid=n_valid
    )
    free = free_bytes(choose_machine(device=settings.looping.device).device)
    require_memory(speed.memory, batch_size=settings.looping.batch_size or n_train, free=free)
    return Plan(
        n_blocks=number,
        cut=cut,
        frozen=frozen,
        settings=replace(settings, looping=replace(settings.looping, epochs=n_epochs)),
        n_views=n_views,
        seconds=speed.frozen_seconds * (n_views * n_train + n_valid) + n_epochs * epoch,
        n_bytes=speed.memory.of(settings.looping.batch_size or n_train)
        + speed.value_bytes * (n_train * n_views + n_valid),
    )


def describe_plan(
    plan: Plan, *, trainable: Trainable, n_train: int, policy: str, head_layers: str
) -> tuple[str, ...]:
    """Return the plan in plain sentences."""
    optimisation, looping = plan.settings.optimisation, plan.settings.looping
    blocks = trainable.blocks
    what = (
        f"all {len(blocks)} blocks learn"
        if plan.cut is None
        else f"the last {plan.n_blocks} of {len(blocks)} blocks learn (from {blocks[-plan.n_blocks][0]!r}), the rest is "
        f"computed once, in {count(plan.n_views, 'view')} a picture"
    )
    return (
        f"Fine-tuning {trainable.card.architecture} on {n_train:,} pictures, from the probe's answers: {what}; head "
        f"{head_layers!r}, augmentation {policy!r}.",
        f"{looping.epochs} epochs in batches of {looping.batch_size}; {optimisation.optimizer} at {optimisation.lr:g}, "
        f"schedule {optimisation.schedule!r}.",
        f"Forecast: {plan.seconds:.0f} s, {plan.n_bytes / 2**30:.1f} GiB.",
    )


def _choices(wish: Tuning, *, n_blocks: int, is_free: bool) -> list[int]:
    """Return numbers of last blocks to try, deepest first."""
    if wish.unfreeze == "all":
        return [n_blocks]
    if wish.unfreeze != "auto":
        return [min(int(wish.unfreeze), n_blocks)]
    if is_free:
        return [-(-n_blocks // 3)]
    return sorted({n_blocks, -(-2 * n_blocks // 3), -(-n_blocks // 3), min(2, n_blocks), 1}, reverse=True)


def _share_out(
    speed: Speed, most_views: int, *, left: float, epoch: float, most: int, n_train: int, n_valid: int
) -> tuple[int, int]:
    """Return how many views are computed of each picture, and how many epochs fit then."""
    if not speed.frozen_seconds:
        return 1, most
    view = speed.frozen_seconds * n_train
    affordable = most_views if np.isinf(left) else int(_FROZEN_SHARE * left / view)
    n_views = max(1, min(most_views, affordable, most))
    rest = left - view * n_views - speed.frozen_seconds * n_valid
    return n_views, int(max(1, min(most, rest / epoch))) if np.isfinite(rest) else most


def _measure(
    headed: Headed,
    trainable: Trainable,
    n_blocks: int,
    *,
    size_px: tuple[int, int],
    settings: Training,
    workspace: Path,
) -> tuple[Cut | None, Frozen | None, Speed]:
    """Return where the network is cut below the last blocks, its frozen part, and how fast both parts are."""
    card, whole = trainable.card, n_blocks >= len(trainable.blocks)
    cut = None if whole else find_cut(headed, trainable.blocks[-n_blocks][0], size_px=card.size_px)
    n_rows = min(settings.looping.batch_size or 16, 16)
    pixels = np.random.default_rng(0).integers(0, 256, (_TIMED * n_rows, *size_px, 3), dtype=np.uint8)
    frozen, seconds, n_bytes, rows = None, 0.0, 0, pixels
    if cut is not None:
        frozen = Frozen(Below(headed, cut, mean=card.mean, std=card.std), size_px=size_px, folder=workspace)
        frozen.compute(pixels[:n_rows])
        begun = time.perf_counter()
        values = frozen.compute(pixels)[:, 0]
        seconds, n_bytes = (time.perf_counter() - begun) / len(pixels), values[0].nbytes
        with learning(headed, cut, card=card, rows=values) as one:
            speed = _time_steps(one.network, one.planes(values[:n_rows]), settings=settings)
    else:
        with learning(headed, cut, card=card, rows=rows) as one:
            speed = _time_steps(one.network, one.planes(rows[:n_rows]), settings=settings)
    return cut, frozen, replace(speed, frozen_seconds=seconds, value_bytes=n_bytes)


def _time_steps(network: torch.nn.Module, x: torch.Tensor, *, settings: Training) -> Speed:
    """Time forward and backward passes of a batch; no weight changes."""
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    network.to(machine.device).eval()
    x = x.to(machine.device)
    if x.ndim == 4:
        x = x.contiguous(memory_format=torch.channels_last)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    memory = forecast_memory(network, x, settings=settings)
    best = np.inf
    for _ in range(_TIMED):
        begun = time.perf_counter()
        with machine.autocast():
            loss = network(x).float().square().mean()
        loss.backward()
        loss.item()
        best = min(best, time.perf_counter() - begun)
        network.zero_grad(set_to_none=True)
    return Speed(0.0, float(best) / len(x), memory, 0)
