"""What is labelled already when the next pictures are chosen: by the table that was given, and by the run."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.errors import FoveaError, InputError
from fovea.features import Store
from fovea.manifest import LEAVE_OUT, Manifest, Row, read_manifest, read_source
from fovea.progress import Progress
from fovea.tasks.gather import add_hashes
from fovea.tasks.learning import LabelledFeatures
from fovea.tasks.stored import Stored, read_stored, units_of_stored

if TYPE_CHECKING:
    from fovea.model import Classifier


@dataclass(frozen=True, slots=True)
class Listed:
    """A labelled picture as the next list has it: its file (absolute), its bytes, its label, and "" for no split or group.

    The label is "-" where a person said that it belongs to no class.
    """

    file: Path
    sha256: str
    label: str
    split: str
    group: str


@dataclass(frozen=True, slots=True)
class Known:
    """Pictures with a label: those whose features are at hand, and all contents that need not be asked about.

    `labelled`, `sha256s` and `reads` (which give the bytes) are in the same order; `files` are those whose file is there, for the
    list that goes back to `train`, `n_packed` of how many there is none since they are packed, and `n_unlisted` of how many there
    is none otherwise.
    """

    labelled: LabelledFeatures
    sha256s: tuple[str, ...]
    reads: tuple[Callable[[], bytes], ...]
    asked: frozenset[str]
    files: tuple[Listed, ...]
    n_packed: int = 0
    n_unlisted: int = 0
    notes: tuple[str, ...] = ()

    def joined(self, other: "Known") -> "Known":
        """Return these and the other's; of a picture that both know the other's label counts, and where it stands is added."""
        kept = [k for k, one in enumerate(self.sha256s) if one not in other.asked]
        a, b = self.labelled, other.labelled
        held_out = {one for one, is_out in zip(self.sha256s, a.held_out, strict=True) if is_out}
        here = {one.sha256: one for one in self.files}
        there = {one.sha256 for one in other.files}
        return Known(
            labelled=LabelledFeatures(
                features=np.concatenate([a.features[kept], b.features]),
                names=(*(a.names[k] for k in kept), *b.names),
                units=np.concatenate([a.units[kept], b.units + a.units.max(initial=-1) + 1]),
                held_out=np.concatenate(
                    [
                        a.held_out[kept],
                        b.held_out | np.array([one in held_out for one in other.sha256s], bool),
                    ]
                ),
            ),
            sha256s=(*(self.sha256s[k] for k in kept), *other.sha256s),
            reads=(*(self.reads[k] for k in kept), *other.reads),
            asked=self.asked | other.asked,
            files=(
                *(one for one in self.files if one.sha256 not in there),
                *(_placed(one, here.get(one.sha256)) for one in other.files),
            ),
            n_packed=self.n_packed + other.n_packed,
            n_unlisted=self.n_unlisted + other.n_unlisted,
            notes=(*self.notes, *other.notes),
        )


def known_by_table(pool: Stored, *, store: Store, threads: int | None) -> Known:
    """Return what a table says itself."""
    at = np.flatnonzero([label is not None for label in pool.labels])
    some = replace(pool, rows=pool.rows[at], features=pool.features[at], content=pool.content[at])
    asked = tuple(pool.manifest.rows[k] for k in some.rows.tolist())
    declined = tuple(row for row in pool.manifest.rows if row.is_left_out and row.sha256)
    return _known(some, asked=asked, declined=declined, store=store, threads=threads)


def known_by_run(
    model: "Classifier",
    *,
    photos: Path | None,
    pool: Stored,
    store: Store,
    threads: int | None,
    progress: Progress,
) -> Known:
    """Return what a run learned from and was judged on.

    Features come from the store, or from the pictures: where they were, if they are as they were, or else in `photos` or the pool,
    found by their bytes.
    Raises InputError where the run's manifest is missing.
    """
    from fovea.model import read_evidence

    if read_evidence(model.folder, "manifest.csv", document=model.document) is None:
        raise InputError(
            f"The run {str(model.folder)!r} has no manifest.csv, so what is labelled already is not known. Name another "
            "run, or leave the run out."
        )
    manifest = _where_they_lie(model, read_manifest(model.folder / "manifest.csv"), photos=photos)
    there = _files_by_content(pool.manifest)
    if photos is not None:
        there |= _files_by_content(
            add_hashes(read_source(photos, labelled=False), store, threads=threads, progress=progress)
        )
    told = [
        row
        for row in manifest.rows
        if row.sha256 and not row.pseudo_round and (row.is_left_out if row.problem else row.label is not None)
    ]
    told = _where_they_are(
        manifest.with_rows(told), there=there, store=store, threads=threads, progress=progress
    )
    used = tuple(row for row in told if not row.problem)
    declined = tuple(row for row in told if row.problem)
    stored = read_stored(
        replace(manifest, rows=used), encoder=model.encoder, store=store, threads=threads, progress=progress
    )
    known = _known(stored, asked=used, declined=declined, store=store, threads=threads)
    if not _has_given_splits(model):  # test pictures are never drawn
        files = tuple(replace(one, split="test" if one.split == "test" else "") for one in known.files)
        known = replace(known, files=files)
    n_lost = len(used) - len(stored.rows)
    notes = []
    if n_lost:
        notes.append(
            f"{n_lost:,} of the {len(used):,} pictures of the run are neither in the store nor where they were: the learning "
            "curve is of the others."
        )
    return replace(known, notes=tuple(notes))


def _where_they_are(
    manifest: Manifest,
    *,
    there: dict[str, str],
    store: Store,
    threads: int | None,
    progress: Progress,
) -> list[Row]:
    """Return the rows, those whose file is gone or has other bytes now with the path that has theirs, or one where nothing is."""
    files = [replace(row, sha256="") for row in manifest.rows if _has_file(manifest, row)]
    hashed = add_hashes(manifest.with_rows(files), store, threads=threads, progress=progress)
    now = {row.path: row.sha256 for row in hashed.rows}
    return [
        row
        if manifest.pack(row) is not None or now.get(row.path) == row.sha256
        else replace(row, path=there.get(row.sha256, f"{row.path} as it was"))
        for row in manifest.rows
    ]


def _placed(one: Listed, other: Listed | None) -> Listed:
    """Return a listed picture with the split and group that the other names, where it names none itself."""
    if other is None:
        return one
    return replace(one, split=one.split or other.split, group=one.group or other.group)


def _known(
    stored: Stored,
    *,
    asked: tuple[Row, ...],
    declined: tuple[Row, ...],
    store: Store,
    threads: int | None,
) -> Known:
    """Return the stored rows as known ones; what was read only as a test is no part of a curve.

    Those `declined` belong to no class: they are not asked about again, and the next list says so once more.
    """
    manifest = stored.manifest
    rows = tuple(manifest.rows[k] for k in stored.rows.tolist())
    curve = np.array([row.split != "test" for row in rows], bool)
    kept = [row for row, is_kept in zip(rows, curve, strict=True) if is_kept]
    units: NDArray[np.int64] = units_of_stored(stored, store=store, threads=threads)[stored.rows]
    files = [row for row in (*asked, *declined) if _has_file(manifest, row)]
    n_packed = sum(manifest.pack(row) is not None for row in asked)
    return Known(
        labelled=LabelledFeatures(
            features=stored.features[curve],
            names=tuple(row.label or "" for row in kept),
            units=units[curve],
            held_out=np.array([row.split == "valid" for row in kept], bool),
        ),
        sha256s=tuple(row.sha256 for row in kept),
        reads=tuple(partial(manifest.read, row) for row in kept),
        asked=frozenset(row.sha256 for row in (*asked, *declined)),
        files=tuple(
            Listed(
                manifest.file(row).absolute(),
                row.sha256,
                LEAVE_OUT if row.problem else row.label or "",
                row.split,
                row.group,
            )
            for row in files
        ),
        n_packed=n_packed,
        n_unlisted=len(asked) - sum(not row.problem for row in files) - n_packed,
    )


def _has_file(manifest: Manifest, row: Row) -> bool:
    return manifest.pack(row) is None and manifest.file(row).is_file()


def _files_by_content(manifest: Manifest) -> dict[str, str]:
    """Return the absolute path of a file by its SHA-256."""
    rows = [row for row in manifest.rows if row.sha256 and manifest.pack(row) is None]
    return {row.sha256: str(manifest.file(row).absolute()) for row in reversed(rows)}


def _where_they_lie(model: "Classifier", manifest: Manifest, *, photos: Path | None) -> Manifest:
    """Return the run's manifest with the root and the packs of the pictures that it was trained on, if they are there.

    Raises InputError where `photos` says where, and there is nothing.
    """
    place = photos or model.document.settings.get("photos")
    if not isinstance(place, str | Path):
        return manifest
    try:
        source = read_source(Path(place), labelled=False)
    except (FoveaError, OSError):
        if photos is not None:
            raise
        return manifest
    return replace(manifest, root=source.root, packs=source.packs)


def _has_given_splits(model: "Classifier") -> bool:
    """Return whether a run was judged by a split that its user gave."""
    from fovea.model import read_evidence

    content = read_evidence(model.folder, "metrics.json", document=model.document)
    return content is not None and json.loads(content).get("protocol") == "given"
