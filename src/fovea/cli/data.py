"""`fovea data`: parse, call the task, print."""

from pathlib import Path

import click

from fovea.cli.console import Console, common_options


@click.command()
@click.argument("name")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write.  [default: the data set's name]"
)
@common_options
def command(console: Console, name: str, out: Path | None) -> None:
    """Write the data set NAME as a folder to train on: digits (built in: 1,797 handwritten ones, CC BY 4.0).

    Downloaded by torchvision's own code (extra torch): mnist, fashion-mnist, cifar10, cifar100, flowers102, ants-bees.

    \b
    Example:
      fovea data digits --out digits
      fovea data cifar10 --out cifar10
    """
    from fovea.tasks.data import Config, run

    written = run(Config(name, out, offline=console.offline), progress=console.progress)
    console.show(
        written,
        lambda: [
            f"{written.n_pictures:,} pictures in {written.folder}. Next: fovea train {written.folder} --out runs/{name}"
        ],
    )
