"""`fovea check`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import label_option

if TYPE_CHECKING:
    from fovea.tasks.check import Result

SHOWN = 10


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.option(
    "--html", type=click.Path(path_type=Path), help="Write a page with some pictures of every class."
)
@click.option("--private", is_flag=True, help="No thumbnails and no absolute paths in the page.")
@label_option
@click.option("--strict", is_flag=True, help="Refuse a table with wrong rows instead of leaving them out.")
@common_options
def command(console: Console, photos: Path, html: Path | None, **options: Any) -> None:
    """Say what is in PHOTOS (a folder or a table): classes, what is broken and why, what is there twice.

    Every picture is decoded once; nothing is changed.

    \b
    Example:
      fovea check photos --html check.html
    """
    from fovea.tasks.check import Config, run

    config = Config(photos, html=html, threads=console.threads, **options)
    result = run(config, progress=console.progress)
    console.show(result, lambda: lines(result, html=html))


def lines(result: "Result", *, html: Path | None) -> list[str]:
    """Say what was found, the first few of each kind."""
    from fovea.wording import count

    pictures, broken = count(result.n_pictures, "picture"), count(len(result.quarantined), "file")
    said = [f"{pictures}, {broken} that cannot be used."]
    width = max((len(f"{n:,}") for n in result.classes.values()), default=1)
    said += [f"  {n:>{width},}  {name}" for name, n in result.classes.items()]
    if result.splits:
        said.append("Splits: " + ", ".join(f"{name} {n:,}" for name, n in result.splits.items()))
    said += [f"Cannot be used: {path}: {reason}" for path, reason in result.quarantined[:SHOWN]]
    if len(result.quarantined) > SHOWN:
        said.append(f"... and {len(result.quarantined) - SHOWN:,} more; --json lists them all.")
    if result.duplicates:
        said.append(f"{count(len(result.duplicates), 'set')} of pictures that are the same:")
        said += [f"  {' = '.join(group)}" for group in result.duplicates[:SHOWN]]
        said += ["  ..."] if len(result.duplicates) > SHOWN else []
    if result.conversions:
        said.append(
            "Converted when read: " + ", ".join(f"{n:,} {name}" for name, n in result.conversions.items())
        )
    said += [f"Note: {note}" for note in result.notes]
    return [*said, *([f"Page: {html}"] if html else [])]
