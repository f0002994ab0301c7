"""`fovea backbones`: parse, call the task, print."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from fovea.cli.console import Console, common_options

if TYPE_CHECKING:
    from fovea.tasks.backbones import Result


@click.command()
@click.argument("action", type=click.Choice(["list", "get", "use", "show"]), default="list")
@click.argument("name", required=False)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    help="With get: a copy brought by hand, or another address (https://...); its SHA-256 must be the right one.",
)
@common_options
def command(console: Console, action: str, name: str | None, source: str | None) -> None:
    """Networks that turn pictures into features: list them, get one, use it by default, show its stages.

    list says which are here (with NAME: those with that in their name), get downloads a well-known one (only then is a
    connection opened), use makes NAME the default of commands that take --backbone, show lists the places that --stage
    can name. For use and show NAME may be a run, or an .onnx, .keras or self-describing .safetensors file. Downloads go
    to the cache folder; FOVEA_WEIGHTS names a folder that is searched too.

    \b
    Example:
      fovea backbones
      fovea backbones get mobilenetv2
      fovea backbones use fovea-tiny
      fovea backbones show fovea-tiny
    """
    from fovea.tasks.backbones import Config, run

    config = Config(action, name, source, console.offline)
    result = run(config, progress=console.progress)
    say: dict[str, Callable[[Result], list[str]]] = {
        "list": lines_of_list,
        "get": lines_of_get,
        "use": lines_of_use,
        "show": lines_of_show,
    }
    console.show(result, lambda: say[action](result))


def lines_of_list(result: "Result") -> list[str]:
    """Say each network: whether it is here, its size and licence; the default with a star."""
    wide = max(len(one.name) for one in result.backbones)
    said = [
        f"{'*' if one.is_default else ' '} {one.name:{wide}}  {'here' if one.is_here else '-':4}  "
        f"{_megabytes(one.n_bytes)}  {one.licence}".rstrip()
        for one in result.backbones
    ]
    return [
        *said,
        "* is used where no --backbone is given. Get one: fovea backbones get NAME",
        "More: timm:NAME, torchvision:NAME and keras:NAME (their extras), an .onnx file (--weights), a run's folder.",
    ]


def lines_of_get(result: "Result") -> list[str]:
    """Say where the file is."""
    return [
        f"{result.name} is here: {result.file}. Next: fovea train PHOTOS --out RUN --backbone {result.name}"
    ]


def lines_of_use(result: "Result") -> list[str]:
    """Say what is the default now, and where that is written."""
    return [
        f"From now on {result.default} is used where no --backbone is given ({result.config}).",
        "Back to the embedded network: fovea backbones use fovea-tiny",
    ]


def lines_of_show(result: "Result") -> list[str]:
    """Say every stage: its channels, the size of its maps, what else it is called; what is taken anyway with a star."""
    wide = max(len(one.name) for one in result.stages)
    said = []
    for one in result.stages:
        size = f"{one.size_px[0]} x {one.size_px[1]}" if one.size_px else "-"
        pools = "".join(f"  :{pool}" for pool in one.pools)
        also = f"  ({', '.join(one.aliases)})" if one.aliases else ""
        said.append(
            f"{'*' if one.is_usual else ' '} {one.name:{wide}}  {one.n_channels:5,} channels  {size}{pools}{also}"
        )
    pooled = ", pooled as behind the colons" if any(one.pools for one in result.stages) else ""
    starred = any(one.is_usual for one in result.stages)
    return [*said, *([f"* is taken where no --stage is given{pooled}."] if starred else [])]


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:7.1f} MB" if n_bytes else " " * 10
