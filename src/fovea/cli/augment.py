"""`fovea augment`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options

if TYPE_CHECKING:
    from fovea.tasks.augment import Result


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="augment.html",
    show_default=True,
    help="The page (.html) or contact sheet (.png) to write.",
)
@click.option(
    "--augment",
    metavar="POLICY",
    default="auto",
    show_default=True,
    help="auto, none, light, standard, strong, glyphs, randaugment, trivialaugment, or operations with commas "
    "between, such as flip,rotate.",
)
@click.option(
    "--size",
    "size_px",
    type=int,
    help="Height and width in pixels at which training would see the pictures.  [default: their own up to 64, else 224]",
)
@click.option("-n", "n", type=int, default=12, show_default=True, help="How many copies to make.")
@common_options
def command(console: Console, photo: Path, out: Path, **options: Any) -> None:
    """Show what training will see of PHOTO (a picture, or a folder or table of pictures): copies, changed at random.

    Every policy and every operation is shown too. What auto chooses depends on how many pictures there are, and on
    whether mirrored ones still look like their class: digits do not. Needs the extra torch.

    \b
    Example:
      fovea augment photos/cat/1.jpg --out grid.html
    """
    from fovea.tasks.augment import Config, run

    config = Config(photo, out=out, seed=console.seed, threads=console.threads, **options)
    result = run(config, progress=console.progress)
    console.show(result, lambda: lines(result))


def lines(result: "Result") -> list[str]:
    """Say what would be used, and where it is shown."""
    told = ", ".join(result.strengths) or "nothing"
    is_named = ",".join(result.strengths) == result.policy
    said = f"{told}." if is_named else f"{result.policy}: {told}."
    return [said, *(f"Note: {note}" for note in result.notes), f"Page: {result.out}"]
