"""What `next` leaves: a CSV to fill in, which `train` takes when it is, and a page with the pictures."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import compress
from pathlib import Path

from fovea.errors import FoveaError, PictureError
from fovea.features import available_cores
from fovea.manifest import Manifest, Row
from fovea.pages import Asked, NextPage, Thumb, render_next
from fovea.pictures import thumbnail_jpeg
from fovea.tasks.learning import learning_page, sentence
from fovea.tasks.lists import is_utf8, list_bytes, note_on_names
from fovea.tasks.next import Config, Result
from fovea.tasks.next_known import Known
from fovea.tasks.stored import Stored
from fovea.tasks.written import write_whole
from fovea.wording import count

N_SHOWN = 600
"""Pictures on a page: with 160 px thumbnails it stays near 6 MB."""
LABELLED = "labelled already"
COLUMNS = ("path", "label", "split", "group", "why")


def write_outputs(
    config: Config, result: Result, *, pool: Stored, known: Known, shown: Sequence[int]
) -> None:
    """Write the list and the page that were asked for; `shown` are the questions' rows in the pool."""
    if config.csv is not None:
        rows = [pool.manifest.rows[int(pool.rows[k])] for k in shown]
        content = _list(
            config.csv,
            result,
            manifest=pool.manifest,
            rows=rows,
            known=known,
            private=config.private,
        )
        write_whole(config.csv, content, option="--csv")
    if config.html is not None:
        shown = shown[:N_SHOWN]
        thumbs = (
            [None] * len(shown)
            if config.private
            else _thumbnails(pool, shown, threads=config.backbone.threads or available_cores())
        )
        write_whole(
            config.html,
            _page(config, result, thumbs=thumbs).encode(errors="surrogateescape"),
            option="--html",
        )


def _list(
    target: Path,
    result: Result,
    *,
    manifest: Manifest,
    rows: Sequence[Row],
    known: Known,
    private: bool,
) -> bytes:
    """Return the CSV: pictures to label first, and below them those that are labelled, so that it alone is what `train` takes.

    Splits and groups stand in it only where they were given: else `train` makes splits, or takes those of the run named with
    --since.
    """
    cell = partial(_cell, target=target, root=manifest.root, private=private)
    side = "train" if any(one.split == "valid" for one in known.files) else ""
    lines = []
    for question, row in zip(result.questions, rows, strict=True):
        is_file = manifest.pack(row) is None
        path = cell(manifest.file(row).absolute()) if is_file else row.path
        lines.append((path, "", side, row.group, question.why))
    lines += [
        (path, one.label, one.split, one.group, LABELLED)
        for one in known.files
        if is_utf8(path := cell(one.file)) and is_utf8(one.label + one.group)
    ]
    given = [True, True, any(line[2] for line in lines), any(line[3] for line in lines), True]
    return list_bytes(tuple(compress(COLUMNS, given)), [tuple(compress(line, given)) for line in lines])


def notes_on_list(target: Path, known: Known, *, root: Path, private: bool) -> tuple[str, ...]:
    """Say which labels cannot go into the list that is filled in and learned from next."""
    names = [
        _cell(one.file, target=target, root=root, private=private) + one.label + one.group
        for one in known.files
    ]
    notes = note_on_names(names, left_out_of="the list, so their labels are lost to the next run")
    if known.n_packed:
        notes += (
            f"{count(known.n_packed, 'labelled picture')} not in the list: no table can name pictures inside packed files. Write "
            "them out (`fovea data`), or their labels are lost to the next run.",
        )
    if known.n_unlisted:
        notes += (
            f"{count(known.n_unlisted, 'labelled picture')} not in the list: no file of theirs is where the run was trained on "
            "them, or here. Say where they lie now with --photos, or their labels are lost to the next run.",
        )
    return notes


def _cell(file: Path, *, target: Path, root: Path, private: bool) -> str:
    """Return a picture's path as a table beside the pictures has it; elsewhere whole, or private as seen from the table."""
    folder = target.absolute().parent
    is_beside = folder == root.absolute() and file.is_relative_to(root.absolute())
    if private and not is_beside:
        return Path(os.path.relpath(file, folder)).as_posix()
    return file.relative_to(root.absolute()).as_posix() if is_beside else file.as_posix()


def _thumbnails(pool: Stored, shown: Sequence[int], *, threads: int) -> list[bytes | None]:
    def make(at: int) -> bytes | None:
        with suppress(OSError, PictureError, FoveaError):
            return thumbnail_jpeg(pool.read(at))
        return None

    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-thumbnail") as workers:
        return list(workers.map(make, shown))


def _page(config: Config, result: Result, *, thumbs: Sequence[bytes | None]) -> str:
    measured = result.learning
    return render_next(
        NextPage(
            title=config.html.stem if config.html else "next",
            rule=result.rule,
            n_questions=len(result.questions),
            n_unlabelled=result.n_unlabelled,
            n_labelled=result.n_labelled,
            n_copies=result.n_copies,
            csv=result.csv or "",
            questions=tuple(
                Asked(
                    thumb=Thumb(path=one.path, jpeg=jpeg),
                    why=one.why,
                    bars=tuple(zip(one.classes, one.probabilities, strict=True)),
                )
                for one, jpeg in zip(result.questions, thumbs, strict=False)
            ),
            advice="" if measured is None else sentence(measured),
            curve=None if measured is None else learning_page(measured),
            source=str(config.photos),
            run="" if config.run is None else str(config.run),
            notes=result.notes,
            private=config.private,
        )
    )
