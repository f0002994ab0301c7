"""What a budget buys: steps and the frozen part are timed on this machine, then blocks, epochs and views chosen to fit.

The choice is written beside the checkpoint, so that an interrupted training goes on as it was planned.
"""

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fovea.learn.augment import Augmentation, normalise
from fovea.learn.finetune.frozen import Frozen, FrozenBatches
from fovea.learn.finetune.ready import Rows, learning
from fovea.learn.finetune.settings import MOST_VIEWS, Tuning
from fovea.learn.training import (
    ArrayBatches,
    Batches,
    Training,
    choose_machine,
    forecast_memory,
    free_bytes,
    require_memory,
)
from fovea.learn.training.described import describe_settings
from fovea.learn.training.losses import usual_criterion
from fovea.learn.training.memory import Memory, describe_bytes
from fovea.learn.training.planned import PlanFile, TooLittleTimeError, job_of
from fovea.learn.training.processes import Processes
from fovea.learn.training.rates import N_STEPS
from fovea.learn.training.step import Goal
from fovea.learn.training.timing import Trial, time_step
from fovea.nets.cut import Below, Cut, find_cut
from fovea.nets.trainable import Headed, Trainable
from fovea.wording import count

_SHARE = 0.9  # of a budget that is planned for: speed varies
_LEAST = 4  # epochs that must fit for the last third of the blocks; deeper was no better (lab/LOG.md)
_OF_SEVERAL = (
    1 / 2
)  # of the wished epochs do where there are several trainings: the fifth is as good as the eighth (lab/LOG.md)
_FORWARD = 1 / 3  # of a step's time
_FROZEN_SHARE = 0.3  # of a budget that computing views may take
_TIMED, _N_TIMED = 3, 16  # batches, and pictures of each at most


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be planned: a network, numbers of pictures and their (height, width), what is wished, where files go, by whom."""

    headed: Headed
    trainable: Trainable
    n_train: int
    n_valid: int
    size_px: tuple[int, int]
    wish: Tuning
    settings: Training
    workspace: Path
    augment: Augmentation
    processes: Processes

    @property
    def batch_size(self) -> int:
        """Pictures a batch."""
        return min(self.settings.looping.batch_size or self.n_train, self.n_train)

    @property
    def kept(self) -> PlanFile:
        """Where the plan is written."""
        wish, told = self.wish, (self.n_train, self.n_valid, self.size_px, self.trainable.card)
        job = job_of(self.settings, wish.unfreeze, wish.head_layers, wish.finds_rate, *told)
        return PlanFile(self.workspace / "plan.json", job)


@dataclass(frozen=True, slots=True)
class Part:
    """The last blocks of a network as they would learn: how fast, in seconds a picture, and how much memory.

    `value_bytes` are those of a picture's stored values; nothing is stored, nor frozen, where all learn. Where a network
    cannot be cut, all do, and `n_asked` is smaller than `n_blocks`.
    """

    n_blocks: int
    cut: Cut | None
    frozen: Frozen | None
    frozen_seconds: float
    step_seconds: float
    memory: Memory
    value_bytes: int
    n_asked: int

    def epoch_seconds(self, job: Job) -> float:
        """Return the seconds of an epoch with its validation."""
        return (job.n_train / job.processes.n + _FORWARD * job.n_valid) * self.step_seconds

    def search_seconds(self, job: Job) -> float:
        """Return the seconds in which a learning rate is found, where that is wished; every process takes whole batches then."""
        return job.wish.finds_rate * N_STEPS * job.batch_size * self.step_seconds

    def views_seconds(self, job: Job, *, n_views: int) -> float:
        """Return the seconds in which the frozen part of everything is computed."""
        return (job.n_train * n_views + job.n_valid) / job.processes.n * self.frozen_seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done: which part learns; settings with their epochs, views a picture, trainings, forecast."""

    part: Part
    settings: Training
    n_views: int
    n_runs: int
    seconds: float
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Shares:
    """What a budget is spent on: trainings, epochs of each, views of a picture."""

    n_epochs: int
    n_views: int
    n_runs: int = 1


