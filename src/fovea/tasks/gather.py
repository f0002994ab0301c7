"""A manifest in; every picture's content hash, facts and features out: what train and evaluate start from.

Each content is read by the network once, however many files hold it; what cannot be read becomes a row's problem.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder, Item, Stage, Store, extract, read_hashes
from fovea.manifest import Manifest, Row
from fovea.pictures import Facts
from fovea.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was gathered: the manifest with hashes, sizes and problems filled in, and features by content.

    `features` float32 (m, views, d) holds a row per different content; `content` int64 (n,) says which one a row of the
    manifest has, -1 for one with a problem. `facts` has an entry per content.
    """

    manifest: Manifest
    features: NDArray[np.float32]
    content: NDArray[np.int64]
    sha256s: tuple[str, ...]
    facts: tuple[Facts | None, ...]
    n_decoded: int
    seconds: float


def add_hashes(manifest: Manifest, store: Store | None, *, progress: Progress = silent) -> Manifest:
    """Return the manifest with the sha256 of every row that can be read; the others get a problem."""
    wanted = [row for row in manifest.rows if not row.problem and not row.sha256]
    hashes = read_hashes([manifest.file(row) for row in wanted], store, progress=progress)
    found = {id(row): one for row, one in zip(wanted, hashes, strict=True)}
    rows = []
    for row in manifest.rows:
        one = found.get(id(row))
        rows.append(row if one is None else replace(row, sha256=one.sha256, problem=one.problem))
    return manifest.with_rows(rows)


def gather(
    manifest: Manifest,
    *,
    encoder: Encoder,
    store: Store | None,
    views: int = 1,
    progress: Progress = silent,
) -> Gathered:
    """Return features and facts of every row of a manifest whose hashes are known (`add_hashes`)."""
    begun = time.perf_counter()
    first: dict[str, Row] = {}
    for row in manifest.rows:
        if row.sha256 and not row.problem:
            first.setdefault(row.sha256, row)
    sha256s = tuple(first)
    items = [Item(sha256, manifest.file(row).read_bytes) for sha256, row in first.items()]
    found = extract(encoder, items, store=store, views=views, progress=progress)
    features = found.features.reshape(len(items), views, encoder.n_features)
    place = {sha256: k for k, sha256 in enumerate(sha256s)}
    rows, content = [], np.full(len(manifest.rows), -1, np.int64)
    for number, row in enumerate(manifest.rows):
        k = place.get(row.sha256, -1) if not row.problem else -1
        if k >= 0:
            facts, problem = found.facts[k], found.problems[k]
            content[number] = -1 if problem else k
            row = replace(  # noqa: PLW2901
                row,
                problem=problem,
                width=0 if facts is None else facts.width,
                height=0 if facts is None else facts.height,
            )
        rows.append(row)
    return Gathered(
        manifest=manifest.with_rows(rows),
        features=features,
        content=content,
        sha256s=sha256s,
        facts=found.facts,
        n_decoded=found.n_decoded,
        seconds=time.perf_counter() - begun,
    )


def last_average(encoder: Encoder) -> Stage:
    """Return the columns that tell pictures apart best: the last stage that is not a maximum."""
    averages = [stage for stage in encoder.stages if not stage.name.endswith(":max")]
    return averages[-1] if averages else encoder.stages[-1]
