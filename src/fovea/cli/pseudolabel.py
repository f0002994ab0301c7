"""`fovea pseudolabel`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import PLACE, out_option, private_option
from fovea.wording import percent

if TYPE_CHECKING:
    from fovea.tasks.pseudolabel import Result


@click.command(short_help="A run learns from unlabelled pictures too, where that does not hurt.")
@click.argument("run", type=PLACE)
@click.argument("unlabelled", type=PLACE)
@out_option
@click.option("--rounds", type=int, default=2, show_default=True, help="Rounds at most.")
@click.option(
    "--csv", type=click.Path(dir_okay=False, path_type=Path), help="Write the pictures that were added here."
)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page of what was added here."
)
@click.option("--photos", type=PLACE, help="Where the run's pictures lie now.  [default: where they lay]")
@private_option
@common_options
def command(console: Console, run: Path, unlabelled: Path, out: Path, **options: Any) -> None:
    """Train RUN again with what is surest about UNLABELLED pictures added, as a new run.

    In rounds: its answers and those of the pictures' nearest neighbours are brought together, the surest half (then two thirds)
    of each class is learned from. A round is kept only where, cross-validated on the labelled pictures, accuracy does not
    fall; every figure of the new run comes from labelled pictures alone. Worth most with 5 to 20 labels a class.

    RUN stays as it is: to take everything back, go on with it. The new run's manifest.csv marks what was added by its round
    and probability.

    \b
    Example:
      fovea pseudolabel runs/first scraped --out runs/second --csv added.csv
    """
    from fovea.tasks.pseudolabel import pseudolabel

    is_given = click.get_current_context().get_parameter_source("seed") is ParameterSource.COMMANDLINE
    done = pseudolabel(
        run,
        unlabelled,
        out=out,
        progress=console.progress,
        threads=console.threads,
        seed=console.seed if is_given else None,  # else the run's own
        **options,
    )
    console.show(done, lambda: _lines(done))


def _lines(result: "Result") -> list[str]:
    from fovea.cli.train import lines

    return [
        result.text,
        *(
            f"  round {one.number}: {one.n_added:,} added, accuracy {percent(one.accuracy)}, log loss {one.log_loss:.3f}"
            f"{'' if one.is_kept else ': not kept'}"
            for one in result.rounds[1:]
        ),
        *([f"Added: {result.csv}"] if result.csv else []),
        *([f"Page: {result.html}"] if result.html else []),
        *lines(result.trained),
    ]
