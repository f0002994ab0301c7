"""How many epochs a budget allows, by the time that training steps take."""

import math
from dataclasses import dataclass, replace
from typing import cast

from fovea.errors import InputError
from fovea.learn.scratch.settings import Making
from fovea.learn.training import Training, choose_machine, forecast_memory, free_bytes, require_memory
from fovea.learn.training.planned import TooLittleTimeError
from fovea.learn.training.processes import join_processes
from fovea.learn.training.timing import Trial, time_step

_FORWARD = 1 / 3  # of a training step's arithmetic
_SHARE = 0.92  # of a budget that is planned for: speed varies
_SHARE_ENDED = 0.97  # of one that ends the last epoch
_FEW = 8  # epochs; where fewer fit, what is left of a budget is a good part of one
_WORTH = 0.1  # of an epoch: less is not begun
_LEAST_STEPS = 20  # of a single epoch that the budget ends
_LEFT_ALONE = Making()


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings with their epochs, and what training them is forecast to take, in seconds and bytes of memory.

    `share` of the last epoch is what the seconds are forecast to allow.
    """

    settings: Training
    seconds: float
    n_bytes: int
    share: float = 1.0

    def is_all_of(self, settings: Training) -> bool:
        """Return whether all epochs of the settings fit."""
        return self.settings.looping.epochs == settings.looping.epochs and self.share == 1


def plan_training(
    trial: Trial,
    *,
    settings: Training,
    n_pictures: int,
    n_scored: int,
    n_answered: int,
    n_tried: int = 0,
    planned: int = 0,
    wish: Making = _LEFT_ALONE,
) -> Plan:
    """Return the settings with as many epochs as their seconds allow (at most those they name), and the forecast.

    `trial` is what is timed. `n_scored` validation pictures are answered after every epoch, `n_answered` (each view counts)
    at the end; `n_tried` are trained on before, to find a learning rate. `planned` are the epochs of a training that was
    interrupted and goes on. Of `wish` only `short` and `n_sharing` are read here. Several processes share every batch, and do
    what the first one plans. Where few epochs fit, the seconds end the last one; many are whole, so that a training as fast as
    planned is the same when repeated.
    Raises InputError where a batch needs more memory than is free or is too small, TooLittleTimeError where hardly a step
    fits.
    """
    looping = settings.looping
    device = choose_machine(device=looping.device, precision=looping.precision).device
    processes = join_processes(device)
    memory = forecast_memory(trial.network, next(iter(trial.batches.epoch(0))).x, settings=settings)
    batch_size = math.ceil(min(looping.batch_size or n_pictures, n_pictures) / processes.n)
    require_memory(memory, batch_size=batch_size, free=processes.least(free_bytes(device)))
    try:
        picture = time_step(trial, settings=settings)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):  # torch's batch normalisation says so
            raise
        raise InputError(
            "This network has batch normalisation, which needs more than one picture a batch. Give --batch-size 2 or more, or "
            "take a network without it (--net lenet5, mlp)."
        ) from error
    picture, n_planned, seconds = processes.agree(picture, planned, (looping.seconds or 0.0) - wish.short)
    epoch = picture * (n_pictures / processes.n + _FORWARD * n_scored)
    answering, searching = picture * _FORWARD * n_answered, picture * n_tried
    last = answering + searching
    n_epochs = int(n_planned) or cast("int", looping.epochs)
    fitting = math.inf if looping.seconds is None else (_SHARE * seconds - last) / epoch
    if n_epochs > fitting and not n_planned:
        n_epochs = int(fitting) if fitting >= _FEW else max(1, math.ceil(fitting - _WORTH))
    is_whole = n_epochs <= fitting or n_epochs > _FEW
    left = max(1e-3, (1.0 if is_whole else _SHARE_ENDED) * seconds - answering)
    looping = replace(looping, epochs=n_epochs, seconds=None if looping.seconds is None else left)
    settings = replace(settings, looping=looping)
    if is_whole:
        return Plan(settings, n_epochs * epoch + last, memory.of(batch_size))
    own = n_pictures / processes.n
    fitting = (left - searching - picture * _FORWARD * n_scored * n_epochs) / (picture * own)
    n_steps = math.ceil(own / batch_size)
    least = min(_LEAST_STEPS, n_steps) / n_steps
    if (fitting < least or seconds <= 0) and not n_planned:
        need = picture * (least * own + _FORWARD * n_scored) + last
        steps, lacking = f"{round(least * n_steps)} steps", wish.n_sharing * (2 * need + 5 - seconds)
        why = f"{seconds:.0f} s of the budget are left, too few to train from scratch: {steps} take {need:.0f} s here"
        if seconds <= 0:
            why = (
                f"The budget is {math.ceil(-seconds * wish.n_sharing)} s short of what reading the pictures, converting the "
                f"network and the report take, and {steps} of training from scratch take {need:.0f} s on top of that here"
            )
        raise TooLittleTimeError(
            f"{why}. Raise --budget by {lacking:.0f} s or more, or take a smaller network (--net)."
        )
    share = min(1.0, max(0.0, fitting - n_epochs + 1))  # a training that goes on may have none left
    return Plan(settings, left + answering, memory.of(batch_size), share)
