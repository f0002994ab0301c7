"""`fovea cluster`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import PLACE, network_options

if TYPE_CHECKING:
    from fovea.tasks.cluster import Result

SHOWN = 30


@click.command()
@click.argument("photos", type=PLACE)
@click.option(
    "-k", "--groups", type=int, metavar="N", help="How many groups.  [default: as many as are found]"
)
@click.option("--html", type=PLACE, help="Write a page of the groups, where they can be named.")
@click.option(
    "--csv", type=PLACE, help="Write a table of the pictures by group, whose labels can be filled in."
)
@click.option(
    "--names",
    type=PLACE,
    metavar="CSV",
    help="Such a table with names filled in: --csv becomes labels to train on.",
)
@click.option("--private", is_flag=True, help="No pictures and no absolute paths in the page.")
@network_options
@common_options
def command(console: Console, photos: Path, **options: Any) -> None:
    """Put the pictures of PHOTOS into groups by what is on them, without labels; the typical ones of each first.

    Named groups become labels for fovea train: on the page (name them, save), or in the table, where the label of a group's
    first row names the group.

    \b
    Example:
      fovea cluster photos --html groups.html
      fovea cluster photos -k 8 --csv groups.csv
      fovea cluster photos --names groups.csv --csv labels.csv
    """
    from fovea.tasks.cluster import cluster

    result = cluster(
        photos,
        **console.shared,
        **options,
    )
    console.show(result, lambda: lines(result, photos=photos))


def lines(result: "Result", *, photos: Path) -> list[str]:
    """Say how many groups there are, their most typical pictures, and what to do next."""
    from shlex import quote

    from fovea.wording import count

    notes = [f"Note: {note}" for note in result.notes]
    if result.labels:
        n = sum(result.labels.values())
        said = [f"{count(n, 'picture')} in {count(len(result.labels), 'class', 'classes')}:"]
        said += [f"  {n:>7,}  {name}" for name, n in result.labels.items()]
        return [
            *said,
            *notes,
            f"Labels: {result.csv}. Next: fovea train {quote(str(result.csv))} --out runs/first",
        ]
    said = [
        f"{count(result.n_pictures, 'picture')} in {count(len(result.groups), 'group')}; the most typical of each:"
    ]
    said += [
        f"  {number:>3}  {len(one.paths):>7,}  {one.paths[0]}"
        for number, one in enumerate(result.groups[:SHOWN], start=1)
    ]
    if len(result.groups) > SHOWN:
        said.append(f"... and {len(result.groups) - SHOWN:,} more; --json lists them all.")
    if result.quarantined:
        said.append(
            f"{count(len(result.quarantined), 'file')} cannot be read and are left out; --json lists them."
        )
    said += notes
    if result.csv:
        said.append(
            f"Table: {result.csv}. Name groups in it, then: fovea cluster {quote(str(photos))} --names {quote(result.csv)} "
            "--csv labels.csv"
        )
    if result.html:
        said.append(f"Page: {result.html}. Name the groups there, save, and train on the table.")
    return said if result.csv or result.html else [*said, "Look at them, and name them: --html groups.html"]
