"""`fovea filter`: parse, call the task, print."""

from pathlib import Path
from typing import Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import PLACE, network_options
from fovea.tasks.filter import Result, filter_pictures

SHOWN = 20
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Scraped pictures into wanted, junk and unsure, by a few labels.")
@click.argument("photos", type=PLACE)
@click.option(
    "--labels",
    multiple=True,
    type=FILE,
    metavar="CSV",
    help="Table path,label of a few of the pictures, a fair sample of them; again for answers to questions.",
)
@click.option(
    "--wanted", default="wanted", show_default=True, help="The label that is looked for; all others are junk."
)
@click.option(
    "--precision",
    type=float,
    default=0.97,
    show_default=True,
    help="Share of right ones, of wanted and of junk.",
)
@click.option("--confidence", type=float, default=0.95, show_default=True, help="How surely it is promised.")
@click.option("-n", "n", type=int, default=20, show_default=True, help="How many pictures to ask about.")
@click.option("--csv", type=FILE, help="Write path, verdict and probability of every picture here.")
@click.option("--ask", type=FILE, help="Write the list of pictures to label next here.")
@click.option("--html", type=FILE, help="Write a page with the pictures here.")
@network_options
@common_options
def command(console: Console, photos: Path, labels: tuple[Path, ...], **options: Any) -> None:
    """Sort scraped PHOTOS into wanted, junk and unsure, by a few that are labelled.

    It says what so few labels can promise, and asks about the pictures whose labels help most: fill the list in and give the
    same command again with that list added. Nothing is copied, moved or removed.

    \b
    Example:
      fovea filter scraped --labels labelled.csv --ask more.csv --html filter.html
      fovea filter scraped --labels labelled.csv --labels more.csv --csv verdicts.csv
    """
    result = filter_pictures(
        photos,
        labels=labels,
        **console.shared,
        **options,
    )
    console.show(result, lambda: _lines(result))


def _lines(result: Result) -> list[str]:
    more = len(result.questions) - SHOWN
    return [
        *result.sentences,
        *(["To label next:"] if result.questions else []),
        *(f"  {path}" for path in result.questions[:SHOWN]),
        *([f"  and {more:,} more; --ask FILE or --json gives every one"] if more > 0 else []),
        *([f"{len(result.problems):,} files could not be read."] if result.problems else []),
        *([f"Verdicts: {result.csv}"] if result.csv else []),
        *([f"List to fill in: {result.ask}"] if result.ask else []),
        *([f"Page: {result.html}"] if result.html else []),
        *(f"Note: {note}" for note in result.notes),
    ]
