"""`fovea evaluate`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import PLACE, label_option, parse_merge

if TYPE_CHECKING:
    from fovea.tasks.evaluate import Result


@click.command()
@click.argument("run", type=PLACE)
@click.argument("photos", type=PLACE)
@click.option(
    "--compute",
    type=click.Choice(["auto", "bf16", "f32"]),
    default="auto",
    show_default=True,
    help="What the network computes in; auto: as it was saved.",
)
@click.option("--drop", multiple=True, metavar="CLASS", help="Leave a class out (again for more).")
@click.option("--merge", multiple=True, callback=parse_merge, metavar="A,B=C", help="Take classes as one.")
@label_option
@click.option("--strict", is_flag=True, help="Refuse a table with wrong rows instead of leaving them out.")
@common_options
def command(console: Console, run: Path, photos: Path, **options: Any) -> None:
    """Measure the model in RUN on other labelled PHOTOS: class folders, or a table with path,label.

    \b
    Example:
      fovea evaluate runs/first other_photos
    """
    from fovea.tasks.evaluate import evaluate

    result = evaluate(
        run, photos, progress=console.progress, threads=console.threads, seed=console.seed, **options
    )
    console.show(result, lambda: _lines(result))


def _lines(result: "Result") -> list[str]:
    from fovea.manifest import with_words

    m = result.metrics
    counts = f"{m['n_measured']:,} of {m['n_pictures']:,} pictures measured, {m['n_quarantined']:,} unusable."
    table = [f"  {name:<30} {value}" for name, value in result.table()]
    classes = (
        ["By class:" if "per_class" in m else "By label:"] if "per_class" in m or "per_label" in m else []
    )
    classes += [
        f"  {with_words(name):<30} {_share(one['recall'])} found, {_share(one['precision'])} right  ({one['n']:,} "
        "pictures)"
        for name, one in (m.get("per_class") or m.get("per_label") or {}).items()
        if one["n"]
    ]
    return [counts, *table, *classes, *[f"Note: {note}" for note in m["notes"]]]


def _share(value: float | None) -> str:
    from fovea.wording import percent

    return f"{'-' if value is None else percent(value):>7}"
