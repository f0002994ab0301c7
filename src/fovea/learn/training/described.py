"""The settings of a training in a plain sentence: all that is in effect, and nothing that is off."""

from collections.abc import Iterator

from fovea.learn.training.devices import choose_machine
from fovea.learn.training.losses import Kind
from fovea.learn.training.optimisers import USUAL_DECAY, USUAL_LR
from fovea.learn.training.schedules import usual_step_size
from fovea.learn.training.settings import USUAL_EPOCHS, Optimisation, Regularisation, Training
from fovea.wording import count

_WITH_MOMENTUM = ("momentum", "nesterov", "rmsprop")


def describe_settings(
    settings: Training,
    *,
    n_pictures: int,
    kind: Kind = "class",
    has_own_muon: bool = False,
    mixes_pictures: bool = True,
) -> str:
    """Return the sentence; rates and decays that were left to the optimiser are its usual ones.

    With `has_own_muon` "muon" is the fast recipe's, which has a momentum and decays of its own. Without `mixes_pictures` there
    are only stored values to mix, which CutMix does not. Of numbers (`kind` "values") nothing is smoothed.
    """
    optimisation, looping = settings.optimisation, settings.looping
    n_epochs = looping.epochs or USUAL_EPOCHS
    parts = [
        f"{count(n_epochs, 'epoch')} {describe_batch(looping.batch_size or 0, n_pictures=n_pictures)}",
        ", ".join(_of_steps(optimisation, n_epochs=n_epochs, has_own_muon=has_own_muon)),
    ]
    held = list(_of_learning(settings.regularisation, kind=kind, mixes_pictures=mixes_pictures))
    if looping.patience is not None:
        held.append(f"patience {looping.patience}")
    machine = choose_machine(device=looping.device, precision=looping.precision)
    ends = f"in {machine.precision} on {machine.device}{', compiled' if looping.compile else ''}"
    return "; ".join([*parts, *([", ".join(held)] if held else []), ends]) + "."


def describe_batch(batch_size: int, *, n_pictures: int) -> str:
    """Return "in batches of 16", or that all are taken at once: 0, or as many as there are."""
    if batch_size == 0 or batch_size >= n_pictures:
        return f"with all {n_pictures:,} pictures a step"
    return f"in batches of {batch_size:,}"


def _of_steps(settings: Optimisation, *, n_epochs: int, has_own_muon: bool) -> Iterator[str]:
    name = settings.optimizer
    is_own = has_own_muon and name == "muon"
    yield f"{name} at {USUAL_LR[name] if settings.lr is None else settings.lr:.3g}"
    if is_own or name in _WITH_MOMENTUM:
        yield f"momentum {settings.momentum:g}"
    decay = USUAL_DECAY.get(name, 0.0) if settings.weight_decay is None else settings.weight_decay
    if decay and not is_own:
        yield f"weight decay {decay:g}"
    yield f"schedule {settings.schedule!r}"
    if settings.schedule == "step":
        yield f"times {settings.gamma:g} every {count(settings.step_size or usual_step_size(n_epochs), 'epoch')}"
    if settings.warmup and settings.schedule != "one-cycle":  # which rises by itself
        yield f"warm-up {100 * settings.warmup:g} %"
    if settings.clip is not None:
        yield f"clip {settings.clip:g}"


def _of_learning(settings: Regularisation, *, kind: Kind, mixes_pictures: bool) -> Iterator[str]:
    values = {
        "dropout": settings.dropout,
        "drop path": settings.drop_path,
        "smoothing": None if kind == "values" else settings.smoothing,
        "mixup": settings.mixup,
        "CutMix": settings.cutmix if mixes_pictures else None,
        "EMA": settings.ema,
    }
    yield from (f"{name} {value:g}" for name, value in values.items() if value)
    if settings.balance:
        yield "classes balanced"
