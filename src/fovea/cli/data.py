"""`fovea data`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fovea.cli.console import Console, common_options

if TYPE_CHECKING:
    from fovea.tasks.data import Result


@click.command()
@click.argument("name", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write.  [default: the data set's name]"
)
@common_options
def command(console: Console, name: str | None, out: Path | None) -> None:
    """Write the data set NAME as a folder to train on: digits (built in: 1,797 handwritten ones, CC BY 4.0).

    Downloaded by torchvision's own code (extra torch): mnist, fashion-mnist, cifar10, cifar100, flowers102, ants-bees.
    Without NAME all are listed.

    \b
    Example:
      fovea data
      fovea data digits --out digits
      fovea data cifar10 --out cifar10
    """
    from fovea.tasks.data import Config, run

    done = run(Config(name, out, offline=console.offline), progress=console.progress)
    console.show(done, lambda: lines_of_list(done) if name is None else lines_of_written(done))


def lines_of_written(result: "Result") -> list[str]:
    """Say where the data set is."""
    return [
        f"{result.n_pictures:,} pictures in {result.folder}. Next: fovea train {result.folder} --out runs/{result.name}"
    ]


def lines_of_list(result: "Result") -> list[str]:
    """Say each data set: the room it needs, its licence, what it holds."""
    wide = max(len(one.name) for one in result.sets), max(len(one.licence) for one in result.sets)
    return [
        *(
            f"{one.name:{wide[0]}}  {one.n_megabytes:4} MB  {one.licence:{wide[1]}}  {one.what}"
            for one in result.sets
        ),
        "MB is the room that writing it needs; all but digits are downloaded, by torchvision's own code (extra torch).",
        "Write one: fovea data NAME --out FOLDER",
    ]
