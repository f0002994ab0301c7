"""`fovea filter`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import PLACE, network_options, private_option

if TYPE_CHECKING:
    from fovea.tasks.filter import Result

SHOWN = 20
FILL = "Fill it in, and give the same command with --labels {} added and new names for its files."
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Scraped pictures into wanted, junk and unsure, by a few labels.")
@click.argument("photos", type=PLACE)
@click.option(
    "--labels",
    multiple=True,
    type=FILE,
    metavar="CSV",
    help="Table path,label of a few of the pictures, a fair sample of them; again for answers to questions.  "
    "[default: none yet]",
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
@click.option(
    "-n",
    "n",
    type=int,
    help="How many pictures to ask about, or to draw for the first list.  [default: 20; 100 for the first list]",
)
@click.option("--csv", type=FILE, help="Write path, verdict and probability of every picture here.")
@click.option(
    "--ask",
    type=FILE,
    help="Write the list of pictures to label next here; without --labels, pictures drawn at random.",
)
@click.option("--html", type=FILE, help="Write a page with the pictures here.")
@private_option
@network_options
@common_options
def command(console: Console, photos: Path, labels: tuple[Path, ...], **options: Any) -> None:
    """Sort scraped PHOTOS into wanted, junk and unsure, by a few that are labelled.

    Without --labels it draws the pictures to label first, at random: a fair sample, from which it later says what so few labels
    can promise. With them it asks about the pictures whose labels help most: fill the list in and give the same command again
    with that list added. Nothing is copied, moved or removed.

    \b
    Example:
      fovea filter scraped --ask first.csv --html first.html
      fovea filter scraped --labels first.csv --ask more.csv --html filter.html
      fovea filter scraped --labels first.csv --labels more.csv --csv verdicts.csv
    """
    from fovea.tasks.filter import filter_pictures

    result = filter_pictures(photos, labels=labels, **console.shared, **options)
    console.show(result, lambda: lines(result))


def lines(result: "Result") -> list[str]:
    """Say how many got which verdict, what that can be trusted for, what to label, and how to go on."""
    from shlex import quote

    from fovea.wording import count

    more, n_bad = len(result.questions) - SHOWN, len(result.quarantined)
    return [
        *result.sentences,
        *(["To label next:" if result.cuts else "To label first:"] if result.questions else []),
        *(f"  {path}" for path in result.questions[:SHOWN]),
        *([f"  and {more:,} more{'' if result.ask else '; --ask FILE gives every one'}"] if more > 0 else []),
        *([f"{count(n_bad, 'file')} could not be read."] if n_bad else []),
        *([f"Verdicts: {result.csv}"] if result.csv else []),
        *([f"Page: {result.html}"] if result.html else []),
        *(f"Note: {note}" for note in result.notes),
        *([f"List: {result.ask}. {FILL.format(quote(result.ask))}"] if result.ask else []),
    ]
