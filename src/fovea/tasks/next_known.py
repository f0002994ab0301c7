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
from fovea.manifest import Manifest, Row, equal_groups, join_units, read_manifest, read_source
from fovea.progress import Progress
from fovea.tasks.learning import LabelledFeatures
from fovea.tasks.stored import Stored, read_stored

if TYPE_CHECKING:
    from fovea.model import Classifier


@dataclass(frozen=True, slots=True)
class Known:
    """Pictures with a label: those whose features are at hand, and all contents that need not be asked about.

    `labelled`, `sha256s` and `reads` (which give the bytes) are in the same order; `files` are (absolute path, label, split) of
    those whose file is there, for the list that goes back to `train`.
    """

    labelled: LabelledFeatures
    sha256s: tuple[str, ...]
    reads: tuple[Callable[[], bytes], ...]
    asked: frozenset[str]
    files: tuple[tuple[Path, str, str], ...]
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
                units=np.concatenate([a.units, b.units[more] + len(a.units)]),
                held_out=np.concatenate([a.held_out, np.zeros(len(inside), bool)]),
            ),
            sha256s=(*self.sha256s, *(other.sha256s[k] for k in inside)),
            reads=(*self.reads, *(other.reads[k] for k in inside)),
            asked=self.asked | other.asked,
            files=tuple(dict.fromkeys((*self.files, *other.files))),
            notes=(*self.notes, *other.notes),
        )


def known_by_table(stored: Stored) -> Known:
    """Return what a table says itself."""
    at = [k for k, label in enumerate(stored.labels) if label is not None]
    rows = tuple(stored.manifest.rows[int(stored.rows[k])] for k in at)
    return _known(rows, stored.features[at], manifest=stored.manifest, asked=rows)


def known_by_run(model: "Classifier", *, store: Store, threads: int | None, progress: Progress) -> Known:
    """Return what a run learned from and was judged on.

    Features come from the store, or from the pictures where they were. Raises InputError where its manifest is missing.
    """
    from fovea.model import read_evidence

    if read_evidence(model.folder, "manifest.csv", document=model.document) is None:
        raise InputError(
            f"The run {str(model.folder)!r} has no manifest.csv, so what is labelled already is not known. Name another "
            "run, or leave the run out."
        )
    manifest = read_manifest(model.folder / "manifest.csv")
    used = tuple(
        row
        for row in manifest.rows
        if row.label is not None and not row.problem and row.sha256 and not row.pseudo_round
    )
    manifest = replace(_where_they_lie(model, manifest), rows=used)
    stored = read_stored(manifest, encoder=model.encoder, store=store, threads=threads, progress=progress)
    rows = tuple(stored.manifest.rows[int(k)] for k in stored.rows)
    n_lost = len(used) - len(rows)
    notes: tuple[str, ...] = ()
    if n_lost:
        notes = (
            f"{n_lost:,} of the {len(used):,} pictures of the run are neither in the store nor where they were: the learning "
            "curve is of the others.",
        )
    return _known(rows, stored.features, manifest=manifest, asked=used, notes=notes)


def _known(
    rows: tuple[Row, ...],
    features: NDArray[np.float32],
    *,
    manifest: Manifest,
    asked: tuple[Row, ...],
    notes: tuple[str, ...] = (),
) -> Known:
    """Return the rows as known ones; what was read only as a test is no part of a curve."""
    sha256s = [row.sha256 for row in rows]
    curve = np.array([row.split != "test" for row in rows], bool)
    kept = [row for row, is_kept in zip(rows, curve, strict=True) if is_kept]
    units = join_units(len(rows), equal_groups(sha256s), equal_groups([row.group for row in rows]))
    return Known(
        labelled=LabelledFeatures(
            features=features[curve],
            names=tuple(row.label or "" for row in kept),
            units=units[curve],
            held_out=np.array([row.split == "valid" for row in kept], bool),
        ),
        sha256s=tuple(row.sha256 for row in kept),
        reads=tuple(partial(manifest.read, row) for row in kept),
        asked=frozenset(row.sha256 for row in asked),
        files=tuple(
            (manifest.file(row).absolute(), row.label or "", row.split)
            for row in asked
            if manifest.pack(row) is None and manifest.file(row).is_file()
        ),
        notes=notes,
    )


def _where_they_lie(model: "Classifier", manifest: Manifest) -> Manifest:
    """Return the run's manifest with the root and the packs of the pictures that it was trained on, if they are there."""
    photos = model.document.settings.get("photos")
    if not isinstance(photos, str):
        return manifest
    try:
        source = read_source(Path(photos), labelled=False)
    except (FoveaError, OSError):
        return manifest
    return replace(manifest, root=source.root, packs=source.packs)


def has_given_splits(model: "Classifier") -> bool:
    """Return whether a run was judged by a split that its user gave."""
    from fovea.model import read_evidence

    content = read_evidence(model.folder, "metrics.json", document=model.document)
    return content is not None and json.loads(content).get("protocol") == "given"
