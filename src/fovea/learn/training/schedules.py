"""The learning rate as a function of the step alone: nothing to save, and a resumed run goes on where it stood."""

import math

from fovea.learn.training.settings import Optimisation

_SLACK = 0.1  # of the seconds allowed; plans fill nine tenths of them
_STEP_SIZE = 7  # epochs (torch's tutorial on transfer learning, which trains 25)
_RISE = 0.3  # the share of a one-cycle in which the rate rises (Smith and Topin 2017; torch's default)
_FIRST, _LAST = (
    1 / 25,
    1 / 25e4,
)  # a one-cycle's first and last rate, as shares of the highest (torch's defaults)


def schedule_factor(step: int, *, n_steps: int, steps_per_epoch: int, settings: Optimisation) -> float:
    """Return what the learning rate is multiplied by at `step` (from 0) of `n_steps`; in [0, 1].

    "constant", "step" (times gamma every `step_size` epochs), "linear" and "cosine" (to 0 at the end) rise linearly over the first
    `warmup` of all steps; "one-cycle" has a rise of its own.
    """
    if settings.schedule == "one-cycle":
        return _one_cycle(step, n_steps)
    n_warm = round(settings.warmup * n_steps)
    rise = min(1.0, (step + 1) / (n_warm + 1))
    if settings.schedule == "step":
        size = settings.step_size or usual_step_size(n_steps // steps_per_epoch)
        return rise * float(settings.gamma ** (step // steps_per_epoch // size))
    if settings.schedule == "linear" and step >= n_warm:
        return (n_steps - step) / max(1, n_steps - n_warm)
    if settings.schedule == "cosine" and step >= n_warm:
        return 0.5 * (1 + math.cos(math.pi * (step - n_warm) / max(1, n_steps - n_warm)))
    return rise


def due_step(seconds: float, allowed: float, *, n_steps: int) -> int:
    """Return the step whose rate is due after `seconds` of those allowed: a training that is slower than planned still ends low.

    What learns at a high rate to the last is worse than what was slowed down in time (budgeted training: Li et al., 2020,
    arXiv 1905.04753). The clock counts from a tenth on, so that a training as fast as planned goes by its steps alone and is the
    same when repeated.
    """
    share = min(1.0, seconds / allowed) if allowed > 0 else 1.0
    return int(n_steps * max(0.0, share - _SLACK) / (1 - _SLACK))


def usual_step_size(n_epochs: int) -> int:
    """Return after how many epochs the schedule "step" falls: 7, or a third where that would be hardly before the end."""
    return _STEP_SIZE if n_epochs > _STEP_SIZE else max(1, n_epochs // 3)


def _one_cycle(step: int, n_steps: int) -> float:
    """Return the factor of torch's OneCycleLR: half a cosine up, half a cosine down."""
    top = _RISE * n_steps - 1
    if step <= top:
        return _between(_FIRST, 1.0, step / max(top, 1e-9))
    return _between(1.0, _LAST, (step - top) / max(n_steps - 1 - top, 1e-9))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(share, 1.0)))
