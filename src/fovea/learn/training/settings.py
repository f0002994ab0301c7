"""What training can be told: plain frozen values with the usual names. None means that the method's recipe chooses.

`check_settings` says what cannot be used, with the closest name; nothing here needs torch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from fovea.errors import InputError
from fovea.wording import did_you_mean

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "muon")
SCHEDULES = ("constant", "step", "linear", "cosine", "one-cycle")
PRECISIONS = ("auto", "f32", "bf16", "f16")
USUAL_EPOCHS = 10


@dataclass(frozen=True, slots=True)
class Optimisation:
    """How weights are moved.

    `lr` None is the optimiser's usual rate, `weight_decay` None its usual one. `warmup` is the share of all steps during
    which the rate rises from nothing; "step" multiplies it by `gamma` every `step_size` epochs (None: 7, of so few epochs a
    third). `clip` is the longest gradient (Euclidean norm over all weights), None for no limit. `momentum` is what "momentum",
    "nesterov" and "rmsprop" use.
    """

    optimizer: str = "adamw"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float | None = None
    schedule: str = "cosine"
    warmup: float = 0.05
    step_size: int | None = None
    gamma: float = 0.1
    clip: float | None = 1.0


@dataclass(frozen=True, slots=True)
class Regularisation:
    """What keeps a network from learning its pictures by heart; all shares in [0, 1), mixup and cutmix are Beta's alpha >= 0.

    `ema` is the decay of the averaged weights (0.999, say), 0 for none. `dropout`, `drop_path`, `balance` and `augment` are
    for whoever builds the network and the batches; the loop reads smoothing, mixup, cutmix and ema.
    """

    smoothing: float | None = None
    mixup: float | None = None
    cutmix: float | None = None
    dropout: float | None = None
    drop_path: float | None = None
    ema: float | None = None
    balance: bool = False
    augment: str | tuple[str, ...] = "auto"


@dataclass(frozen=True, slots=True)
class Looping:
    """How long, how much at once, and on what.

    `batch_size` 0 is all pictures at once. `patience` is how many epochs in a row may each answer the validation pictures worse
    than the best one did, by more than noise (see `is_as_good`), before training stops; None: all epochs are run. `seconds`
    ends training in time, the last validation included. `precision` is what the user calls `compute`.
    """

    epochs: int | None = None
    batch_size: int | None = None
    patience: int | None = None
    seed: int = 0
    seconds: float | None = None
    device: str = "auto"
    precision: str = "auto"
    compile: bool = False


@dataclass(frozen=True, slots=True)
class Training:
    """All settings of a training."""

    optimisation: Optimisation = field(default_factory=Optimisation)
    regularisation: Regularisation = field(default_factory=Regularisation)
    looping: Looping = field(default_factory=Looping)

    def after(self, seconds: float) -> "Training":
        """Return the settings with what is left of their seconds, where there are any, when so many have gone by."""
        if self.looping.seconds is None:
            return self
        return replace(self, looping=replace(self.looping, seconds=max(1.0, self.looping.seconds - seconds)))


def check_settings(training: Training) -> None:
    """Raise InputError for the first value that cannot be used; unknown names get the closest one."""
    optimisation, regularisation, looping = training.optimisation, training.regularisation, training.looping
    _require_known("optimizer", optimisation.optimizer, OPTIMIZERS)
    _require_known("schedule", optimisation.schedule, SCHEDULES)
    _require_known("compute", looping.precision, PRECISIONS)
    above, least = "above 0", "0 or more"
    for name, value, fits, what in (
        ("lr", optimisation.lr, _is_above(optimisation.lr), above),
        ("clip", optimisation.clip, _is_above(optimisation.clip), above),
        ("gamma", optimisation.gamma, _is_above(optimisation.gamma), above),
        ("weight_decay", optimisation.weight_decay, _is_least(optimisation.weight_decay), least),
        ("momentum", optimisation.momentum, _is_share(optimisation.momentum), "from 0 to below 1"),
        ("warmup", optimisation.warmup, _is_share(optimisation.warmup), "from 0 to below 1"),
        ("step_size", optimisation.step_size, _is_counted(optimisation.step_size), "1 or more"),
        ("smoothing", regularisation.smoothing, _is_share(regularisation.smoothing), "from 0 to below 1"),
        ("dropout", regularisation.dropout, _is_share(regularisation.dropout), "from 0 to below 1"),
        ("drop_path", regularisation.drop_path, _is_share(regularisation.drop_path), "from 0 to below 1"),
        ("ema", regularisation.ema, _is_share(regularisation.ema), "from 0 to below 1"),
        ("mixup", regularisation.mixup, _is_least(regularisation.mixup), least),
        ("cutmix", regularisation.cutmix, _is_least(regularisation.cutmix), least),
        ("epochs", looping.epochs, _is_counted(looping.epochs), "1 or more"),
        ("batch_size", looping.batch_size, _is_least(looping.batch_size), "1 or more, or 0 for all pictures"),
        ("patience", looping.patience, _is_counted(looping.patience), "1 or more"),
        ("seconds", looping.seconds, _is_above(looping.seconds), above),
    ):
        if not fits:
            raise InputError(f"The setting {name} must be {what}; it is {value!r}.")
    if optimisation.optimizer == "nesterov" and optimisation.momentum == 0:
        raise InputError(
            "The optimiser 'nesterov' looks ahead along its momentum, and the setting momentum is 0. Give it one (0.9), or take "
            "the optimiser 'sgd'."
        )


def overridden(recipe: Training, given: Mapping[str, Any]) -> Training:
    """Return the recipe with fields of its three groups replaced by what is given, by their names alone: {"lr": 0.1}.

    A new optimiser forgets the recipe's rate and decay, which were another's. Raises InputError for values that cannot be
    used, TypeError for an unknown name.
    """
    given, said = dict(given), sorted({"gamma", "step_size"} & set(given))
    if given.get("optimizer", recipe.optimisation.optimizer) != recipe.optimisation.optimizer:
        given = {"lr": None, "weight_decay": None} | given
    groups = {}
    for group in fields(recipe):
        held = getattr(recipe, group.name)
        names = [field.name for field in fields(held) if field.name in given]
        groups[group.name] = replace(held, **{name: given.pop(name) for name in names})
    if given:
        raise TypeError(f"there is no setting {', '.join(map(repr, given))}")
    training = Training(**groups)
    check_settings(training)
    if said and training.optimisation.schedule != "step":
        raise InputError(
            f"{' and '.join(said)}: of the schedule 'step' alone, and this one is {training.optimisation.schedule!r}. Add "
            "--schedule step, or leave them away."
        )
    return training


def _require_known(name: str, value: Any, known: Iterable[str]) -> None:
    known = tuple(known)
    if value not in known:
        meant = did_you_mean(value, known) if isinstance(value, str) else ""
        raise InputError(f"There is no {name} {value!r}{meant}. There are: {', '.join(known)}.")


def _is_above(value: Any) -> bool:
    return value is None or 0 < value < float("inf")


def _is_least(value: Any) -> bool:
    return value is None or 0 <= value < float("inf")


def _is_counted(value: Any) -> bool:
    return value is None or value >= 1


def _is_share(value: Any) -> bool:
    return value is None or 0 <= value < 1
