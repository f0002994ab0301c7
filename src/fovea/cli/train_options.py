"""The options of `fovea train` that say how a network is trained, and the sections of its help."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_SECTION = "Training a network (extra torch)"


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A time such as 30s, 10m or 2h, as seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds that `value` says."""
        if isinstance(value, int | float):
            return float(value)
        from fovea.tasks.option_values import parse_seconds

        try:
            return parse_seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Rate(click.ParamType):  # type: ignore[type-arg]
    """A learning rate, or the word find."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the rate, or the word."""
        if value == "find":
            return "find"
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r}: give a number, such as 0.001, or find.", param, ctx)


class BatchSize(click.ParamType):  # type: ignore[type-arg]
    """A number of pictures, or the word full for all at once, which is 0."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        from fovea.tasks.option_values import FULL

        if value == FULL:
            return 0
        if not str(value).isdecimal():
            self.fail(
                f"{value!r}: give the pictures of a step, such as 64, or {FULL} for all at once.", param, ctx
            )
        return int(value)


class Widths(click.ParamType):  # type: ignore[type-arg]
    """Widths of layers with commas between."""

    name = "widths"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the widths."""
        if isinstance(value, tuple):
            return value
        from fovea.tasks.option_values import parse_widths

        try:
            return parse_widths(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class SectionedCommand(click.Command):
    """A command whose help sets the options of training apart, which many people never need."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two lists."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], _SECTION: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections[_SECTION if parameter.name in _NAMES else "Options"].append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class Told(NamedTuple):
    """An option: its name, what it takes, its help, and what else click is told."""

    name: str
    kind: Any
    told: str
    more: Mapping[str, Any] = {}


_WORDS = {"metavar": "NAME"}
_OPTIONS = (
    Told(
        "method",
        click.Choice(["probe", "finetune", "scratch", "auto"]),
        "probe: a linear classifier on stored features. finetune: their network learns too. scratch: --net learns from random "
        "weights. auto: what --budget allows, side by side; what is better by more than noise is kept.  "
        "[default: probe; auto with --budget]",
    ),
    Told("budget", Seconds(), "How long all may take, such as 30s, 10m or 2h."),
    Told(
        "net",
        str,
        "Network to train from scratch: lenet5, bncnn, resnet20, fast, mlp, resnet18, ..., or a Keras model, FILE.keras.",
        _WORDS,
    ),
    Told(
        "ensemble",
        click.IntRange(1),
        "Train so many, each with a seed of its own, and average them into one.",
        {"default": 1, "show_default": True},
    ),
    Told(
        "unfreeze",
        str,
        "How many of the last blocks learn: a number, the name of the first (layer4, fc7), all, or auto.",
        {"default": "auto", "show_default": True},
    ),
    Told(
        "head",
        str,
        "What is put on top: linear, or mlp:256.",
        {"default": "linear", "show_default": True, **_WORDS},
    ),
    Told("epochs", click.IntRange(1), "How often every picture is learned from."),
    Told(
        "batch-size",
        BatchSize(),
        "Pictures a step: 1 is stochastic; full, or 0, is all at once.",
        {"metavar": "NUMBER|full"},
    ),
    Told("lr", Rate(), "Learning rate; find: by a trial in which it rises from step to step."),
    Told(
        "optimizer",
        str,
        "How weights are moved: sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, adamw, muon.",
        _WORDS,
    ),
    Told(
        "momentum",
        float,
        "Share of the last step that is kept in the next, of momentum, nesterov, rmsprop; with --net fast of muon.",
    ),
    Told("weight-decay", float, "How strongly weights are drawn to zero."),
    Told(
        "schedule", str, "How the learning rate changes: constant, step, linear, cosine, one-cycle.", _WORDS
    ),
    Told("step-size", click.IntRange(1), "Epochs after which schedule step lowers the rate."),
    Told("gamma", float, "What schedule step multiplies the rate by."),
    Told("warmup", float, "Share of the steps in which the rate rises."),
    Told("clip", float, "Length that gradients of all weights together are shortened to."),
    Told("patience", click.IntRange(1), "Epochs without one as good as the best before it stops."),
    Told("dropout", float, "Share of units left out at random before fully connected layers."),
    Told(
        "drop-path",
        float,
        "Share of residual blocks left out at random (stochastic depth), of networks that have such.",
    ),
    Told("smoothing", float, "Share of each label that is spread over all classes."),
    Told(
        "mixup",
        float,
        "Blend pictures in pairs (mixup), by shares from the beta distribution of this alpha; 0: none.",
    ),
    Told("cutmix", float, "Paste parts of pictures into others (CutMix), alpha as for mixup; 0: none."),
    Told("ema", float, "Decay of the averaged weights, such as 0.999; 0: none."),
    Told(
        "augment",
        str,
        "auto, none, light, standard, strong, glyphs, randaugment, trivialaugment, or a list such as flip,crop (see fovea "
        "augment).",
        {"metavar": "POLICY"},
    ),
    Told(
        "hidden",
        Widths(),
        "Widths of the fully connected layers of --net mlp or bncnn, such as 300,100.",
        {"default": (), "metavar": "WIDTHS"},
    ),
    Told("activation", str, "Activation in networks of our own: relu, logistic, tanh, gelu, ...", _WORDS),
    Told("init", str, "First weights of --net: xavier, he, normal, ...", _WORDS),
    Told(
        "device",
        click.Choice(["auto", "cpu", "cuda", "mps"]),
        "What torch trains on.",
        {"default": "auto", "show_default": True},
    ),
    Told(
        "track",
        str,
        "Log every epoch into RUN.track: tensorboard, wandb or mlflow (again for more; extra track).",
        {"multiple": True, **_WORDS},
    ),
)
_NAMES = {one.name.replace("-", "_") for one in _OPTIONS}


def training_options(function: F, *, without: Collection[str] = ()) -> F:
    """Give a command the options of training a network."""
    for one in reversed(_OPTIONS):
        if one.name not in without:
            function = click.option(f"--{one.name}", type=one.kind, help=one.told, **one.more)(function)
    return function
