"""What `suspects` writes: the table of fixes that a person fills, and the page that shows each doubted label's evidence."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from fovea.errors import PictureError
from fovea.features import available_cores
from fovea.manifest import LEAVE_OUT, Fix
from fovea.pages import Thumb
from fovea.pages.suspects import (
    ClassRow,
    DoubtedLabel,
    Stranger,
    SuspectsPage,
    YieldRow,
    render_suspects,
)
from fovea.pictures import thumbnail_jpeg
from fovea.progress import Progress
from fovea.tasks.lists import is_utf8, list_bytes
from fovea.tasks.written import write_whole
from fovea.wording import count

if TYPE_CHECKING:
    from fovea.tasks.stored import Stored
    from fovea.tasks.suspects import Config, Result

COLUMNS = ("path", "label", "suggested", "given", "doubt", "remark")
ANSWERED = "answered before"
N_SHOWN = 100
"""Doubted labels on a page, each with up to ten pictures as evidence."""
N_OUTLIERS = 24
EVIDENCE_PX = 112


def fixes_table(result: "Result", *, answered: Sequence[Fix] = ()) -> tuple[bytes, tuple[str, ...]]:
    """Return the doubted labels and outliers as a table whose label is to be filled, and notes.

    What was answered before stands below them, filled: so the latest table alone is what `train --fixes` takes.
    """
    doubted = {one.path for one in result.suspects}
    rows: list[tuple[object, ...]] = [
        (one.path, "", one.suggested, one.label, one.doubt, "") for one in result.suspects
    ]
    rows += [
        (one.path, "", LEAVE_OUT, one.label, "", "unlike all others")
        for one in result.outliers
        if one.path not in doubted
    ]
    rows += [(fix.path, fix.label, "", fix.given, "", ANSWERED) for fix in answered]
    written = [row for row in rows if is_utf8(str(row[0]))]
    n_lost = len(rows) - len(written)
    notes: tuple[str, ...] = ()
    if n_lost:
        notes = (
            f"{count(n_lost, 'picture')} left out of the table of fixes: names that are not UTF-8 cannot be written into it. "
            "Rename the files.",
        )
    return list_bytes(COLUMNS, written), notes


def write_page(config: "Config", result: "Result", *, stored: "Stored", progress: Progress) -> None:
    """Write the page to `config.html`, whole or not at all. Raises OutputError."""
    if config.html is None:
        return
    shown, outliers = result.suspects[:N_SHOWN], result.outliers[:N_OUTLIERS]
    large = [*(one.path for one in shown), *(one.path for one in outliers)]
    evidence = [path for one in shown for path in (*one.nearest_label, *one.nearest_suggested)]
    thumbs = Thumbnails(stored, private=config.private, threads=config.network.threads or available_cores())
    thumbs.make(large, side_px=160, progress=progress)
    thumbs.make(evidence, side_px=EVIDENCE_PX, progress=progress)
    expected = result.expected
    page = SuspectsPage(
        title=config.html.stem,
        n_pictures=result.n_pictures,
        n_suspects=len(result.suspects),
        n_errors=expected.n_errors,
        n_errors_interval=expected.n_errors_interval,
        n_planted=expected.n_planted,
        yields=tuple(
            YieldRow(one.n, one.precision, one.precision_interval, one.recall, one.recall_interval)
            for one in expected.yields
        ),
        doubted=tuple(
            DoubtedLabel(
                thumb=thumbs.of(one.path, 160, label=one.label),
                suggested=one.suggested,
                doubt=one.doubt,
                probe=one.probe,
                votes=one.votes,
                nearest_label=tuple(thumbs.of(path, EVIDENCE_PX) for path in one.nearest_label),
                nearest_suggested=tuple(thumbs.of(path, EVIDENCE_PX) for path in one.nearest_suggested),
            )
            for one in shown
        ),
        outliers=tuple(Stranger(thumbs.of(one.path, 160, label=one.label), one.distance) for one in outliers),
        n_outliers=len(result.outliers),
        classes=tuple(
            ClassRow(one.name, one.n_pictures, one.n_doubted, one.suggested, one.n_suggested)
            for one in result.classes
        ),
        quarantined=result.quarantined,
        fixes=result.fixes or "",
        source=str(config.photos),
        notes=result.notes,
        private=config.private,
    )
    write_whole(config.html, render_suspects(page).encode(errors="surrogateescape"), option="--html")


class Thumbnails:
    """The page's small pictures, each made once; none where it is private, or the file has gone."""

    def __init__(self, stored: "Stored", *, private: bool, threads: int) -> None:
        self.rows = {path: at for at, path in enumerate(stored.paths)}
        self.stored, self.private, self.threads = stored, private, threads
        self.made: dict[tuple[str, int], bytes | None] = {}

    def make(self, paths: list[str], *, side_px: int, progress: Progress) -> None:
        """Make those of the paths that are not there yet."""
        todo = [] if self.private else list(dict.fromkeys(paths))
        progress("page", 0, len(todo))
        with ThreadPoolExecutor(self.threads, thread_name_prefix="fovea-thumbnail") as pool:
            made = pool.map(lambda path: self._jpeg(path, side_px), todo)
            for n, (path, jpeg) in enumerate(zip(todo, made, strict=True), start=1):
                self.made[path, side_px] = jpeg
                progress("page", n, len(todo))

    def of(self, path: str, side_px: int, *, label: str | None = None) -> Thumb:
        """Return a picture under its path."""
        return Thumb(path=path, label=label, jpeg=self.made.get((path, side_px)))

    def _jpeg(self, path: str, side_px: int) -> bytes | None:
        with suppress(OSError, PictureError):
            return thumbnail_jpeg(self.stored.read(self.rows[path]), side_px=side_px)
        return None
