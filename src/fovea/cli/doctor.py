"""`fovea doctor`: call the task, print; exit 1 where the self-test fails."""

import sys
from typing import TYPE_CHECKING

import click

from fovea.cli.console import Console, common_options

if TYPE_CHECKING:
    from fovea.tasks.doctor import Result


@click.command()
@common_options
def command(console: Console) -> None:
    """Say what this installation is, and try it: versions, processor, engine, precision, weights, a self-test.

    \b
    Example:
      fovea doctor
    """
    from fovea.tasks.doctor import run

    result = run(threads=console.threads, progress=console.progress)
    console.show(result, lambda: lines(result))
    if not result.is_fine:
        sys.exit(1)


def lines(result: "Result") -> list[str]:
    """Say what was found."""
    precision = "bf16" if result.has_bf16 else "no bf16: float32 is used"
    said = [
        ", ".join(f"{name} {number}" for name, number in result.versions.items()),
        f"{result.system}; {result.processor}; {result.n_cores} cores to use; {precision}",
        f"Cache: {result.cache}",
        f"Weights on disk: {'; '.join(result.weights_on_disk)}",
        "Extras: " + ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in result.extras.items()),
    ]
    said += [
        f"{'ok  ' if trial.is_fine else 'FAIL'} {trial.name}: {trial.said} ({trial.seconds:.2f} s)"
        for trial in result.trials
    ]
    return [*said, *result.advice]