def plan_finetune(job: Job) -> Plan:
    """Choose what learns and for how long, by this machine's speed; `settings.looping.seconds` is the budget left.

    Several processes do what the first one plans. Raises TooLittleTimeError where not one epoch of the last block fits,
    InputError where a batch needs more memory than is free.
    """
    part, shares = _lead(job) if job.processes.is_first else _follow(job)
    free = job.processes.least(free_bytes(choose_machine(device=job.settings.looping.device).device))
    require_memory(part.memory, batch_size=math.ceil(job.batch_size / job.processes.n), free=free)
    return Plan(
        part=part,
        settings=replace(job.settings, looping=replace(job.settings.looping, epochs=shares.n_epochs)),
        n_views=shares.n_views,
        n_runs=shares.n_runs,
        seconds=part.search_seconds(job)
        + part.views_seconds(job, n_views=shares.n_views)
        + shares.n_runs * (shares.n_epochs * part.epoch_seconds(job) + job.wish.run_seconds),
        n_bytes=part.memory.of(job.batch_size)
        + part.value_bytes * (job.n_train * shares.n_views + job.n_valid),
    )


def _lead(job: Job) -> tuple[Part, Shares]:
    """Plan, or take up what was planned, and tell the other processes: no block where nothing fits."""
    begun, held = time.perf_counter(), job.kept.read()
    if held:
        part, shares = _measure(job, held["blocks"]), Shares(**held["shares"])
    else:
        try:
            part, left = _choose(job, begun=begun)
        except TooLittleTimeError:
            job.processes.agree(0, 0, 0, 0)
            raise
        shares = _share_out(job, part, left=left)
        job.kept.add(blocks=part.n_asked, shares=asdict(shares))
    job.processes.agree(part.n_asked, shares.n_epochs, shares.n_views, shares.n_runs)
    return part, shares


def _follow(job: Job) -> tuple[Part, Shares]:
    """Do as the first process plans."""
    n_blocks, n_epochs, n_views, n_runs = map(int, job.processes.agree(0, 0, 0, 0))
    if not n_blocks:
        raise TooLittleTimeError("The budget is too small, as the first process tells.")
    return _measure(job, n_blocks), Shares(n_epochs, n_views, n_runs)


def describe_plan(plan: Plan, job: Job) -> tuple[str, ...]:
    """Return the plan in plain sentences."""
    blocks = job.trainable.blocks
    what = f"all {len(blocks)} blocks learn"
    if plan.part.n_asked < plan.part.n_blocks:
        what += f", for the network cannot be cut below the last {plan.part.n_asked}"
    if plan.part.cut is not None:
        what = (
            f"the last {plan.part.n_blocks} of {len(blocks)} blocks learn (from {blocks[-plan.part.n_blocks][0]!r}), the "
            f"rest is computed once, in {count(plan.n_views, 'view')} a picture"
        )
    several = (
        ""
        if plan.n_runs == 1
        else f"{plan.n_runs} trainings in different orders, whose answers are averaged, each "
    )
    return (
        f"Fine-tuning {job.trainable.card.architecture} on {job.n_train:,} pictures, from the probe's answers: {what}; head "
        f"{job.wish.head_layers!r}, {_augmentation(plan, job)}.",
        several
        + describe_settings(
            plan.settings, n_pictures=job.n_train, kind=job.wish.kind, mixes_pictures=plan.part.cut is None
        ),
        f"Forecast: {plan.seconds:.0f} s, {describe_bytes(plan.n_bytes)} of memory.",
    )


def _augmentation(plan: Plan, job: Job) -> str:
    """Say how pictures are changed, or why they are not: the first view of a picture is the picture as it is."""
    if job.augment.policy == "none" or plan.part.cut is None or plan.n_views > 1:
        return f"augmentation {job.augment.describe()}"
    reason = "one epoch" if (job.settings.looping.epochs or 1) == 1 else "the budget"
    return f"without augmentation, for {reason} has room for one view only, the picture as it is"


