"""A student from random weights: every picture's loss is the divergence from the teacher's answer, and that from the label.

Soft targets at a temperature, times its square (Hinton 2015, section 2), so that alpha means the same at any temperature.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fovea.learn.distil.settings import Distilling, Taught
from fovea.learn.scratch import Lesson, recipe, scratch
from fovea.learn.trained import Pictures, Trained
from fovea.learn.training import overridden
from fovea.learn.training.losses import Criterion
from fovea.progress import Progress, silent

_BELOW = float(2**20)
"""The last column of the targets is minus this and the class number: never the largest of a row, exact in float32."""
_LEAST = -60.0  # log-probability that still counts; float16 ends at -65,504


def distil(
    net: str,
    train: Taught,
    *,
    valid: Pictures,
    class_names: Sequence[str],
    wish: Distilling,
    workspace: Path,
    progress: Progress = silent,
    announce: Callable[[str], None] = lambda sentence: None,
) -> Trained:
    """Train a network from random weights on a teacher's answers; see `scratch` for the rest.

    The accuracy of training in its history is the agreement with the teacher. Raises as `scratch` does.
    """
    making = wish.making
    settings = overridden(recipe(net, n_pictures=len(train.labels)), making.given)
    lesson = Lesson(targets_of(train), criterion_of(wish, smoothing=settings.regularisation.smoothing or 0.0))
    n_labelled = int((train.labels >= 0).sum())
    sentence = (
        f"From a teacher: its answers to {len(train.labels):,} pictures, {n_labelled:,} of them with a label; temperature "
        f"{wish.temperature:g}, alpha {wish.alpha:g}."
    )
    announce(sentence)
    answered = np.where(train.labels >= 0, train.labels, train.answers.argmax(1))
    trained = scratch(
        net,
        Pictures(train.pixels, answered.astype(np.int64)),
        valid=valid,
        class_names=class_names,
        wish=dataclasses.replace(making, lesson=lesson),
        workspace=workspace / f"temperature-{wish.temperature:g}-alpha-{wish.alpha:g}",
        progress=progress,
        announce=announce,
    )
    return dataclasses.replace(trained, plan=(sentence, *trained.plan))


def targets_of(train: Taught) -> NDArray[np.float32]:
    """Return float32 (n, k + 1): the teacher's log-probabilities, and the class in a number below them all."""
    answers = np.maximum(train.answers.astype(np.float32), _LEAST)
    return np.concatenate([answers, -_BELOW - train.labels[:, None].astype(np.float32)], axis=1)


def criterion_of(wish: Distilling, *, smoothing: float = 0.0) -> Criterion:
    """Return the loss (n,) of outputs (n, k) against targets (n, k + 1) of `targets_of`; labels are smoothed."""
    temperature = wish.temperature

    def losses(outputs: Tensor, y: Tensor) -> Tensor:
        outputs, answers = outputs.float(), y[:, :-1]
        labels = (-y[:, -1] - _BELOW).round().long()
        soft = temperature**2 * divergence(outputs, answers, temperature=temperature)
        is_labelled = labels >= 0
        hard = functional.cross_entropy(
            outputs, labels.clamp(min=0), reduction="none", label_smoothing=smoothing
        )
        return torch.where(is_labelled, wish.alpha * soft + (1 - wish.alpha) * hard, soft)

    return losses


def divergence(outputs: Tensor, answers: Tensor, *, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence (n,) of the student's from the teacher's answers, both at a temperature; 0 is best.

    `outputs` are logits (n, k), `answers` log-probabilities (n, k).
    """
    student, teacher = (functional.log_softmax(one / temperature, 1) for one in (outputs, answers))
    return functional.kl_div(student, teacher, reduction="none", log_target=True).sum(1)
