"""Which settings a network is trained with from scratch, by the number of its pictures."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from fovea.learn.training import Looping, Optimisation, Regularisation, Training
from fovea.nets.keras_trained import is_keras_file

FAST = "fast"
_USUAL_PICTURES = 50_000  # what the epochs below are for: CIFAR-10, MNIST
_MOST_TIMES = 12.0  # so many times as many epochs at most for fewer pictures
FEW = 4
"""Epochs of the fast recipe; where a budget has room for fewer, steps are what lacks, not pictures: see `hastened`."""
_LONG = 2.4  # so many times as many epochs of the fast recipe at most, where a budget has room for them
_WIDE_PICTURES = 25_000  # the wide form was measured on 48,000; of far fewer nobody knows

_ADAM = Optimisation("adamw", lr=2e-3, weight_decay=0.01, schedule="one-cycle")
_NESTEROV = Optimisation(
    "nesterov", lr=0.1, weight_decay=5e-4, schedule="cosine", warmup=0.1
)  # He 2015, section 4.2
_SLOW = Optimisation(
    "adamw", lr=3e-4, weight_decay=0.05, schedule="cosine", warmup=0.1
)  # deep ones without norms
_FAST = Optimisation(
    "muon", lr=0.24, momentum=0.6, weight_decay=0.0, schedule="linear", warmup=0.0, clip=None
)


def recipe(net: str, *, n_pictures: int) -> Training:
    """Return all settings for training `net` from scratch on so many pictures.

    Fewer pictures than 50,000 get more epochs, so that the number of steps falls with their root only.
    """
    optimisation, regularisation, epochs, batch_size = _of(net.partition(":")[2] or net)
    times = min(_MOST_TIMES, math.sqrt(max(1.0, _USUAL_PICTURES / max(1, n_pictures))))
    batch_size = max(16, min(batch_size, n_pictures // 20))
    return Training(
        optimisation, regularisation, Looping(epochs=round(times * epochs), batch_size=batch_size)
    )


def prolonged(net: str, settings: Training, *, given: Mapping[str, Any]) -> Training:
    """Return the settings with the epochs that a budget is worth: of the fast recipe more than its own, if none were given."""
    if net != FAST or settings.looping.seconds is None or "epochs" in given:
        return settings
    epochs = round(_LONG * cast("int", settings.looping.epochs))
    return replace(settings, looping=replace(settings.looping, epochs=epochs))


def hastened(net: str, settings: Training, *, given: Mapping[str, Any]) -> Training:
    """Return the settings for fewer epochs than `FEW`: the fast recipe takes a quarter of its batch, if nothing says otherwise.

    After 0.4 epochs of CIFAR-10 batches of 250 are right of 81 %, those of 1,000 of 70 % (lab/LOG.md); after 10 there is no
    difference.
    """
    if net != FAST or settings.looping.seconds is None or {"batch_size", "epochs"} & set(given):
        return settings
    batch_size = max(1, cast("int", settings.looping.batch_size) // 4)
    return replace(settings, looping=replace(settings.looping, batch_size=batch_size))


def wide_from(net: str, settings: Training, *, given: Mapping[str, Any], n_pictures: int) -> int | None:
    """Return how many epochs of the fast network's wide form a budget must have room for; None where it is not tried.

    As many as the recipe has of the usual form; `settings` are prolonged ones, `given` are settings and options.
    """
    is_given = "epochs" in given or "widths" in given
    if net != FAST or settings.looping.seconds is None or is_given or n_pictures < _WIDE_PICTURES:
        return None
    return round(cast("int", settings.looping.epochs) / _LONG)


def _of(net: str) -> tuple[Optimisation, Regularisation, int, int]:
    """Return optimisation, regularisation, epochs at 50,000 pictures, and the batch size of a network."""
    if is_keras_file(net):  # a user's own, which may have weights already; its name says nothing
        return _SLOW, Regularisation(smoothing=0.1), 30, 64
    if net == FAST:
        return _FAST, Regularisation(smoothing=0.2), 10, 1000  # the paper: 8 for 94 %
    if net in ("mlp", "highway"):
        return _ADAM, Regularisation(dropout=0.2 if net == "mlp" else None), 15, 128
    if net.startswith("lenet"):
        return replace(_ADAM, lr=3e-3), Regularisation(), 10, 256
    if net == "bncnn":
        return _ADAM, Regularisation(smoothing=0.1, dropout=0.3), 15, 128
    if net.startswith(("alexnet", "vgg", "squeezenet")) and not net.endswith("_bn"):
        return _SLOW, Regularisation(smoothing=0.1, dropout=0.5), 30, 64
    if net.startswith(("plain", "resnet", "googlenet", "inception", "densenet", "vgg")):
        return _NESTEROV, Regularisation(smoothing=0.1), 30, 128
    return _SLOW, Regularisation(smoothing=0.1), 30, 64
