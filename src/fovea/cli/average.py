"""`fovea average`: parse, call the task, print."""

from pathlib import Path
from typing import Any

import click

from fovea.cli.console import Console, common_options, require_precision
from fovea.cli.run_options import PLACE, out_option, private_option, promise_options


@click.command()
@click.argument("runs", type=PLACE, nargs=-1, required=True)
@out_option
@click.option(
    "--photos", type=PLACE, help="Where their pictures lie now.  [default: where the first run found them]"
)
@promise_options
@private_option
@common_options
def command(console: Console, runs: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Make one model of several RUNS: their answers' mean, judged and calibrated anew on what none learned from.

    They must tell the same classes, take pictures of one size and have held out the same ones: where one learned from what
    another held out, the average is refused (train with --since the first run). No torch is needed. The result is a run like
    any other: it predicts, sorts, serves as --backbone, and can be distilled into one small network.

    \b
    Example:
      fovea average runs/first runs/second runs/third --out runs/mean
    """
    from fovea.cli.train import lines
    from fovea.tasks.average import average

    require_precision(options["precision"])
    done = average(
        runs, out=out, progress=console.progress, seed=console.seed, threads=console.threads, **options
    )
    console.show(done, lambda: lines(done))
