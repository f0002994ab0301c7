"""`fovea cache`: parse, call the task, print."""

import time
from typing import TYPE_CHECKING

import click

from fovea.cli.console import Console, common_options

if TYPE_CHECKING:
    from fovea.tasks.cache import Result


@click.command()
@click.option("--clear", is_flag=True, help="Throw stored features away; they can be computed again.")
@click.option(
    "--unused-days",
    type=click.IntRange(0, 36_500),
    default=0,
    show_default=True,
    help="With --clear: only of encoders not used for so long; an encoder's features go together.",
)
@click.option(
    "--encoder", metavar="FINGERPRINT", help="With --clear: only features of this encoder (its first digits)."
)
@click.option(
    "--backbones", is_flag=True, help="With --clear: converted networks too (making them again needs torch)."
)
@common_options
def command(console: Console, clear: bool, unused_days: int, encoder: str | None, backbones: bool) -> None:
    """Say where stored features are and how large; clear what is not used.

    FOVEA_CACHE names another folder.

    \b
    Example:
      fovea cache
      fovea cache --clear --unused-days 30
    """
    from fovea.tasks.cache import Config, run

    if not clear and (encoder or backbones or unused_days):
        raise click.UsageError("--unused-days, --encoder and --backbones say what to --clear.")
    result = run(Config(clear=clear, unused_days=unused_days, encoder=encoder, backbones=backbones))
    console.show(result, lambda: lines(result))


def megabytes(n_bytes: int) -> str:
    """Return a size as text, 1 MB = 1,000,000 bytes."""
    return f"{n_bytes / 1e6:,.1f} MB"


def lines(result: "Result") -> list[str]:
    """Say what is there, encoder by encoder."""
    facts = result.facts
    freed = [] if result.n_freed_bytes is None else [f"{megabytes(result.n_freed_bytes)} became free."]
    said = [
        f"Stored features: {facts.store} ({megabytes(facts.n_store_bytes)})",
        f"Indexes of catalogues: {facts.n_indexes} ({megabytes(facts.n_index_bytes)})",
        f"Converted networks: {facts.n_backbones} ({megabytes(facts.n_backbone_bytes)})",
    ]
    for one in facts.encoders:
        used = time.strftime("%Y-%m-%d", time.localtime(one.used_at))
        said.append(
            f"  {one.fingerprint[:12]}  {one.name}: {one.n_rows:,} rows, {megabytes(one.n_bytes)}, last used {used}"
        )
    return [*freed, *said, *(f"Note: {note}" for note in facts.notes)]
