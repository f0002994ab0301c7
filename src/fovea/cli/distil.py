"""`fovea distil`: parse, call the task, print."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from fovea.cli.console import Console, common_options, require_precision
from fovea.cli.run_options import (
    PLACE,
    class_options,
    label_option,
    out_option,
    private_option,
    promise_options,
    share_option,
)
from fovea.cli.train_options import SectionedCommand, training_options

NOT_HERE = ("method", "net", "ensemble", "unfreeze", "head")


def one_at_most(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> str | None:
    """Return the only value, or None where there is none."""
    if len(values) > 1:
        raise click.BadParameter(f"one teacher and one place of pictures are taken, got {len(values) + 1}.")
    return values[0] if values else None


@click.command(cls=SectionedCommand)
@click.argument("teacher", nargs=-1, callback=one_at_most, metavar="[TEACHER]")
@click.argument("photos", type=PLACE)
@out_option
@click.option(
    "--net", required=True, metavar="NAME", help="The student: lenet5, mlp, fast, resnet18, timm:NAME, ..."
)
@click.option(
    "--weights",
    type=PLACE,
    help="A network's file as the teacher: .safetensors or .onnx; beside a network's name its tensors.",
)
@click.option(
    "--unlabelled",
    type=PLACE,
    help="More pictures, without labels: the teacher's answers are all they teach.",
)
@click.option(
    "--temperature",
    type=float,
    default=4.0,
    show_default=True,
    help="At which answers are compared; higher is softer.",
)
@click.option(
    "--alpha",
    type=float,
    default=0.9,
    show_default=True,
    help="Share of the teacher; the rest is the labels'.",
)
@click.option(
    "--features",
    type=float,
    default=0.0,
    show_default=True,
    metavar="WEIGHT",
    help="How much the teacher's features count in the loss, such as 1; 0: only its answers.",
)
@click.option(
    "--size", metavar="PX", help="The side of what the student takes.  [default: what suits pictures and net]"
)
@click.option("--compare", is_flag=True, help="Train the same network without a teacher too.")
@promise_options
@share_option
@class_options
@label_option
@private_option
@partial(training_options, without=NOT_HERE)
@common_options
def command(console: Console, teacher: str | None, photos: Path, out: Path, **options: Any) -> None:
    """Train a small network on the answers of TEACHER to PHOTOS: a run (or an average of several), or any network.

    On a network (a name that `fovea backbones` lists, or a file of weights) a probe is fitted on PHOTOS first. PHOTOS have
    labels, by which the student is judged beside its teacher; pictures of --unlabelled need none. The result is a run like
    any other, and predicts without torch.

    \b
    Example:
      fovea distil runs/first photos --net lenet5 --out runs/small
      fovea distil runs/mean photos --net mlp --out runs/smaller --unlabelled scraped --compare
      fovea distil mobilenetv2 photos --net fast --out runs/own --features 1
    """
    from fovea.cli.train import lines
    from fovea.tasks.distil import distil

    require_precision(options["precision"])
    done = distil(
        teacher,
        photos,
        out=out,
        progress=console.progress,
        announce=console.say,
        seed=console.seed,
        threads=console.threads,
        offline=console.offline,
        **options,
    )
    console.show(done, lambda: lines(done))
