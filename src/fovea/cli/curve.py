"""`fovea curve`: parse, call the task, print."""

from pathlib import Path
from typing import Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import (
    PLACE,
    class_options,
    fixes_option,
    group_options,
    label_option,
    network_options,
)
from fovea.tasks.curve import Result, curve


@click.command(short_help="How accuracy grows with labels, and what twice as many bring.")
@click.argument("photos", type=PLACE)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with the plot here."
)
@click.option(
    "--scratch",
    metavar="NET",
    help="Train this network from nothing beside it, such as lenet5 (extra torch; minutes).",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs of --scratch.  [default: its recipe's]")
@network_options
@class_options
@fixes_option
@label_option
@group_options
@click.option("--strict", is_flag=True, help="Refuse a table with wrong rows instead of leaving them out.")
@click.option("--private", is_flag=True, help="No absolute paths in the page.")
@common_options
def command(console: Console, photos: Path, **options: Any) -> None:
    """Measure how accuracy grows with the number of labelled PHOTOS, and predict it for twice as many.

    \b
    Example:
      fovea curve photos --html curve.html
      fovea curve photos --scratch lenet5
    """
    result = curve(
        photos,
        **console.shared,
        **options,
    )
    console.show(result, lambda: _lines(result))


def _lines(result: Result) -> list[str]:
    from fovea.wording import count

    told, n_bad = result.to_json(), len(result.quarantined)
    k, ahead = told["n_classes"], told["twice"]
    how = "held out" if told["protocol"] == "held-out" else "cross-validated"
    n_largest = told["n_judged_largest"]
    some = f", the largest subsets on {n_largest:,} of them" if n_largest < told["n_judged"] else ""
    return [
        result.advice,
        f"Judged on {told['n_judged']:,} pictures, {how}{some}:",
        "  pictures  a class  accuracy  95 % interval        seconds",
        *(_row(one, k=k, seconds=f"{one['seconds']:7.2f}") for one in told["points"]),
        _row(ahead, k=k, seconds="expected"),
        *(
            _row(one, k=k, seconds=f"{one['seconds']:7.0f} {result.net} from scratch")
            for one in told["scratch"]
        ),
        *result.saved,
        *([f"{count(n_bad, 'file')} left out that cannot be used; --json lists them."] if n_bad else []),
        *([f"Page: {result.html}"] if result.html else []),
        *(f"Note: {note}" for note in result.notes),
    ]


def _row(one: dict[str, Any], *, k: int, seconds: str) -> str:
    from fovea.wording import percent

    n, (low, high) = one["n_pictures"], map(percent, one["accuracy_interval"])
    return f"  {n:8,}  {n / k:7.1f}  {percent(one['accuracy']):>8}  {low:>7} to {high:>7}  {seconds:>8}"
