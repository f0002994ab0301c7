"""`fovea distil`: parse, call the task, print."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from fovea.cli.console import Console, common_options, require_precision
from fovea.cli.train import PLACE, parse_merge
from fovea.cli.train_options import SectionedCommand, training_options

NOT_HERE = ("method", "net", "ensemble", "unfreeze", "head", "track")


@click.command(cls=SectionedCommand)
@click.argument("teacher", type=PLACE)
@click.argument("photos", type=PLACE)
@click.option(
    "--out", type=PLACE, required=True, help="Folder to write the run into; it must not hold one yet."
)
@click.option(
    "--net", required=True, metavar="NAME", help="The student: lenet5, mlp, fast, resnet18, timm:NAME, ..."
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
@click.option("--compare", is_flag=True, help="Train the same network without a teacher too.")
@click.option(
    "--precision", type=float, help="Share of right ones to promise among accepted answers, such as 0.98."
)
@click.option("--confidence", type=float, default=0.95, show_default=True, help="How surely it is promised.")
@click.option("--per-class", is_flag=True, help="Promise it for each class by itself.")
@click.option("--valid-share", type=float, help="Share of each class to hold out, where no split is given.")
@click.option(
    "--drop", multiple=True, metavar="CLASS", help="Leave a class out (again for more); no file is touched."
)
@click.option(
    "--merge",
    multiple=True,
    callback=parse_merge,
    metavar="A,B=C",
    help="Take classes as one (again for more).",
)
@click.option("--label-by", metavar="COLUMN", help="Table column (or kind of labels) that gives the class.")
@click.option("--private", is_flag=True, help="No thumbnails and no absolute paths in what is written.")
@partial(training_options, without=NOT_HERE)
@common_options
def command(console: Console, teacher: Path, photos: Path, out: Path, **options: Any) -> None:
    """Train a small network on the answers of TEACHER, a run (or an average of several), to PHOTOS.

    PHOTOS have labels, by which it is judged beside its teacher; pictures of --unlabelled need none. The result is a run like
    any other, and predicts without torch.

    \b
    Example:
      fovea distil runs/first photos --net lenet5 --out runs/small
      fovea distil runs/mean photos --net mlp --out runs/smaller --unlabelled scraped --compare
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
        **options,
    )
    console.show(done, lambda: lines(done))
