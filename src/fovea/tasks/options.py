"""Groups of options that several tasks share, and a config made of plain keywords."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from fovea.errors import InputError
from fovea.tasks.option_values import as_option


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How labelled pictures are read: see `manifest.read_source`, `manifest.change_classes` and `manifest.apply_fixes`."""

    label_by: str | None = None
    group_by: str | None = None
    group_pattern: str | None = None
    strict: bool = False
    drop: tuple[str, ...] = ()
    merge: Mapping[str, str] = field(default_factory=dict)
    fixes: Path | None = None


@dataclass(frozen=True, slots=True)
class BackboneOptions:
    """Which network turns pictures into features, and how: see `features.open_backbone`.

    `size` is the side of its input in pixels ("288"), or height x width ("384x272"); the network's own where None.
    """

    backbone: str | None = None
    weights: Path | None = None
    stages: tuple[str, ...] = ()
    engine: str = "openvino"
    compute: str = "auto"
    fit: str = "crop"
    size: str | None = None
    views: int = 1
    threads: int | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class PromiseOptions:
    """A precision to promise for accepted answers: see `judge.threshold_for_precision`."""

    precision: float | None = None
    confidence: float = 0.95
    per_class: bool = False


FIND = "find"
METHODS = ("probe", "finetune", "scratch", "auto")


@dataclass(frozen=True, slots=True)
class MethodOptions:
    """How a classifier is learned; all but the probe need the extra torch.

    `method` None is "auto" where there is a budget, else "probe".
    "probe": a linear classifier on stored features. "finetune": the network behind them learns too, from the probe on.
    "scratch": the network `net` learns from random weights. "auto": what `budget` (seconds) allows, side by side.
    `ensemble` networks with seeds of their own become one. `unfreeze` is how many of the last blocks learn, the name of the
    first of them, "all" or "auto"; `head` is "linear" or "mlp:256". `hidden` are the widths of a network's fully connected layers
    below the last one. `track` names trackers that are told every epoch: "tensorboard", "wandb", "mlflow". The rest is for
    networks of our own, and where torch computes.
    """

    method: str | None = None
    budget: float | None = None
    net: str | None = None
    ensemble: int = 1
    unfreeze: str = "auto"
    head: str = "linear"
    hidden: tuple[int, ...] = ()
    activation: str | None = None
    init: str | None = None
    device: str = "auto"
    track: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How long a network learns and how its weights are moved; None: what the method's recipe says.

    `lr` "find" has it found by a trial; `batch_size` 0, or "full", is all pictures at once. See
    `fovea.learn.training.Optimisation` and `Looping`.
    """

    epochs: int | None = None
    batch_size: int | None = None
    lr: float | str | None = None
    optimizer: str | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    step_size: int | None = None
    gamma: float | None = None
    warmup: float | None = None
    clip: float | None = None
    patience: int | None = None


@dataclass(frozen=True, slots=True)
class RegularOptions:
    """What keeps a network from learning its pictures by heart; None: what the method's recipe says.

    See `fovea.learn.training.Regularisation`.
    """

    dropout: float | None = None
    drop_path: float | None = None
    smoothing: float | None = None
    mixup: float | None = None
    cutmix: float | None = None
    ema: float | None = None
    augment: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How a network is trained, where one is."""

    how: MethodOptions = field(default_factory=MethodOptions)
    steps: StepOptions = field(default_factory=StepOptions)
    regular: RegularOptions = field(default_factory=RegularOptions)

    @property
    def method(self) -> str:
        """What was asked for: "auto" where a budget was all that was said."""
        return self.how.method or ("probe" if self.how.budget is None else "auto")

    @property
    def finds_rate(self) -> bool:
        """Whether the learning rate is to be found."""
        return self.steps.lr == FIND

    def given(self) -> dict[str, Any]:
        """Return what was said of steps and regularisation, by name; not a learning rate that is to be found."""
        told = {**dataclasses.asdict(self.steps), **dataclasses.asdict(self.regular)}
        return {name: value for name, value in told.items() if value is not None and value != FIND}

    def of_layers(self) -> dict[str, Any]:
        """Return what was said of the layers of a network that learns from random weights, by name."""
        how, regular = self.how, self.regular
        told: dict[str, Any] = {"hidden": how.hidden or None, "activation": how.activation, "init": how.init}
        told |= {"dropout": regular.dropout, "drop_path": regular.drop_path}
        return {name: value for name, value in told.items() if value is not None}


ConfigT = TypeVar("ConfigT")


def configure(kind: type[ConfigT], settings: Mapping[str, Any]) -> ConfigT:
    """Make a config from plain keywords, those of its nested groups included; see `as_option` for what they may be.

    Raises:
        InputError: a value that cannot be one of its setting's.
        TypeError: a keyword that the task does not have; the closest one is named.
    """
    places = _places(kind)
    for name in settings:
        if name not in places:
            near = get_close_matches(name, places, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(sorted(places))}."
            raise TypeError(f"no setting {name!r}.{hint}")
    return _make(kind, settings)


def _places(kind: type[Any]) -> list[str]:
    """Return the names of a config's settings, those of its groups among them."""
    names = []
    for name, hint in get_type_hints(kind).items():
        names += _places(hint) if dataclasses.is_dataclass(hint) else [name]  # type: ignore[arg-type]
    return names


def _make(kind: type[ConfigT], settings: Mapping[str, Any]) -> ConfigT:
    values = {}
    for name, hint in get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            values[name] = _make(hint, settings)  # type: ignore[arg-type]
        elif name in settings:
            values[name] = as_option(name, settings[name], hint)
    return kind(**values)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise InputError unless `value` is one of the choices; the closest one is named."""
    if value not in choices:
        from fovea.wording import did_you_mean

        raise InputError(
            f"{name} is {value!r}{did_you_mean(value, choices)}; there are: {', '.join(choices)}."
        )


def check_promise(promise: PromiseOptions) -> None:
    """Raise InputError where a precision cannot be promised so: shares out of range, or none given to promise."""
    check_share("--precision", promise.precision)
    check_share("--confidence", promise.confidence)
    if promise.per_class and promise.precision is None:
        raise InputError(
            "per_class says how a precision is promised, and none was given. Give it too, for example precision=0.98."
        )


def check_share(name: str, value: float | None, *, most: float = 1.0, example: float = 0.95) -> None:
    """Raise InputError unless `value` is above 0, at most `most` and below 1 (None is fine)."""
    if value is not None and not (0 < value <= most and value < 1):
        raise InputError(
            f"{name} is {value!r}; it must lie between 0 and {most:g}, for example {name} {example}."
        )
