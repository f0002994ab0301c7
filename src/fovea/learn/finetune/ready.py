"""What learns, made ready: the network cut or whole, quickened, with its batches and its validation pictures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fovea.learn.augment import Augmentation, normalise
from fovea.learn.finetune.frozen import FrozenBatches
from fovea.learn.trained import Pictures
from fovea.learn.training import ArrayBatches, Batches, choose_machine
from fovea.learn.training.processes import join_processes
from fovea.nets.cut import Above, Cut, cut_off
from fovea.nets.quick import quickened
from fovea.nets.trainable import Headed, unreached_by
from fovea.nets.weights import WeightsCard
from fovea.progress import Progress

if TYPE_CHECKING:
    from fovea.learn.finetune.plan import Plan

_ROWS = 64
Rows: TypeAlias = NDArray[np.uint8] | NDArray[np.float16]
"""Pictures uint8 (n, h, w, 3), or with a cut their stored values float16 (n, d)."""


@dataclass(frozen=True, slots=True)
class Learning:
    """The module that learns, and how uint8 pixels, or what is stored of them, become its input."""

    network: nn.Module
    planes: Callable[[Rows], Tensor]


@contextmanager
def learning(
    headed: Headed, cut: Cut | None, *, card: WeightsCard, rows: Rows, size_px: tuple[int, int]
) -> Iterator[Learning]:
    """Cut off what is frozen and quicken the rest meanwhile.

    `rows` are two or more, by which it is checked that answers stay the same; `size_px` is (height, width) of the pictures.
    """
    if cut is None:
        scale = normalise(card.mean, card.std)

        def planes(pixels: Rows) -> Tensor:
            return scale(torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2))

        with quickened(headed, example=planes(rows[:2])):
            yield Learning(headed, planes)
        return

    def values(stored: Rows) -> Tensor:
        return torch.from_numpy(np.array(stored)).float()

    above = Above(headed, cut, size_px=size_px)
    try:
        with (
            cut_off(headed, cut),
            _without_unreached(above, example=values(rows[:2])),
            quickened(above, example=values(rows[:2])),
        ):
            yield Learning(above, values)
    finally:
        above.close()


@contextmanager
def _without_unreached(above: Above, *, example: Tensor) -> Iterator[None]:
    """Let weights outside of all blocks that only matter below the cut, such as a class token, learn nothing meanwhile.

    Several processes wait for a gradient of whatever learns.
    """
    with torch.enable_grad():
        x = example.to(next(above.parameters()).device)
        unreached = unreached_by(above.eval().features(x), above.headed)
    for weight in unreached:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in unreached:
            weight.requires_grad_(True)


@dataclass(frozen=True, slots=True)
class Kept:
    """What trainings read: the pictures of both sides, or with a cut what is stored of them.

    `values` float16 (n, views, d) are the training pictures', None without a cut; `rows` are their first view.
    """

    rows: Rows
    held: Rows
    values: NDArray[np.float16] | None


def keep(
    plan: "Plan", *, train: Pictures, valid: Pictures, augment: Augmentation, progress: Progress
) -> Kept:
    """Compute what lies below the cut, once for all trainings."""
    looping, frozen = plan.settings.looping, plan.part.frozen
    if frozen is None:
        return Kept(train.pixels, valid.pixels, None)
    processes = join_processes(choose_machine(device=looping.device, precision=looping.precision).device)
    values = frozen.compute(
        train.pixels,
        n_views=plan.n_views,
        augment=augment,
        seed=looping.seed,
        processes=processes,
        progress=progress,
    )
    return Kept(values[:, 0], frozen.compute(valid.pixels, processes=processes)[:, 0], values)


@dataclass(frozen=True, slots=True)
class Ready:
    """The module that learns, its batches in the order of a seed, and what it answers to the validation pictures."""

    network: nn.Module
    batches: Callable[[int], Batches]
    answer: Callable[[nn.Module], Tensor]


@contextmanager
def ready(
    headed: Headed,
    plan: "Plan",
    kept: Kept,
    *,
    train: Pictures,
    card: WeightsCard,
    augment: Augmentation,
) -> Iterator[Ready]:
    """Make all ready that a training needs, for the time of the block."""
    looping, values, cut = plan.settings.looping, kept.values, plan.part.cut
    device = choose_machine(device=looping.device, precision=looping.precision).device
    weights = train.class_weights if plan.settings.regularisation.balance else None
    batch_size = len(train.labels) if looping.batch_size == 0 else looping.batch_size or 1
    size = int(train.pixels.shape[1]), int(train.pixels.shape[2])
    with learning(headed, cut, card=card, rows=kept.rows, size_px=size) as one:
        scale = normalise(card.mean, card.std)

        def batches(seed: int) -> Batches:
            told: dict[str, Any] = {
                "batch_size": batch_size,
                "seed": seed,
                "weights": weights,
                "device": device,
            }
            if values is not None:
                return FrozenBatches(values, train.labels, **told)
            planes = train.pixels.transpose(0, 3, 1, 2)
            return ArrayBatches(
                planes, train.labels, prepare=lambda x, generator: scale(augment(x, generator)), **told
            )

        def answer(network: nn.Module) -> Tensor:
            device = next(network.parameters()).device
            parts = [
                network(one.planes(kept.held[begin : begin + _ROWS]).to(device)).float().cpu()
                for begin in range(0, len(kept.held), _ROWS)
            ]
            return torch.cat(parts)

        yield Ready(one.network, batches, answer)
