"""Any pictures, labelled or not, and one feature vector of each: from the store, or computed and stored now.

What the commands on stored features start from: similar, duplicates, suspects, cluster and their like.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import EVERY_COLUMN, Encoder, Stage, Store
from fovea.manifest import (
    Manifest,
    apply_fixes,
    change_classes,
    equal_groups,
    join_units,
    read_source,
    without_documents,
)
from fovea.manifest.folders import TABLE_SUFFIXES
from fovea.progress import Progress, silent
from fovea.tasks.backbones import open_encoder, with_default
from fovea.tasks.copies import find_copies
from fovea.tasks.gather import add_hashes, gather, last_average
from fovea.tasks.options import BackboneOptions, SourceOptions
from fovea.wording import count, some


@dataclass(frozen=True, slots=True)
class Stored:
    """Pictures and their features.

    `manifest` has hashes, sizes and problems filled in; `rows` int64 (m,) are the numbers in it of the pictures that could
    be read, and `features` float32 (m, d) theirs, in that order: `stages` says which columns come from where. Files with
    the same bytes each have their row; `content` int64 (m,) is the same number for them. `notes` are sentences for the user.
    """

    manifest: Manifest
    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    content: NDArray[np.int64]
    stages: tuple[Stage, ...]
    encoder: Encoder
    n_decoded: int
    seconds: float
    notes: tuple[str, ...]

    @property
    def labels(self) -> tuple[str | None, ...]:
        """The label of each row (m), None where there is none."""
        return tuple(self.manifest.rows[k].label for k in self.rows.tolist())

    @property
    def paths(self) -> tuple[str, ...]:
        """The path of each row (m), as the manifest names it."""
        return tuple(self.manifest.rows[k].path for k in self.rows.tolist())

    def read(self, at: int) -> bytes:
        """Return the bytes of the picture of a row; OSError or PictureError where they are gone since."""
        return self.manifest.read(self.manifest.rows[int(self.rows[at])])


def read_pictures(photos: Path, source: SourceOptions, *, labelled: bool | None = None) -> Manifest:
    """Return the manifest of pictures: all of them, with a label where they have one, unless `labelled` demands or forgoes labels.

    Raises InputError where there is nothing, or no labels and `labelled` is True.
    """
    told = {"group_by": source.group_by, "group_pattern": source.group_pattern, "strict": source.strict}
    if labelled is False:
        return read_source(photos, labelled=False, **told)  # type: ignore[arg-type]
    manifest = (
        _read_every(photos, source)
        if labelled is None
        else read_source(
            photos,
            to_learn=False,
            label_by=source.label_by,
            **told,  # type: ignore[arg-type]
        )
    )
    if source.fixes is not None:
        manifest, _ = apply_fixes(manifest, source.fixes)
    return change_classes(manifest, drop=source.drop, merge=source.merge)


def _read_every(photos: Path, source: SourceOptions) -> Manifest:
    """Return every picture that a folder holds or a table names, with a label where it has one."""
    told = {"group_by": source.group_by, "group_pattern": source.group_pattern}
    is_table = not photos.is_dir()
    try:
        named = read_source(photos, to_learn=False, label_by=source.label_by, **told)  # type: ignore[arg-type]
    except InputError:
        if source.label_by or (is_table and photos.suffix.lower() not in TABLE_SUFFIXES):
            raise
        named = None
    if named is not None and is_table and not any(row.problem for row in named.rows):
        return named
    by = source.label_by if is_table else None
    every = read_source(photos, labelled=False, label_by=by, strict=source.strict, **told)  # type: ignore[arg-type]
    if named is None:
        return every if is_table else without_documents(every)
    return _laid_over(every, named, is_table=is_table)


def _laid_over(every: Manifest, named: Manifest, *, is_table: bool) -> Manifest:
    """Return all pictures, with the rows of those that have a label; what is named and not there stays a problem."""
    labelled = {row.path for row in named.rows if not row.problem}
    bare = every.with_rows(row for row in every.rows if row.path not in labelled)
    bare = bare if is_table else without_documents(bare)
    if not bare.rows:
        return named
    places = {row.path: at for at, row in enumerate(every.rows)}
    rows = [
        row
        for row in named.rows
        if row.path not in places or (row.path in labelled and row.label is not None)
    ]
    rows = sorted([*rows, *bare.rows], key=lambda row: places.get(row.path, len(places)))
    names = [row.path for row in bare.rows if not row.problem]
    notes = [f"{count(len(names), 'picture')} without a label: {some(names)}."] if names else []
    return replace(bare.with_rows(rows, notes=notes), packs={**named.packs, **every.packs})


def open_network(options: BackboneOptions, *, progress: Progress = silent) -> tuple[Encoder, tuple[str, ...]]:
    """Return the network that the options, or the user's settings, name, and a note where it is their default."""
    options, notes = with_default(options)
    progress("network", 0, 1)  # weights used for the first time are converted now
    encoder = open_encoder(options)
    progress("network", 1, 1)
    return encoder, notes


