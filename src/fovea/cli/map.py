"""`fovea map`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options
from fovea.cli.run_options import PLACE, label_option, network_options

if TYPE_CHECKING:
    from fovea.tasks.map import Result


@click.command()
@click.argument("photos", type=PLACE)
@click.option("--html", type=PLACE, default="map.html", show_default=True, help="The page to write.")
@click.option(
    "--method",
    type=click.Choice(["pca", "tsne"]),
    default="pca",
    show_default=True,
    help="pca: at once. tsne: neighbours stay together; takes longer, and the extra map.",
)
@click.option("--run", type=PLACE, help="A run: colour by its answers too, on its own network's features.")
@click.option(
    "--suspicion", is_flag=True, help="Colour by how probable each label is to probes that had not seen it."
)
@click.option("--private", is_flag=True, help="No pictures and no absolute paths in the page.")
@label_option
@network_options
@common_options
def command(console: Console, photos: Path, **options: Any) -> None:
    """Lay PHOTOS out on a page, alike ones together: small pictures, zoom, and colours by label, group or answer.

    PHOTOS is a folder or a table, with labels or without. The page is one file that needs nothing else; 10,000 pictures
    take some 10 MB.

    \b
    Example:
      fovea map photos --html map.html
      fovea map photos --method tsne --run runs/first --suspicion
    """
    from fovea.tasks.map import map_pictures

    result = map_pictures(
        photos,
        **console.shared,
        **options,
    )
    console.show(result, lambda: lines(result))


def lines(result: "Result") -> list[str]:
    """Say how well the map keeps neighbours, and where it is."""
    from fovea.wording import count, percent

    name = {"pca": "PCA", "tsne": "t-SNE"}[result.method]
    said = [
        f"{count(len(result.paths), 'picture')} by {name}: of the 10 nearest to each by its features, "
        f"{percent(result.neighbours_kept, 0)} are among the 10 nearest on the map too."
    ]
    if result.method == "pca":
        said.append("More neighbours stay together with --method tsne.")
    if result.quarantined:
        said.append(
            f"{count(len(result.quarantined), 'file')} cannot be read and are left out; the page lists them."
        )
    said.append(f"Colours: {', '.join(result.colours)}.")
    said += [f"Note: {note}" for note in result.notes]
    return [*said, f"Page: {result.html} ({result.n_bytes / 1e6:.1f} MB)"]
