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
from fovea.manifest import Manifest, Row, read_manifest, read_source
from fovea.progress import Progress
from fovea.tasks.gather import add_hashes
from fovea.tasks.learning import LabelledFeatures, units_of_stored
from fovea.tasks.stored import Stored, read_stored

if TYPE_CHECKING:
    from fovea.model import Classifier


@dataclass(frozen=True, slots=True)
class Known:
    """Pictures with a label: those whose features are at hand, and all contents that need not be asked about.

    `labelled`, `sha256s` and `reads` (which give the bytes) are in the same order; `files` are (absolute path, label, split) of
    those whose file is there, for the list that goes back to `train`, `n_packed` of how many there is none since they are packed,
    and `n_unlisted` of how many there is none otherwise.
    """

    labelled: LabelledFeatures
    sha256s: tuple[str, ...]
    reads: tuple[Callable[[], bytes], ...]
    asked: frozenset[str]
    files: tuple[tuple[Path, str, str], ...]
    n_packed: int = 0
    n_unlisted: int = 0
    notes: tuple[str, ...] = ()

    def joined(self, other: "Known") -> "Known":
        """Return these and what the other has beside them."""
        more = np.array([one not in self.asked for one in other.sha256s], bool)
        a, b = self.labelled, other.labelled
        inside = np.flatnonzero(more).tolist()
        return Known(
            labelled=LabelledFeatures(
                features=np.concatenate([a.features, b.features[more]]),
                names=(*a.names, *(b.names[k] for k in inside)),
                units=np.concatenate([a.units, b.units[more] + a.units.max(initial=-1) + 1]),
                held_out=np.concatenate([a.held_out, np.zeros(len(inside), bool)]),
            ),
            sha256s=(*self.sha256s, *(other.sha256s[k] for k in inside)),
            reads=(*self.reads, *(other.reads[k] for k in inside)),
            asked=self.asked | other.asked,
            files=tuple(dict.fromkeys((*self.files, *other.files))),
            n_packed=self.n_packed + other.n_packed,
            n_unlisted=self.n_unlisted + other.n_unlisted,
            notes=(*self.notes, *other.notes),
        )


def known_by_table(pool: Stored, *, store: Store, threads: int | None) -> Known:
    """Return what a table says itself."""
    at = np.flatnonzero([label is not None for label in pool.labels])
    some = replace(pool, rows=pool.rows[at], features=pool.features[at], content=pool.content[at])
    asked = tuple(pool.manifest.rows[k] for k in some.rows.tolist())
    return _known(some, asked=asked, store=store, threads=threads)


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

    Features come from the store, or from the pictures: where they were, or else in `photos` or the pool, found by their bytes.
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
    used = tuple(
        row if _has_file(manifest, row) else replace(row, path=there.get(row.sha256, row.path))
        for row in manifest.rows
        if row.label is not None and not row.problem and row.sha256 and not row.pseudo_round
    )
    stored = read_stored(
        replace(manifest, rows=used), encoder=model.encoder, store=store, threads=threads, progress=progress
    )
    known = _known(stored, asked=used, store=store, threads=threads)
    n_lost = len(used) - len(stored.rows)
    notes = []
    if n_lost:
        notes.append(
            f"{n_lost:,} of the {len(used):,} pictures of the run are neither in the store nor where they were: the learning "
            "curve is of the others."
        )
    return replace(known, notes=tuple(notes))


def _known(stored: Stored, *, asked: tuple[Row, ...], store: Store, threads: int | None) -> Known:
    """Return the stored rows as known ones; what was read only as a test is no part of a curve."""
    manifest = stored.manifest
    rows = tuple(manifest.rows[k] for k in stored.rows.tolist())
    curve = np.array([row.split != "test" for row in rows], bool)
    kept = [row for row, is_kept in zip(rows, curve, strict=True) if is_kept]
    units: NDArray[np.int64] = units_of_stored(stored, store=store, threads=threads)[stored.rows]
    files = [row for row in asked if _has_file(manifest, row)]
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
        asked=frozenset(row.sha256 for row in asked),
        files=tuple((manifest.file(row).absolute(), row.label or "", row.split) for row in files),
        n_packed=n_packed,
        n_unlisted=len(asked) - len(files) - n_packed,
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


def has_given_splits(model: "Classifier") -> bool:
    """Return whether a run was judged by a split that its user gave."""
    from fovea.model import read_evidence

    content = read_evidence(model.folder, "metrics.json", document=model.document)
    return content is not None and json.loads(content).get("protocol") == "given"
