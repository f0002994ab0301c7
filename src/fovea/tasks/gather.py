"""A manifest in; every picture's content hash, facts and features out: what train and evaluate start from.

Each content is read by the network once, however many files hold it; what cannot be read becomes a row's problem.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.features import EVERY_COLUMN, Encoder, Extraction, Item, Part, Stage, Store, extract, read_hashes
from fovea.manifest import Manifest, Row
from fovea.pictures import Facts
from fovea.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was gathered: the manifest with hashes, sizes and problems filled in, and features.

    `features` float32 (m, views, d) holds a row for every row of the manifest that could be opened, and `place` int64
    (n,) says which, -1 for one with a problem. `content` int64 (n,) numbers the different contents among those without
    a problem, -1 for the others; `sha256s` and `facts` have an entry per content.
    """

    manifest: Manifest
    features: NDArray[np.float32]
    place: NDArray[np.int64]
    content: NDArray[np.int64]
    sha256s: tuple[str, ...]
    facts: tuple[Facts | None, ...]
    n_decoded: int
    seconds: float


def add_hashes(
    manifest: Manifest, store: Store | None, *, threads: int | None = None, progress: Progress = silent
) -> Manifest:
    """Return the manifest with the sha256 of every row that can be read, of those left out too; the others get a problem."""
    wanted = [row for row in manifest.rows if not row.sha256 and (not row.problem or row.is_left_out)]
    hashes = read_hashes([_place(manifest, row) for row in wanted], store, threads=threads, progress=progress)
    found = {id(row): one for row, one in zip(wanted, hashes, strict=True)}
    rows = []
    for row in manifest.rows:
        one = found.get(id(row))
        rows.append(
            row if one is None else replace(row, sha256=one.sha256, problem=row.problem or one.problem)
        )
    return manifest.with_rows(rows)


def _place(manifest: Manifest, row: Row) -> Path | Part:
    pack = manifest.pack(row)
    if pack is None:
        return manifest.file(row)
    number = int(row.path.rpartition("#")[2])
    return Part(manifest.file(row), number, partial(pack.read, number), is_quick=pack.is_quick)


def gather(
    manifest: Manifest,
    *,
    encoder: Encoder,
    store: Store | None,
    views: int = 1,
    columns: slice = EVERY_COLUMN,
    without: str = "",
    progress: Progress = silent,
) -> Gathered:
    """Return features and facts of every row of a manifest whose hashes are known (`add_hashes`), but the split `without`.

    Of the features only `columns` are held; see `extract`.
    """
    begun = time.perf_counter()
    opened = [
        k
        for k, row in enumerate(manifest.rows)
        if row.sha256 and not row.problem and not (without and row.split == without)
    ]
    items = [Item(manifest.rows[k].sha256, partial(manifest.read, manifest.rows[k])) for k in opened]
    found = extract(encoder, items, store=store, views=views, columns=columns, progress=progress)
    features = found.features.reshape(len(items), views, found.features.shape[-1])
    seconds = time.perf_counter() - begun
    return settle(manifest, opened, found=replace(found, features=features, seconds=seconds))


def settle(manifest: Manifest, opened: Sequence[int], *, found: Extraction) -> Gathered:
    """Return what was found of the rows `opened` in its place: problems, sizes, contents; `found.features` (m, views, d)."""
    rows = list(manifest.rows)
    numbers: dict[str, int] = {}
    facts: list[Facts | None] = []
    place, content = (np.full(len(rows), -1, np.int64) for _ in range(2))
    for at, k in enumerate(opened):
        problem, known = found.problems[at], found.facts[at]
        rows[k] = replace(
            rows[k], problem=problem, width=known.width if known else 0, height=known.height if known else 0
        )
        if not problem:
            if rows[k].sha256 not in numbers:
                facts.append(known)
            place[k] = at
            content[k] = numbers.setdefault(rows[k].sha256, len(numbers))
    return Gathered(
        manifest=manifest.with_rows(rows),
        features=found.features,
        place=place,
        content=content,
        sha256s=tuple(numbers),
        facts=tuple(facts),
        n_decoded=found.n_decoded,
        seconds=found.seconds,
    )


def last_average(encoder: Encoder) -> Stage:
    """Return the columns that tell pictures apart best: the last stage that is a mean over space."""
    averages = [stage for stage in encoder.stages if not stage.name.endswith((":max", ":softmax"))]
    return averages[-1] if averages else encoder.stages[-1]
