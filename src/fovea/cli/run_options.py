"""The options that the commands which write a run share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
PLACE = click.Path(path_type=Path)


def parse_merge(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Turn `a,b=c` into {"a": "c", "b": "c"}."""
    from fovea.tasks import option_values

    try:
        return option_values.parse_merge(values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def only_one(context: click.Context, option: click.Parameter, values: tuple[Path, ...]) -> Path | None:
    """Return the one table that was given, if any: of two, the first would be lost without a word."""
    if len(values) > 1:
        raise click.BadParameter(
            f"{len(values)} tables were given, and one is taken. A later round's holds the earlier answers too: "
            "fovea suspects PHOTOS --after FIRST --fixes NEXT writes it."
        )
    return values[0] if values else None


out_option = click.option(
    "--out", type=PLACE, required=True, help="Folder to write the run into; it must not hold one yet."
)
label_option = click.option(
    "--label-by", metavar="COLUMN", help="Table column (or kind of labels) that gives the class."
)
private_option = click.option(
    "--private", is_flag=True, help="No thumbnails and no absolute paths in what is written."
)
share_option = click.option(
    "--valid-share",
    type=float,
    help="Share of each class to hold out, where no split is given.  [default: 0.2; of large sets that train a network "
    "400 pictures, or 5 % up to 2,000]",
)
_PROMISE = (
    click.option(
        "--precision", type=float, help="Share of right ones to promise among accepted answers, such as 0.98."
    ),
    click.option(
        "--confidence", type=float, default=0.95, show_default=True, help="How surely it is promised."
    ),
    click.option("--per-class", is_flag=True, help="Promise it for each class by itself."),
)
fixes_option = click.option(
    "--fixes",
    type=PLACE,
    multiple=True,
    callback=only_one,
    metavar="CSV",
    help="Labels that were corrected, as fovea suspects --fixes writes them to be filled; the pictures stay as they are.",
)
_GROUPS = (
    click.option("--group-by", metavar="COLUMN", help="Table column whose equal values stay on one side."),
    click.option(
        "--group-pattern", metavar="REGEX", help="Part of the path whose equal values stay on one side."
    ),
)
_CLASSES = (
    click.option(
        "--drop",
        multiple=True,
        metavar="CLASS",
        help="Leave a class out (again for more); no file is touched.",
    ),
    click.option(
        "--merge",
        multiple=True,
        callback=parse_merge,
        metavar="A,B=C",
        help="Take classes as one (again for more).",
    ),
)


_NETWORK = (
    click.option(
        "--backbone",
        metavar="NAME",
        help="A network by name: resnet18, timm:NAME, an earlier run, ... (see fovea backbones).  "
        "[default: the embedded fovea-tiny]",
    ),
    click.option(
        "--weights",
        type=PLACE,
        help="A network's file: .safetensors or .onnx; with --backbone also its tensors.",
    ),
    click.option(
        "--stage",
        "stages",
        multiple=True,
        metavar="NAME",
        help="Take features here instead of the network's own places, such as fc7 (again for more).",
    ),
    click.option(
        "--compute",
        type=click.Choice(["auto", "bf16", "f32"]),
        default="auto",
        show_default=True,
        help="What the network computes in; auto: bf16 where the processor has it.",
    ),
    click.option(
        "--fit",
        type=click.Choice(["crop", "pad", "squash"]),
        default="crop",
        show_default=True,
        help="How a picture fills the network's input.",
    ),
    click.option(
        "--size",
        metavar="PX|HxW",
        help="The input's side in pixels, or height x width: 288, 384x272; larger shows more and takes longer.  [default: the "
        "network's own]",
    ),
)


def network_options(function: F) -> F:
    """Give a command the options that say which network turns pictures into features, and how (`BackboneOptions`)."""
    for option in reversed(_NETWORK):
        function = option(function)
    return function


def promise_options(function: F) -> F:
    """Give a command the options of a promise."""
    for option in reversed(_PROMISE):
        function = option(function)
    return function


def group_options(function: F) -> F:
    """Give a command the options that say which pictures stay on one side."""
    for option in reversed(_GROUPS):
        function = option(function)
    return function


def class_options(function: F) -> F:
    """Give a command the options that change classes."""
    for option in reversed(_CLASSES):
        function = option(function)
    return function
