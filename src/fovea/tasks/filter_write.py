"""What `filter` leaves: a CSV of the verdicts, a CSV of questions to fill in, and a page."""

import csv
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from fovea.errors import FoveaError, PictureError
from fovea.features import available_cores
from fovea.pages import FilterPage, Gallery, Thumb, render_filter
from fovea.pictures import thumbnail_jpeg
from fovea.tasks.stored import Stored
from fovea.tasks.written import write_whole

if TYPE_CHECKING:
    from fovea.tasks.filter import Config, Result, Verdict

N_SHOWN = 150
"""Pictures of one verdict on a page."""


def write_outputs(config: "Config", result: "Result", *, stored: Stored) -> None:
    """Write the files that were asked for."""
    if config.csv is not None:
        rows = [
            (one.path, one.verdict, f"{one.probability:.6f}", "label" if one.is_labelled else "")
            for one in result.verdicts
        ]
        header = ("path", "verdict", "probability", "by")
        write_whole(config.csv, _table(header, rows), option="--csv")
    if config.ask is not None:
        chance = {one.path: one.probability for one in result.verdicts}
        asked = [(path, "", f"{chance[path]:.6f}") for path in result.questions if _is_text(path)]
        write_whole(config.ask, _table(("path", "label", "probability"), asked), option="--ask")
    if config.html is not None:
        page = _page(config, result, stored=stored)
        write_whole(config.html, page.encode(errors="surrogateescape"), option="--html")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue().encode("utf-8-sig", errors="surrogateescape")


def _is_text(path: str) -> bool:
    """Return whether a table that a person fills in can hold a name."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _page(config: "Config", result: "Result", *, stored: Stored) -> str:
    by_path = {one.path: one for one in result.verdicts}
    asked = [by_path[path] for path in result.questions]
    sides = {
        name: [one for one in result.verdicts if one.verdict == name and not one.is_labelled]
        for name in ("wanted", "junk", "unsure")
    }
    for name, ones in sides.items():  # what may be wrong first
        ones.sort(key=lambda one: -one.probability if name == "junk" else one.probability)
    row_of = {path: k for k, path in enumerate(stored.paths)}

    def show(ones: "list[Verdict]") -> Gallery:
        some = ones[:N_SHOWN]
        with ThreadPoolExecutor(config.backbone.threads or available_cores()) as workers:
            pictures = list(workers.map(lambda one: _thumbnail(stored, row_of[one.path]), some))
        thumbs = [
            Thumb(one.path, probability=one.probability, jpeg=jpeg)
            for one, jpeg in zip(some, pictures, strict=True)
        ]
        return Gallery(tuple(thumbs), len(ones))

    return render_filter(
        FilterPage(
            title=config.html.stem if config.html else "filter",
            counts=result.counts,
            n_labelled=result.n_labelled,
            sentences=result.sentences[1:],
            questions=show(asked),
            ask=result.ask or "",
            wanted=show(sides["wanted"]),
            junk=show(sides["junk"]),
            unsure=show(sides["unsure"]),
            quarantined=result.problems,
            source=str(config.photos),
            notes=result.notes,
        )
    )


def _thumbnail(stored: Stored, at: int) -> bytes | None:
    with suppress(OSError, PictureError, FoveaError):
        return thumbnail_jpeg(stored.read(at))
    return None