def _choose(job: Job, *, begun: float) -> tuple[Part, float]:
    """Return the part that learns, and the seconds left to plan for. Raises TooLittleTimeError."""
    budget, wished = job.settings.looping.seconds, job.settings.looping.epochs or 1
    n_blocks = len(job.trainable.blocks)
    third = -(-n_blocks // 3)
    choices = [third] if budget is None else sorted({third, min(2, third), 1}, reverse=True)
    if job.wish.unfreeze != "auto":
        choices = [n_blocks if job.wish.unfreeze == "all" else int(job.wish.unfreeze)]
    for number in choices:
        part = _measure(job, min(number, n_blocks))
        left = math.inf if budget is None else _SHARE * (budget - (time.perf_counter() - begun))
        first, epoch = part.search_seconds(job) + part.views_seconds(job, n_views=1), part.epoch_seconds(job)
        needed = 1 if number == choices[-1] else min(_LEAST, wished)
        if left >= first + needed * epoch + job.wish.run_seconds:
            return part, left
    run_seconds = job.wish.run_seconds
    short = (first + epoch + run_seconds - left) / _SHARE
    kept = f", and {run_seconds:.0f} s are kept to convert the network" if run_seconds else ""
    raise TooLittleTimeError(
        f"{budget:.0f} s of the budget are left, too few to fine-tune: one epoch of the last {count(part.n_blocks, 'block')} takes "
        f"{first + epoch:.0f} s here{kept}. Raise --budget by {1.5 * short + 5:.0f} s or more."
    )


def _share_out(job: Job, part: Part, *, left: float) -> Shares:
    """Return how many epochs fit, how many views of each picture are computed, and how many trainings there are."""
    wished = job.settings.looping.epochs or 1
    n_views = (
        1 if part.cut is None or job.settings.regularisation.augment == "none" else min(MOST_VIEWS, wished)
    )
    if math.isinf(left):
        return Shares(wished, n_views)
    while n_views > 1 and part.views_seconds(job, n_views=n_views) > _FROZEN_SHARE * left:
        n_views -= 1
    left -= part.search_seconds(job) + part.views_seconds(job, n_views=n_views)
    for n_runs in range(job.wish.most_runs, 0, -1):
        n_epochs = int((left / n_runs - job.wish.run_seconds) / part.epoch_seconds(job))
        if n_epochs >= math.ceil(_OF_SEVERAL * wished):
            break
    return Shares(max(1, min(wished, n_epochs)), n_views, n_runs)


def _measure(job: Job, n_blocks: int) -> Part:
    """Cut the network below the last blocks, and time the frozen part and training steps."""
    headed, card, blocks = job.headed, job.trainable.card, job.trainable.blocks
    cut = None if n_blocks >= len(blocks) else find_cut(headed, blocks[-n_blocks][0], size_px=job.size_px)
    n_rows = min(job.batch_size, _N_TIMED)
    pixels = np.random.default_rng(0).integers(0, 256, (max(2, _TIMED * n_rows), *job.size_px, 3), np.uint8)
    frozen, seconds, values = None, 0.0, None
    if cut is not None:
        frozen = Frozen(
            Below(headed, cut, mean=card.mean, std=card.std), size_px=job.size_px, folder=job.workspace
        )
        frozen.compute(pixels[:n_rows])  # compiles
        begun = time.perf_counter()
        values = frozen.compute(pixels)[:, 0]
        seconds = (time.perf_counter() - begun) / len(pixels)
    rows: Rows = pixels if values is None else values
    held = {name: tensor.clone() for name, tensor in headed.state_dict().items()}
    with learning(headed, cut, card=card, rows=rows, size_px=job.size_px) as one:
        memory = forecast_memory(one.network, one.planes(rows[:1]), settings=job.settings)
        step_seconds = _time_step(one.network, job, rows=rows)
    headed.cpu()  # where the next part is cut off, and the frozen one converted
    # Bit for bit: quickening leaves another rounding, and a resumed run measures one part alone.
    headed.load_state_dict(held)
    n_bytes = 0 if values is None else values[0].nbytes
    n_learning = len(blocks) if cut is None else n_blocks
    return Part(n_learning, cut, frozen, seconds, step_seconds, memory, n_bytes, n_asked=n_blocks)


def _time_step(network: nn.Module, job: Job, *, rows: Rows) -> float:
    """Return the seconds a picture of training steps on pictures, or on stored values, as they would be made."""
    kind = job.wish.kind
    labels: NDArray[np.int64] | NDArray[np.float32] = np.zeros(len(rows), np.int64)
    if kind != "class":
        labels = np.zeros((len(rows), cast("nn.Linear", job.headed.head[-1]).out_features), np.float32)
    goal = Goal(kind, usual_criterion(kind, smoothing=job.settings.regularisation.smoothing or 0.0))
    batches: Batches
    if rows.dtype == np.uint8:
        scale = normalise(job.trainable.card.mean, job.trainable.card.std)
        batches = ArrayBatches(
            rows.transpose(0, 3, 1, 2),
            labels,
            batch_size=min(job.batch_size, _N_TIMED),
            seed=0,
            prepare=lambda x, generator: scale(job.augment(x, generator)),
            device=choose_machine(device=job.settings.looping.device).device,
        )
    else:
        values = np.asarray(rows[:, None], np.float16)
        batches = FrozenBatches(values, labels, batch_size=min(job.batch_size, _N_TIMED), seed=0)
    return time_step(Trial(network, batches, goal, frozen_statistics=True), settings=job.settings)
