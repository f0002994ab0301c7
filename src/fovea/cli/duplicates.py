"""`fovea duplicates`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import PLACE, label_option, network_options

if TYPE_CHECKING:
    from fovea.tasks.duplicates import Result

SHOWN = 10


@click.command()
@click.argument("photos", type=PLACE)
@click.option(
    "--keep",
    type=click.Choice(["best", "first"]),
    help="Which picture of a group stays: the one of most pixels, then most bytes, or the first by path.  [default: best]",
)
@click.option(
    "--csv", type=PLACE, help="Write the list of the others here, by paths below PHOTOS; nothing is removed."
)
@click.option("--html", type=PLACE, help="Write a page of the groups to look at.")
@click.option(
    "--precision",
    type=float,
    default=0.99,
    show_default=True,
    help="Share of the pairs found that are to be copies.",
)
@click.option("--private", is_flag=True, help="No pictures and no absolute paths in the page.")
@label_option
@network_options
@common_options
def command(console: Console, photos: Path, **options: Any) -> None:
    """Find pictures in PHOTOS that are there more than once.

    The same bytes, the same pixels, near copies (cut, resized, recompressed, mirrored), and apart from these further shots of
    one scene. The limit is learned from altered copies of your own pictures. Nothing is removed or changed.

    \b
    Example:
      fovea duplicates photos --html duplicates.html
      fovea duplicates photos --keep best --csv remove.csv
    """
    from fovea.tasks.duplicates import duplicates

    result = duplicates(
        photos, progress=console.progress, threads=console.threads, offline=console.offline, **options
    )
    console.show(result, lambda: lines(result))


def lines(result: "Result") -> list[str]:
    """Say what is there more than once, the first few groups, and how sure that is."""
    from fovea.tasks.duplicates import KINDS
    from fovea.wording import count, percent

    by_kind = ", ".join(f"{result.count(kind):,} {kind}" for kind in KINDS)
    said = [
        f"{count(result.n_pictures, 'picture')}; {count(len(result.removable), 'copy', 'copies')} of another ({by_kind}) "
        f"in {count(len(result.groups), 'group')}."
    ]
    for group in result.groups[:SHOWN]:
        labels = {one.label for one in group} - {None}
        said.append(f"  {group[0].path}  stays{'; more than one label' if len(labels) > 1 else ''}")
        said += [
            f"    {one.path}  {one.kind}{', mirrored' if one.is_mirrored else ''}" for one in group[1:SHOWN]
        ]
        said += [f"    ... and {len(group) - SHOWN:,} more"] if len(group) > SHOWN else []
    if len(result.groups) > SHOWN:
        said.append(
            f"... and {len(result.groups) - SHOWN:,} more groups; --html shows them, --json lists all."
        )
    if result.scenes:
        n = sum(map(len, result.scenes))
        said.append(
            f"{count(n, 'picture')} in {count(len(result.scenes), 'group')} much alike, but no copies."
        )
    if result.recalls:
        found = ", ".join(f"{name} {percent(share, 0)}" for name, share in result.recalls.items())
        said.append(
            f"Of {result.n_planted:,} copies made for a trial it found: {found}; "
            f"of the pairs above some {result.n_strangers:.1f} are expected to be no copies."
        )
    if result.quarantined:
        said.append(f"{count(len(result.quarantined), 'file')} cannot be read; --json lists them.")
    said += [f"Note: {note}" for note in result.notes]
    if result.csv:
        said.append(f"What could go: {result.csv}, by paths below {result.root}; nothing was removed.")
    return [*said, *([f"Page: {result.html}"] if result.html else [])]
