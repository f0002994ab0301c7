"""`fovea next`: parse, call the task, print."""

from pathlib import Path
from typing import Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import (
    PLACE,
    fixes_option,
    group_options,
    label_option,
    network_options,
    private_option,
)
from fovea.tasks.next import Result, next_labels

SHOWN = 40


@click.command(short_help="Which pictures to label next, and whether more labels pay.")
@click.argument("places", nargs=-1, required=True, type=PLACE, metavar="[RUN] UNLABELLED")
@click.option("-n", "n", type=click.IntRange(min=1), default=50, show_default=True, help="How many to label.")
@click.option(
    "--csv",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the list to fill in here; filled, `fovea train` takes it.",
)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with the pictures here."
)
@click.option(
    "--photos",
    "run_photos",
    type=PLACE,
    help="Where the pictures of RUN lie now.  [default: where they lay, or among UNLABELLED]",
)
@network_options
@fixes_option
@label_option
@group_options
@click.option("--strict", is_flag=True, help="Refuse a table with wrong rows instead of leaving them out.")
@private_option
@common_options
def command(console: Console, places: tuple[Path, ...], **options: Any) -> None:
    """Choose the pictures whose labels would teach most.

    Before any label typical ones of groups that look alike; with a RUN (or a table whose labels are filled in part) doubtful ones,
    and what twice the labels would bring. UNLABELLED is a folder, whose sub-folders are no classes here, or a table with empty
    labels. The list holds what is labelled already too: filled, it alone is what `fovea train` takes, with --since the run.

    \b
    Example:
      fovea next photos -n 50 --csv first.csv --html first.html
      fovea next runs/first photos -n 50 --csv second.csv
    """
    run, photos = _places(places)
    result = next_labels(
        photos,
        run=run,
        **console.shared,
        **options,
    )
    console.show(result, lambda: _lines(result))


def _places(places: tuple[Path, ...]) -> tuple[Path | None, Path]:
    """Return the run, if there is one, and the pictures."""
    if len(places) > 2:
        raise click.UsageError(
            f"{len(places)} places were named: a run and one folder or table of pictures are what is taken."
        )
    run, photos = (None, places[0]) if len(places) == 1 else places
    if (photos / "model.json").is_file():
        raise click.UsageError(
            f"{str(photos)!r} is a run. Name the unlabelled pictures behind it: `fovea next {photos} photos`."
        )
    return run, photos


def _lines(result: Result) -> list[str]:
    from fovea.tasks.learning import sentence

    shown = result.questions[:SHOWN]
    width = max((len(one.path) for one in shown), default=0)
    more = len(result.questions) - len(shown)
    where = "" if result.csv else "; --csv FILE or --json gives every one"
    return [
        result.opening,
        *(f"  {one.path:<{width}}  {one.why}" for one in shown),
        *([f"  and {more:,} more{where}"] if more else []),
        *([sentence(result.learning)] if result.learning else []),
        *([f"List to fill in: {result.csv}"] if result.csv else []),
        *([f"Page: {result.html}"] if result.html else []),
        *(f"Note: {note}" for note in result.notes),
    ]
