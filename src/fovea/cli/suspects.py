"""`fovea suspects`: parse, call the task, print."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import PLACE, label_option, network_options, only_one, private_option

if TYPE_CHECKING:
    from fovea.tasks.suspects import Result

SHOWN = 20
SHOWN_OUTLIERS = 5


@click.command(short_help="Which labels are likely wrong, with the evidence.")
@click.argument("photos", type=PLACE)
@click.option(
    "--html", type=PLACE, help="Write a page: each doubted label beside the nearest pictures of both classes."
)
@click.option(
    "--fixes",
    type=PLACE,
    metavar="CSV",
    help="Write the doubted labels as a table to fill, for train --fixes; below them what --after answers.",
)
@click.option(
    "--after",
    type=PLACE,
    multiple=True,
    callback=only_one,
    metavar="CSV",
    help="Such a table, filled: its labels hold, and its pictures are not asked again.",
)
@label_option
@click.option(
    "--group-by", metavar="COLUMN", help="Table column whose equal values say nothing of each other."
)
@click.option("--group-pattern", metavar="REGEX", help="The same for equal parts of the path.")
@click.option("--strict", is_flag=True, help="Refuse a table with wrong rows instead of leaving them out.")
@private_option
@network_options
@common_options
def command(console: Console, photos: Path, **options: Any) -> None:
    """Say which labels of PHOTOS (class folders or a table) are likely wrong, and how many are in all.

    Every label is judged by classifiers that have not seen its picture and by the labels of its nearest pictures. Errors that
    are planted in memory tell how much of the list to expect to be wrong. Nothing is changed: fill the table of --fixes (the
    right label into the column label; the given one confirms, - leaves the picture out) and train with
    `fovea train PHOTOS --fixes`.

    \b
    Example:
      fovea suspects photos --html suspects.html --fixes fixes.csv
      fovea suspects photos --after fixes.csv --fixes more.csv
    """
    from fovea.tasks.suspects import suspects

    result = suspects(
        photos,
        **console.shared,
        **options,
    )
    console.show(result, lambda: lines(result, photos=photos))


def lines(result: "Result", *, photos: Path) -> list[str]:
    """Say how many labels are likely wrong, what lists of them hold, the most doubtful ones, and what to do next."""
    from fovea.wording import count, percent

    n = len(result.suspects)
    said = [_opening(result)]
    for one in result.expected.yields:
        (low, high), whole = one.precision_interval, one.n == result.expected.yields[-1].n
        said.append(
            f"  {'all' if whole else 'the first'} {one.n:,}: {percent(one.precision, 0)} wrong "
            f"({percent(low, 0)} to {percent(high, 0)}), {percent(one.recall, 0)} of all wrong ones"
        )
    said += [f"{one.path}: {one.label!r}, looks like {one.suggested!r}" for one in result.suspects[:SHOWN]]
    if n > SHOWN:
        said.append(
            f"... and {n - SHOWN:,} more; --html shows them with their evidence, --json lists them all."
        )
    if result.outliers:
        said.append(f"{count(len(result.outliers), 'picture')} unlike all others, perhaps of no class:")
        said += [f"  {one.path}: {one.label!r}" for one in result.outliers[:SHOWN_OUTLIERS]]
        said += ["  ..."] if len(result.outliers) > SHOWN_OUTLIERS else []
    if result.quarantined:
        said.append(f"{count(len(result.quarantined), 'file')} took no part; --json says why.")
    said += [f"Note: {note}" for note in result.notes]
    said += [f"Page: {result.html}"] if result.html else []
    if result.fixes:
        named = f"{shlex.quote(str(photos))} --fixes {shlex.quote(result.fixes)}"
        said.append(f"Fixes: {result.fixes}: fill its column label, then fovea train {named} --out FOLDER")
    return said


def _opening(result: "Result") -> str:
    from fovea.wording import count

    low, high = result.expected.n_errors_interval
    what = (
        f"{count(result.n_pictures, 'labelled picture')} in {count(len(result.classes), 'class', 'classes')}"
    )
    if not result.suspects:
        return f"{what}: no label is doubted."
    if not result.expected.yields:
        return f"{what}: {count(len(result.suspects), 'label')} doubted. Too few to tell how many of them are wrong."
    n = round(result.expected.n_errors)
    wrong = "no label is" if not n else "1 label is" if n == 1 else f"some {n:,} labels are"
    return (
        f"{what}: {wrong} likely wrong (95 % interval {low:,.0f} to {high:,.0f}). "
        f"Of the most doubtful ({result.expected.n_planted:,} planted errors say what to expect):"
    )