def last_columns(encoder: Encoder) -> slice:
    """Return the columns that tell pictures apart best: the last stage that is a mean over space."""
    stage = last_average(encoder)
    return slice(stage.start, stage.stop)


def read_stored(
    manifest: Manifest,
    *,
    encoder: Encoder,
    store: Store | None,
    columns: Callable[[Encoder], slice] | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> Stored:
    """Return the features of a manifest's pictures; pictures that the store lacks go through the network now.

    `columns` chooses which to hold in memory, such as `last_columns`; None: all. Files that cannot be read become problems
    in the manifest. Raises StoreError, BackboneError.
    """
    chosen = EVERY_COLUMN if columns is None else columns(encoder)
    manifest = add_hashes(manifest, store, threads=threads, progress=progress)
    gathered = gather(manifest, encoder=encoder, store=store, columns=chosen, progress=progress)
    rows = np.flatnonzero(gathered.content >= 0)
    places = gathered.place[rows]
    features = gathered.features[:, 0]
    if len(rows) < len(features):  # without a copy where every picture could be read
        features = features[places]
    first, last, _ = chosen.indices(encoder.n_features)
    return Stored(
        manifest=gathered.manifest,
        rows=rows,
        features=features,
        content=gathered.content[rows],
        stages=tuple(
            Stage(one.name, one.start - first, one.stop - first)
            for one in encoder.stages
            if first <= one.start and one.stop <= last
        ),
        encoder=encoder,
        n_decoded=gathered.n_decoded,
        seconds=gathered.seconds,
        notes=(*encoder.notes, *manifest.notes, *(() if store is None else store.notes)),
    )


def units_of_stored(
    stored: Stored, *, store: Store, threads: int | None, with_near: bool = False
) -> NDArray[np.int64]:
    """Return a unit for every row of the manifest (n,), as `train` makes them: of one content, equal pixels or one group.

    `with_near`: what looks nearly the same shares one too. All features are needed, or those of `last_columns`.
    """
    rows = stored.manifest.rows
    first = np.unique(stored.content, return_index=True)[1]
    contents = stored.rows[first].tolist()
    last = next(one for one in stored.stages if one.name == last_average(stored.encoder).name)
    copies = find_copies(
        stored.features[first, last.start : last.stop],
        sha256s=[rows[k].sha256 for k in contents],
        read=lambda k: stored.manifest.read(rows[contents[k]]),
        store=store,
        threads=threads,
    )
    alike = (*copies.same, *(copies.near.tolist() if with_near else ()))
    return join_units(
        len(rows),
        equal_groups(["" if row.problem else row.sha256 for row in rows]),
        [[contents[k] for k in group] for group in alike],
        equal_groups([row.group for row in rows]),
    )


def require_some(stored: Stored, *, at_least: int, photos: Path, to_do: str) -> None:
    """Raise InputError where fewer pictures than `at_least` could be read; `to_do` says what they are needed for."""
    n = len(stored.rows)
    if n >= at_least:
        return
    bad = [row for row in stored.manifest.rows if row.problem]
    first = f" The first that cannot be read is {bad[0].path!r}: {bad[0].problem}." if bad else ""
    raise InputError(
        f"{str(photos)!r} holds {count(n, 'picture')} that can be read; {to_do} takes {at_least} or more.{first} "
        "Name a folder with more pictures."
    )
