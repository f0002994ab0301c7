"""`fovea data`: write a named data set out as a folder of pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from fovea.cli.console import Console, common_options


@dataclass(frozen=True, slots=True)
class _Written:
    name: str
    folder: Path
    n_pictures: int

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "folder": str(self.folder), "n_pictures": self.n_pictures}


@click.command()
@click.argument("name")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write.  [default: the data set's name]"
)
@common_options
def command(console: Console, name: str, out: Path | None) -> None:
    """Write the data set NAME as class folders of pictures: digits, 1,797 handwritten digits (CC BY 4.0).

    \b
    Example:
      fovea data digits --out digits
    """
    from fovea.manifest import write_data_set

    folder = Path(name) if out is None else out
    written = _Written(name, folder, write_data_set(name, folder))
    console.show(
        written,
        lambda: [
            f"{written.n_pictures:,} pictures in {folder}. Next: fovea train {folder} --out runs/{name}"
        ],
    )
