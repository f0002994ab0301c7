"""What the curves of a training tell and what to try next: what `judge.diagnose` is to know of pictures, settings and network."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from fovea.judge import Finding, OneAnswer, diagnose, mean_answer, usual_answer

if TYPE_CHECKING:
    from fovea.tasks.train.attempt import Attempt


def findings_of(attempt: "Attempt") -> tuple[Finding, ...]:
    """Return what the curves of an attempt tell."""
    valid = attempt.sides.valid
    classes, n_valid = valid.classes, len(valid.labels)
    return diagnose(
        attempt.trained.history.to_json(),
        n_valid=n_valid,
        chance=None if classes is None else float(np.bincount(classes).max()) / n_valid,
        one_answer=_one_answer(attempt),
        settings=_used(attempt),
    )


def _one_answer(attempt: "Attempt") -> OneAnswer | None:
    """Return the losses of one answer to every picture, of numbers and labels."""
    if attempt.kind == "class":
        return None
    train, valid = (
        np.asarray(side.labels, np.float32) for side in (attempt.sides.train, attempt.sides.valid)
    )
    if attempt.kind == "values":
        return mean_answer(train, valid)
    settings = attempt.trained.settings
    smoothing = 0.0 if settings is None else settings.regularisation.smoothing or 0.0
    return usual_answer(train, valid, smoothing=smoothing)


def _used(attempt: "Attempt") -> dict[str, Any]:
    """Return the settings in use, by their names, and what can be changed of the network."""
    from fovea.learn.training import choose_machine
    from fovea.nets.keras_trained import LIBRARY as KERAS
    from fovea.nets.zoo import OWN

    settings, library = attempt.trained.settings, attempt.trained.card.library
    used: dict[str, Any] = {
        "net": attempt.net,
        "has_activation": library == OWN,
        "has_init": library != KERAS,
        "is_whole": attempt.trained.is_whole,
        "is_module": attempt.is_module,
        "teacher": attempt.teacher,
    }
    if settings is None:
        return used
    looping = settings.looping
    return {
        **asdict(settings.optimisation),
        **asdict(settings.regularisation),
        "dropout": _dropout(attempt, settings.regularisation.dropout or 0.0),
        "seconds": looping.seconds,
        "precision": choose_machine(device=looping.device, precision=looping.precision).precision,
        **used,
    }


def _dropout(attempt: "Attempt", share: float) -> float | None:
    """Return the dropout that was used; None where it is not known that the network takes one."""
    from fovea.nets.classic import find_classic, options_of
    from fovea.nets.zoo import OWN

    card = attempt.trained.card
    classic = find_classic(card.architecture) if attempt.net and card.library == OWN else None
    takes_one = classic is not None and "dropout" in options_of(classic)
    return share if share or takes_one else None
