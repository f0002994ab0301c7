"""`fovea similar`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options, plain
from fovea.cli.index import index_config, space_options
from fovea.cli.run_options import PLACE, private_option

if TYPE_CHECKING:
    from fovea.tasks.similar import Result

SHOWN = 40


def parse_crop(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[int, int, int, int] | None:
    """Turn `x,y,w,h` into four whole numbers."""
    if value is None:
        return None
    try:
        x, y, w, h = (int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r}: write it as x,y,width,height in pixels, for example 10,20,200,150."
        ) from None
    return x, y, w, h


def parse_where(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Turn `label=shoes` into {"label": "shoes"}."""
    found: dict[str, str] = {}
    for value in values:
        column, equals, wanted = value.partition("=")
        if not equals or not column:
            raise click.BadParameter(f"{value!r}: write it as COLUMN=VALUE, for example label=shoes.")
        if column in found:
            raise click.BadParameter(
                f"{value!r}: {column} was given already, as {found[column]!r}, and a picture has one. Search for each by itself."
            )
        found[column] = wanted
    return found


@click.command(short_help="The pictures that look most like another.")
@click.argument("queries", nargs=-1, metavar="[QUERY]...", type=click.Path())
@click.option("--in", "catalogue", type=PLACE, required=True, help="Folder or table of pictures to search.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many to find.")
@click.option(
    "--like", multiple=True, type=click.Path(), help="Look for what is like several: give it for each."
)
@click.option("--unlike", multiple=True, type=click.Path(), help="And unlike these (again for more).")
@click.option(
    "--crop",
    callback=parse_crop,
    metavar="X,Y,W,H",
    help="Look for this part of the query (without one, of what is liked), in pixels.",
)
@click.option(
    "--where",
    multiple=True,
    callback=parse_where,
    metavar="COLUMN=VALUE",
    help="Only pictures with this label, split, path or sha256 (again for another column).",
)
@click.option(
    "--kind",
    is_flag=True,
    help="Rank by the pictures around a match too: more of a kind, less surely the same thing.",
)
@click.option("--html", type=PLACE, help="Write a contact sheet: each query with what was found.")
@private_option
@space_options
@common_options
def command(console: Console, catalogue: Path, **options: Any) -> None:
    """Find the pictures of a catalogue that look most like QUERY (files or folders), the most alike first.

    The catalogue is indexed first where it was not, or has changed. A query that lies in it is no answer to itself.

    \b
    Example:
      fovea similar a.jpg --in photos
      fovea similar a.jpg --in photos --crop 10,20,200,150 --where label=shoes --html found.html
      fovea similar --like a.jpg --like b.jpg --unlike c.jpg --in photos
      fovea similar a.jpg --in photos --backbone vgg16 --stage fc7 --metric dot
    """
    from fovea.tasks.similar import Config, run

    index = index_config(console, catalogue, options)
    result = run(Config(index=index, **options), progress=console.progress)
    console.show(result, lambda: lines(result))
    for note in result.notes:  # not on stdout, where --json has answers alone
        click.echo(f"Note: {plain(note)}", err=True)


def lines(result: "Result") -> list[str]:
    """Say what was found for each query."""
    said: list[str] = []
    for answer in result.answers[:SHOWN]:
        width = max((len(plain(one.path)) for one in answer.matches), default=0)
        said += [*([""] if said else []), plain(answer.query)]
        said += [
            f"  {one.similarity:>8.3f}  {plain(one.path):<{width}}  {plain(one.label or '')}".rstrip()
            for one in answer.matches
        ]
    if len(result.answers) > SHOWN:
        said += ["", f"... and {len(result.answers) - SHOWN:,} more queries; --json gives them all."]
    return [*said, *([f"Page: {result.html}"] if result.html else [])]
