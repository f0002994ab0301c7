"""What `pseudolabel` leaves beside the run: a table of what was added, and a page of it."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from fovea.errors import FoveaError, PictureError
from fovea.features import available_cores
from fovea.manifest import Manifest
from fovea.pages import PseudoPage, Thumb, TriedRound, render_pseudolabel
from fovea.pages.privacy import without_secrets
from fovea.pictures import thumbnail_jpeg
from fovea.tasks.pseudolabel import COLUMNS, Config, Result
from fovea.tasks.written import write_whole

N_SHOWN = 300
"""Pictures on the page."""


def write_outputs(config: Config, result: Result, *, manifest: Manifest) -> None:
    """Write the table and the page that were asked for; `manifest` is of the unlabelled pictures."""
    if config.csv is not None:
        write_whole(config.csv, _csv_bytes(result.added), option="--csv")
    if config.html is not None:
        page = _page(config, result, manifest=manifest)
        write_whole(config.html, page.encode(errors="surrogateescape"), option="--html")


def _csv_bytes(added: tuple[tuple[str, str, float, int], ...]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(COLUMNS)
    table.writerows((path, label, f"{probability:.6f}", number) for path, label, probability, number in added)
    return text.getvalue().encode("utf-8-sig", errors="surrogateescape")


def _page(config: Config, result: Result, *, manifest: Manifest) -> str:
    rows = {row.path: row for row in manifest.rows}
    shown = sorted(result.added, key=lambda one: one[2])[:N_SHOWN]

    def draw(path: str) -> bytes | None:
        with suppress(OSError, PictureError, FoveaError):
            return thumbnail_jpeg(manifest.read(rows[path]))
        return None

    with ThreadPoolExecutor(config.threads or available_cores()) as workers:
        drawn = [None] * len(shown) if config.private else list(workers.map(draw, [one[0] for one in shown]))
    return render_pseudolabel(
        PseudoPage(
            title=config.html.stem if config.html else "pseudolabel",
            text=result.text,
            rounds=tuple(
                TriedRound(one.number, one.n_added, one.accuracy, one.log_loss, one.is_kept)
                for one in result.rounds
            ),
            added=tuple(
                Thumb(path, label=label, probability=probability, jpeg=jpeg)
                for (path, label, probability, _), jpeg in zip(shown, drawn, strict=True)
            ),
            n_added=len(result.added),
            n_unlabelled=result.n_unlabelled,
            source=without_secrets(str(config.unlabelled)) if config.private else str(config.unlabelled),
            private=config.private,
        )
    )
