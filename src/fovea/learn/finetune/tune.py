"""The fine-tuning itself: from the probe's answers on, the last blocks (or all) of a network learn."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import nn

from fovea.learn.augment import Augmentation, suit_augmentation
from fovea.learn.finetune.opening import with_drop_path
from fovea.learn.finetune.plan import Job, Plan, describe_plan, plan_finetune
from fovea.learn.finetune.ready import Ready, keep, ready
from fovea.learn.finetune.settings import Tuning, check_wish, hidden_widths, recipe
from fovea.learn.finetune.unfreezing import count_unfrozen
from fovea.learn.probe import Head
from fovea.learn.trained import OnEpoch, Pictures, Trained, teller, unwatched
from fovea.learn.training import (
    Machine,
    ParamGroup,
    RateSearch,
    Training,
    choose_machine,
    overridden,
    train_network,
    with_found_rate,
)
from fovea.learn.training.processes import join_processes
from fovea.learn.training.scoring import score_of
from fovea.nets.trainable import Headed, Trainable, add_head, start_from, stop_unreached
from fovea.nets.weights import WeightsCard
from fovea.nets.zoo import build_network
from fovea.progress import Progress, part_of, silent, unheard

_LEFT_ALONE = Tuning()
_GPU_BATCH = 64  # not measured: no GPU was at hand
_FALLING = 0.7  # the rate of a block over that of the block behind it
_HEAD_RATE = 0.1  # over the blocks': thousands of standardised columns move an answer together


def finetune(
    trainable: Trainable,
    train: Pictures,
    *,
    valid: Pictures,
    class_names: Sequence[str],
    start: Head | None = None,
    wish: Tuning = _LEFT_ALONE,
    workspace: Path,
    progress: Progress = silent,
    announce: Callable[[str], None] = unheard,
    on_epoch: OnEpoch = unwatched,
) -> Trained:
    """Train the network further on `train` and return it with the best weights by `valid`; see `Tuning.most_runs`.

    Args:
        trainable: the network; it is changed in place.
        train: pictures at the network's size with class numbers, or what `wish.kind` says.
        valid: others, by which the weights are chosen.
        class_names: the k names.
        start: the probe fitted on the same places: before the first step the network answers as it does. None: zeros.
        wish: what is wished instead of the recipe's own; its "seconds" are a budget for everything here.
        workspace: a folder for the checkpoint and stored values; an interrupted training goes on from there.
        progress: told what is done.
        announce: told every sentence of the plan before training begins, and one after every epoch.
        on_epoch: told every epoch's record.

    Raises:
        InputError: an unknown head, block or setting; a batch that needs more memory than is free.
        TooLittleTimeError: a budget in which nothing can be learned.
    """
    check_wish(wish)
    begun, settings = time.perf_counter(), settings_of(wish)
    trainable = with_drop_path(trainable, settings.regularisation.drop_path)
    headed, card = _with_head(trainable, tuple(class_names), start=start, wish=wish, settings=settings)
    trainable = _that_can_learn(trainable, headed)
    wish = replace(wish, unfreeze=count_unfrozen(wish.unfreeze, trainable))
    augment = _augmentation(train, settings=settings)
    processes = join_processes(_machine(settings).device)
    own = workspace if processes.is_first else workspace / f"process-{processes.rank}"
    own.mkdir(parents=True, exist_ok=True)
    job = Job(
        headed=headed,
        trainable=trainable,
        n_train=len(train.labels),
        n_valid=len(valid.labels),
        size_px=cast("tuple[int, int]", train.pixels.shape[1:3]),
        wish=wish,
        settings=settings,
        workspace=own,
        augment=augment,
        processes=processes,
    )
    plan = plan_finetune(job)
    sentences = _announced(describe_plan(plan, job), announce)
    kept = keep(plan, train=train, valid=valid, augment=augment, progress=progress)
    make_ready = partial(ready, headed, plan, kept, train=train, card=card, augment=augment)
    groups = partial(rate_groups, headed, trainable.blocks[-plan.part.n_blocks :])
    settings, search = plan.settings, None
    if wish.finds_rate:
        with make_ready() as one:
            settings, search = _with_found_rate(one, settings, job=job, groups=groups())
        sentences += _announced((search.describe(),), announce)

    def train_once(number: int) -> Trained:
        with make_ready() as one:
            history = train_network(
                one.network,
                one.batches(settings.looping.seed + number),
                settings=_of_run(number, plan, wish=wish, settings=settings, begun=begun),
                kind=wish.kind,
                groups=groups(),
                evaluate=lambda network: score_of(one.answer(network).numpy(), valid.labels, kind=wish.kind),
                frozen_statistics=True,
                checkpoint=workspace / f"finetune{number or ''}.checkpoint",
                progress=part_of(progress, number=number, n_parts=plan.n_runs),
                on_epoch=teller(
                    announce, unwatched if number else on_epoch, settings=settings, kind=wish.kind
                ),
            )
            with torch.no_grad(), _machine(settings).autocast():
                logits = one.answer(one.network.eval()).numpy()
        return Trained(
            headed.cpu(),
            card,
            f"head.{len(headed.head) - 1}",
            history,
            logits,
            settings=_told_of_each(plan, settings),
            plan=sentences,
            rate_search=search,
            is_whole=plan.part.cut is None,
        )

    return _train_each(train_once, headed=headed, n_runs=plan.n_runs, announce=announce)


def _train_each(
    train_once: Callable[[int], Trained],
    *,
    headed: Headed,
    n_runs: int,
    announce: Callable[[str], None],
) -> Trained:
    """Train so many times from one start; the first is returned with the others, but for those that did not stay finite."""
    if n_runs == 1:
        return train_once(0)
    start = copy.deepcopy(headed.state_dict())
    runs: list[Trained] = []
    for number in range(n_runs):
        headed.load_state_dict(start)
        announce(f"Training {number + 1} of {n_runs}.")
        trained = train_once(number)
        runs.append(replace(trained, network=_copied(trained)))
    first, *others = [one for one in runs if one.history.stopped != "non-finite"] or runs[:1]
    n_lost = sum(one.history.stopped == "non-finite" for one in runs)
    if 0 < n_lost < n_runs:
        note = f"{n_lost} of {n_runs} trainings did not stay finite and cannot be averaged."
        first = replace(first, history=replace(first.history, notes=(*first.history.notes, note)))
    return replace(first, others=tuple(others))


def _copied(trained: Trained) -> nn.Module:
    """Return the network once more, as its card builds it: not every network can be copied with the hooks that are on it."""
    network = build_network(trained.card)
    network.load_state_dict(trained.network.state_dict())
    return network.to(next(trained.network.parameters()).device)


def _told_of_each(plan: Plan, settings: Training) -> Training:
    """Return the settings as one of the trainings had them: the rate that was found, and its part of the seconds."""
    looping = plan.settings.looping
    seconds = None if looping.seconds is None else looping.seconds / plan.n_runs
    return replace(
        plan.settings, optimisation=settings.optimisation, looping=replace(looping, seconds=seconds)
    )


def _announced(sentences: tuple[str, ...], announce: Callable[[str], None]) -> tuple[str, ...]:
    """Tell these sentences, and return them."""
    for sentence in sentences:
        announce(sentence)
    return sentences


def settings_of(wish: Tuning) -> Training:
    """Return the recipe with what is wished; off the CPU batches are larger, for small ones leave a GPU idle."""
    settings = overridden(recipe(wish.head_layers), wish.given)
    if "batch_size" in wish.given or _machine(settings).device == "cpu":
        return settings
    return overridden(settings, {"batch_size": _GPU_BATCH})


def _with_head(
    trainable: Trainable,
    class_names: tuple[str, ...],
    *,
    start: Head | None,
    wish: Tuning,
    settings: Training,
) -> tuple[Headed, WeightsCard]:
    """Return the network under the head that is wished, answering as `start` does, and its card."""
    headed, card = add_head(
        trainable,
        class_names=class_names,
        hidden=hidden_widths(wish.head_layers),
        dropout=settings.regularisation.dropout or 0.0,
        seed=settings.looping.seed,
    )
    if start is not None:
        start_from(headed, weights=start.weights, bias=start.bias, mean=start.mean, scale=start.scale)
    return headed, card


def _that_can_learn(trainable: Trainable, headed: Headed) -> Trainable:
    """Return the network without the blocks behind the last place that the head reads: they cannot learn from it."""
    unreached = stop_unreached(headed, size_px=trainable.card.size_px)
    blocks = list(trainable.blocks)
    while len(blocks) > 1 and unreached.issuperset(_weights_of(headed, blocks[-1])):
        del blocks[-1]
    return replace(trainable, blocks=tuple(blocks))


def _weights_of(headed: Headed, block: tuple[str, ...]) -> list[nn.Parameter]:
    return [weight for name in block for weight in headed.network.get_submodule(name).parameters()]


def _with_found_rate(
    one: Ready, settings: Training, *, job: Job, groups: Sequence[ParamGroup]
) -> tuple[Training, RateSearch]:
    """Return the settings with the learning rate that a trial finds."""
    return with_found_rate(
        one.network,
        one.batches(settings.looping.seed),
        settings=settings,
        kept=job.kept,
        kind=job.wish.kind,
        groups=groups,
        frozen_statistics=True,
    )


def _augmentation(train: Pictures, *, settings: Training) -> Augmentation:
    """Return what changes the pictures."""
    return suit_augmentation(
        settings.regularisation.augment, train.pixels, train.classes, seed=settings.looping.seed
    )


def _machine(settings: Training) -> Machine:
    return choose_machine(device=settings.looping.device, precision=settings.looping.precision)


def _of_run(number: int, plan: Plan, *, wish: Tuning, settings: Training, begun: float) -> Training:
    """Return the settings of one of several trainings: its own order, and its share of what is left of the budget."""
    looping, seconds = (
        replace(settings.looping, seed=settings.looping.seed + number),
        plan.settings.looping.seconds,
    )
    if seconds is not None:
        left = seconds - plan.n_runs * wish.run_seconds - (time.perf_counter() - begun)
        looping = replace(looping, seconds=max(1.0, left / (plan.n_runs - number)))
    return replace(settings, looping=looping)


def rate_groups(headed: Headed, blocks: tuple[tuple[str, ...], ...]) -> list[ParamGroup]:
    """Return what learns, these last blocks and the head, in groups whose rates fall with depth; biases do not decay.

    The head is last: Muon leaves the last matrix, the classifier, to AdamW.
    """
    held = {id(one): one for one in headed.parameters() if one.requires_grad}
    groups: list[ParamGroup] = []

    def add(name: str, members: Sequence[nn.Parameter], factor: float) -> None:
        mine = [one for one in members if held.pop(id(one), None) is not None]
        for decays in (True, False):
            some = [one for one in mine if (one.ndim > 1) == decays]
            if some:
                groups.append(ParamGroup(some, lr_factor=factor, decay=decays, name=name))

    add("head", list(headed.head.parameters()), _HEAD_RATE)
    for depth, block in enumerate(reversed(blocks)):
        for name in block:
            add(block[0], list(headed.network.get_submodule(name).parameters()), _FALLING**depth)
    add("rest", list(held.values()), _FALLING ** len(blocks))
    return groups[::-1]
