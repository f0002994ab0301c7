"""A student from random weights: every picture's loss is the divergence from the teacher's answer, and that from the label.

Soft targets at a temperature, times its square (Hinton 2015, section 2), so that alpha means the same at any temperature.
Beside them the teacher's features may be learned, through a projection (Romero 2015).
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fovea.learn.distil.projection import Projection
from fovea.learn.distil.settings import Distilling, Taught
from fovea.learn.scratch import Lesson, recipe, scratch
from fovea.learn.trained import OnEpoch, Pictures, Trained, unwatched
from fovea.learn.training import Training, overridden
from fovea.learn.training.losses import Criterion
from fovea.progress import Progress, silent, unheard

_BELOW = float(2**20)
"""The last column of the targets is minus this and the class number: never the largest of a row, exact in float32."""
_LEAST = -60.0  # log-probability that still counts; float16 ends at -65,504
_SAME = 1e-6  # a deviation that is rounding
_FAR, _APART = 32.0, 64.0
"""Standardised features end at this, and stand in the targets less that: below a row's largest answer, exact to 4e-6."""


def distil(
    net: str,
    train: Taught,
    *,
    valid: Pictures,
    class_names: Sequence[str],
    wish: Distilling,
    workspace: Path,
    progress: Progress = silent,
    announce: Callable[[str], None] = unheard,
    on_epoch: OnEpoch = unwatched,
) -> Trained:
    """Train a network from random weights on a teacher's answers; see `scratch` for the rest.

    The accuracy of training in its history is the agreement with the teacher. Raises as `scratch` does.
    """
    making = wish.making
    settings = overridden(recipe(net, n_pictures=len(train.labels)), making.given)
    lesson = lesson_of(train, wish=wish, settings=settings)
    n_labelled = int((train.labels >= 0).sum())
    sentence = (
        f"From a teacher: its answers to {len(train.labels):,} pictures, {n_labelled:,} of them with a label; temperature "
        f"{wish.temperature:g}, alpha {wish.alpha:g}{_of_features(train, wish)}."
    )
    announce(sentence)
    answered = np.where(train.labels >= 0, train.labels, train.answers.argmax(1))
    trained = scratch(
        net,
        Pictures(train.pixels, answered.astype(np.int64)),
        valid=valid,
        class_names=class_names,
        wish=dataclasses.replace(making, lesson=lesson),
        workspace=workspace
        / f"temperature-{wish.temperature:g}-alpha-{wish.alpha:g}-features-{wish.features:g}",
        progress=progress,
        announce=announce,
        on_epoch=on_epoch,
    )
    return dataclasses.replace(trained, plan=(sentence, *trained.plan))


def _of_features(train: Taught, wish: Distilling) -> str:
    if not wish.features or train.features is None:
        return ""
    return f"; its {train.features.shape[1]:,} features, weight {wish.features:g}"


def lesson_of(train: Taught, *, wish: Distilling, settings: Training) -> Lesson:
    """Return what is learned of these pictures in place of their labels."""
    smoothing = settings.regularisation.smoothing or 0.0
    if not wish.features or train.features is None:
        return Lesson(targets_of(train), criterion_of(wish, smoothing=smoothing))
    features = np.clip(standardised(train.features), -_FAR, _FAR) - _APART
    projection = Projection(features.shape[1], seed=settings.looping.seed)
    answers_alone = criterion_of(wish, smoothing=smoothing)
    n_answers = train.answers.shape[1] + 1

    def losses(outputs: Tensor, y: Tensor) -> Tensor:
        of_answers = answers_alone(outputs, y[:, :n_answers])
        return of_answers + wish.features * projection.losses(y[:, n_answers:] + _APART)

    return Lesson(np.concatenate([targets_of(train), features], axis=1), losses, projection.beside)


def standardised(features: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return features (n, f) less their mean, in units of their deviation; 0 where they never differ."""
    exact = features.astype(np.float32)
    exact -= exact.mean(0)
    deviation = exact.std(0)
    exact /= np.where(deviation > _SAME, deviation, np.inf)
    return exact


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
