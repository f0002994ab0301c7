"""`fovea index`: parse, call the task, print."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import PLACE, label_option, network_options

if TYPE_CHECKING:
    from fovea.tasks.index import Config, Result

F = TypeVar("F", bound=Callable[..., Any])
SHOWN = 10
_SPACE = (
    click.option(
        "--metric",
        type=click.Choice(["cosine", "dot", "euclidean"]),
        default="cosine",
        show_default=True,
        help="What makes pictures alike.",
    ),
    click.option("--tuned", type=PLACE, metavar="RUN", help="Compare by the answers of this run."),
    label_option,
    click.option("--reindex", is_flag=True, help="Make the index anew, whatever is there."),
)


def space_options(function: F) -> F:
    """Give a command the options that say what pictures are compared by (`tasks.index.Config`)."""
    for option in reversed(_SPACE):
        function = option(function)
    return network_options(function)


def index_config(console: Console, catalogue: Path, options: dict[str, Any]) -> "Config":
    """Take the options of `space_options` out of a command's, as a config."""
    from fovea.tasks.index import Config
    from fovea.tasks.options import BackboneOptions

    names = ("backbone", "weights", "stages", "compute", "fit", "size")
    network = BackboneOptions(
        **{name: options.pop(name) for name in names}, threads=console.threads, offline=console.offline
    )
    rest = {name: options.pop(name) for name in ("metric", "tuned", "label_by", "reindex")}
    return Config(catalogue, network=network, **rest)


@click.command(short_help="Keep a catalogue's pictures ready to be searched.")
@click.argument("catalogue", type=PLACE)
@space_options
@common_options
def command(console: Console, catalogue: Path, **options: Any) -> None:
    """Make the pictures of CATALOGUE (a folder or a table) ready to be searched by `fovea similar`.

    Adds what is new or changed and takes out what is gone; the second time takes a moment. The index lies in the cache
    folder, nothing is written beside your pictures. `similar` does this by itself.

    \b
    Example:
      fovea index photos
      fovea index photos --backbone vgg16 --stage fc7 --metric dot
    """
    from fovea.tasks.index import run

    result = run(index_config(console, catalogue, options), progress=console.progress)
    console.show(result, lambda: lines(result))


def lines(result: "Result") -> list[str]:
    """Say what the index holds and what changed."""
    from fovea.wording import count

    said = [
        f"{count(result.n_pictures, 'picture')} of {result.catalogue} can be searched: {result.n_new:,} new, "
        f"{result.n_changed:,} changed, {result.n_unchanged:,} unchanged, {result.n_gone:,} gone; {result.seconds:.1f} s.",
        f"Compared by: {result.compares}.",
    ]
    if result.graph:
        said.append(
            f"A graph finds {100 * result.graph['recall']:.1f} % of the true ten nearest in {result.graph['graph_ms']:.1f} ms "
            f"(measured on pictures of the catalogue); an exact search takes {result.graph['exact_ms']:.0f} ms."
        )
    said += [f"Cannot be read: {path}: {reason}" for path, reason in result.quarantined[:SHOWN]]
    if len(result.quarantined) > SHOWN:
        said.append(f"... and {len(result.quarantined) - SHOWN:,} more; --json lists them all.")
    return [*said, *(f"Note: {note}" for note in result.notes)]
