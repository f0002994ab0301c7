"""What `filter` leaves: a CSV of the verdicts, a CSV of questions to fill in, and a page."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from fovea.errors import FoveaError, PictureError
from fovea.features import available_cores
from fovea.manifest import Manifest, Row
from fovea.pages import FilterPage, Gallery, Thumb, render_filter
from fovea.pictures import thumbnail_jpeg
from fovea.tasks.lists import is_utf8, list_bytes
from fovea.tasks.written import write_whole

if TYPE_CHECKING:
    from fovea.tasks.filter import Config, Result

N_SHOWN, N_ASKED = 150, 600
"""Pictures of one verdict, and questions, on a page: some 6 MB."""


def write_outputs(config: "Config", result: "Result", *, manifest: Manifest) -> None:
    """Write the files that were asked for."""
    if config.csv is not None:
        rows = [
            (one.path, one.verdict, f"{one.probability:.6f}", "label" if one.is_labelled else "")
            for one in result.verdicts
        ]
        header = ("path", "verdict", "probability", "by")
        write_whole(config.csv, list_bytes(header, rows), option="--csv")
    if config.ask is not None:
        chance = {one.path: f"{one.probability:.6f}" for one in result.verdicts}
        asked = [
            (path, "", *([chance[path]] if chance else [])) for path in result.questions if is_utf8(path)
        ]
        columns = ("path", "label", *(["probability"] if chance else []))
        write_whole(config.ask, list_bytes(columns, asked), option="--ask")
    if config.html is not None:
        page = _page(config, result, manifest=manifest)
        write_whole(config.html, page.encode(errors="surrogateescape"), option="--html")


def _page(config: "Config", result: "Result", *, manifest: Manifest) -> str:
    chance = {one.path: one.probability for one in result.verdicts}
    sides = {
        name: [one.path for one in result.verdicts if one.verdict == name and not one.is_labelled]
        for name in ("wanted", "junk", "unsure")
    }
    for name, paths in sides.items():  # what may be wrong first
        paths.sort(key=lambda path: -chance[path] if name == "junk" else chance[path])
    rows = {row.path: row for row in manifest.rows}

    def show(paths: Sequence[str], *, most: int = N_SHOWN) -> Gallery:
        some = paths[:most]
        with ThreadPoolExecutor(config.backbone.threads or available_cores()) as workers:
            jpegs = list(workers.map(lambda path: _jpeg(config, manifest, rows[path]), some))
        thumbs = [
            Thumb(path, probability=chance.get(path), jpeg=jpeg)
            for path, jpeg in zip(some, jpegs, strict=True)
        ]
        return Gallery(tuple(thumbs), len(paths))

    return render_filter(
        FilterPage(
            title=config.html.stem if config.html else "filter",
            n_pictures=result.n_pictures,
            counts=result.counts,
            n_labelled=result.n_labelled,
            sentences=result.sentences[1:],
            questions=show(result.questions, most=N_ASKED),
            ask=result.ask or "",
            wanted=show(sides["wanted"]),
            junk=show(sides["junk"]),
            unsure=show(sides["unsure"]),
            quarantined=result.quarantined,
            source=str(config.photos),
            notes=result.notes,
            private=config.private,
        )
    )


def _jpeg(config: "Config", manifest: Manifest, row: Row) -> bytes | None:
    if not config.private:
        with suppress(OSError, PictureError, FoveaError):  # gone or changed meanwhile
            return thumbnail_jpeg(manifest.read(row))
    return None
