"""The fine-tuning itself: from the probe's answers on, the last blocks (or all) of a network learn."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fovea.learn.augment import suit_augmentation
from fovea.learn.finetune.plan import Job, describe_plan, plan_finetune
from fovea.learn.finetune.ready import ready
from fovea.learn.finetune.settings import Tuning, hidden_widths, recipe
from fovea.learn.probe import Head
from fovea.learn.scratch.answers import score
from fovea.learn.trained import Pictures, Trained, describe_epoch
from fovea.learn.training import ParamGroup, Score, overridden, train_network
from fovea.learn.training.losses import Kind, right_answers, usual_criterion
from fovea.nets.trainable import Headed, Trainable, add_head, start_from
from fovea.progress import Progress, silent

_LEFT_ALONE = Tuning()
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
    announce: Callable[[str], None] = lambda sentence: None,
) -> Trained:
    """Train the network further on `train` and return it with the best weights by `valid`.

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

    Raises:
        InputError: an unknown head or setting; a batch that needs more memory than is free.
        TooLittleTimeError: a budget in which nothing can be learned.
    """
    begun = time.perf_counter()
    settings = overridden(recipe(), wish.given)
    budget = settings.looping.seconds
    headed, card = add_head(
        trainable,
        class_names=tuple(class_names),
        hidden=hidden_widths(wish.head_layers),
        dropout=settings.regularisation.dropout or 0.0,
    )
    if start is not None:
        start_from(headed, weights=start.weights, bias=start.bias, mean=start.mean, scale=start.scale)
    workspace.mkdir(parents=True, exist_ok=True)
    job = Job(
        headed=headed,
        trainable=trainable,
        n_train=len(train.labels),
        n_valid=len(valid.labels),
        size_px=cast("tuple[int, int]", train.pixels.shape[1:3]),
        wish=wish,
        settings=settings,
        workspace=workspace,
    )
    plan = plan_finetune(job)
    numbers = np.asarray(train.labels, np.int64)
    augment = suit_augmentation(
        settings.regularisation.augment, train.pixels, numbers, seed=settings.looping.seed
    )
    sentences = describe_plan(plan, job, policy=augment.policy)
    for sentence in sentences:
        announce(sentence)
    settings = plan.settings
    with ready(
        headed,
        plan.part.cut,
        train=train,
        valid=valid,
        card=card,
        settings=settings,
        frozen=plan.part.frozen,
        n_views=plan.n_views,
        augment=augment,
        progress=progress,
    ) as one:

        def evaluate(network: nn.Module) -> Score:
            return score_of(one.answer(network), valid.labels, kind=wish.kind)

        if budget is not None:
            left = max(1.0, budget - (time.perf_counter() - begun))
            settings = replace(settings, looping=replace(settings.looping, seconds=left))
        history = train_network(
            one.network,
            one.batches,
            settings=settings,
            kind=wish.kind,
            groups=rate_groups(headed, trainable.blocks),
            evaluate=evaluate,
            frozen_statistics=True,
            checkpoint=workspace / "finetune.checkpoint",
            progress=progress,
            on_epoch=lambda record: announce(
                describe_epoch(record, n_epochs=plan.settings.looping.epochs or 1)
            ),
        )
        with torch.inference_mode():
            logits = one.answer(one.network.eval()).numpy()
    return Trained(
        headed.cpu(),
        card,
        f"head.{len(headed.head) - 1}",
        history,
        logits,
        settings=plan.settings,
        plan=sentences,
    )


def score_of(logits: Tensor, labels: NDArray[np.int64] | NDArray[np.float32], *, kind: Kind) -> Score:
    """Return the loss and the accuracy of logits (m, k); of values R2, of several labels the share that is right."""
    if kind == "class":
        return score(logits.numpy(), np.asarray(labels, np.int64))
    y = torch.from_numpy(np.asarray(labels, np.float32)).reshape(logits.shape)
    loss = float(usual_criterion(kind)(logits, y).mean())
    if kind == "labels":
        return Score(loss, float(right_answers(logits, y, kind=kind).mean()), len(y))
    return Score(loss, 1 - float((logits - y).square().sum() / (y - y.mean(0)).square().sum()), len(y))


def rate_groups(headed: Headed, blocks: tuple[tuple[str, ...], ...]) -> list[ParamGroup]:
    """Return what learns, in groups whose rates fall with depth; biases do not decay."""
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
    return groups
