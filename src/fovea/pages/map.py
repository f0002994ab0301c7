"""What `fovea map` shows, as plain values (`MapPage`), and the one HTML file made of them: small pictures on a canvas."""

from dataclasses import dataclass, replace

from fovea.pages.privacy import without_secrets
from fovea.pages.report import MAX_ROWS, Section
from fovea.pages.templating import as_data, data_uri, read_template, render
from fovea.pages.texts import named
from fovea.pages.words import plural

METHODS = {"pca": "PCA", "tsne": "t\N{NON-BREAKING HYPHEN}SNE"}
UNITS = 65_535  # across the longer side of the map: places are whole numbers


@dataclass(frozen=True, slots=True)
class Colouring:
    """One way to colour the map: `of` has a number in `names` for each picture, -1 for none.

    `values` are shares to tell of each picture, -1 for none: in brackets after its name, or, called `told`, instead of it.
    `is_scale`: the names go from the worst to the best.
    """

    title: str
    names: tuple[str, ...]
    of: tuple[int, ...]
    values: tuple[float, ...] = ()
    told: str = ""
    is_scale: bool = False
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Together:
    """One class on the map: its pictures, and of the nearest of each the share that are of it too; `next_to` most others."""

    name: str
    n: int
    share: float
    next_to: str = ""


@dataclass(frozen=True, slots=True)
class MapPage:
    """All that the page of `map` shows. `x` and `y` are places from 0 to UNITS, `sheets` JPEGs of square tiles of `tile_px`.

    `kept`: the share of nearest neighbours that the map keeps; `n_near`: of how many. `together` is of the first colouring.
    """

    title: str
    method: str
    x: tuple[int, ...]
    y: tuple[int, ...]
    paths: tuple[str, ...]
    kept: float
    n_near: int = 10
    colourings: tuple[Colouring, ...] = ()
    together: tuple[Together, ...] = ()
    sheets: tuple[bytes, ...] = ()
    tile_px: int = 0
    sheet_px: int = 0
    quarantined: tuple[tuple[str, str], ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_map(page: MapPage) -> str:
    """Return the page of `map`: one file that needs nothing else, the same bytes for the same values."""
    if page.private:
        page = without_secrets(replace(page, sheets=()))
    page = named(page)
    return render(
        "map.html",
        page=page,
        opening=(
            f"{plural(len(page.paths), 'picture')} on a map",
            f": what the network finds alike lies together. {METHODS[page.method]} of its features.",
        ),
        data=as_data(_data(page)),
        script=read_template("map.js"),
        sheets=[data_uri(one) for one in page.sheets],
        sections=[
            one
            for one in (
                Section("together", "In numbers", page.together),
                Section("quarantined", "Files that could not be read", page.quarantined),
            )
            if one.entries
        ],
        max_rows=MAX_ROWS,
    )


def _data(page: MapPage) -> dict[str, object]:
    return {
        "x": page.x,
        "y": page.y,
        "paths": page.paths,
        "tile": page.tile_px if page.sheets else 0,
        "across": page.sheet_px // page.tile_px if page.sheets else 0,
        "colourings": [
            {
                "title": one.title,
                "names": one.names,
                "of": one.of,
                "values": one.values,
                "told": one.told,
                "scale": one.is_scale,
                "meaning": one.meaning,
            }
            for one in page.colourings
        ],
    }
