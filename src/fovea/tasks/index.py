"""`index`: what a catalogue's pictures are compared by, kept ready to be searched.

Adds what is new or changed, takes out what is gone (the store that others share keeps it), names what it cannot read.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fovea.errors import InputError
from fovea.features import Store, open_store
from fovea.features.graph_folder import refresh_graph
from fovea.features.index_folder import CatalogueIndex, list_indexes, open_index, renew_index
from fovea.features.index_rows import Entry, Made
from fovea.manifest import Manifest, Row
from fovea.progress import Progress, silent
from fovea.tasks.options import BackboneOptions, SourceOptions, configure
from fovea.tasks.spaces import Space, open_space
from fovea.tasks.stored import read_pictures, read_stored

_CHUNK = 4096  # pictures whose features are in memory at once; after each, the index is whole
_RACY_NS = 2_000_000_000  # a file this young may change again within its clock's grain and keep its stamp


@dataclass(frozen=True, slots=True)
class Config:
    """What to index, and what its pictures are to be compared by; `fovea index` has an option for each.

    `metric` is "cosine", "dot" or "euclidean"; `tuned` is a run whose answers are compared; `reindex` makes it anew.
    """

    catalogue: Path
    network: BackboneOptions = field(default_factory=BackboneOptions)
    metric: str = "cosine"
    tuned: Path | None = None
    label_by: str | None = None
    reindex: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What the index holds, and what changed in it. Paths are as the catalogue has them.

    `graph` has what was measured of the graph ("recall", "graph_ms", "exact_ms" a query), None where none is needed.
    `n_pictures` = `n_new` + `n_changed` + `n_unchanged`; `quarantined` are (path, reason) of files that cannot be read.
    """

    catalogue: str
    backbone: str
    compares: str
    n_pictures: int
    n_new: int
    n_changed: int
    n_unchanged: int
    n_gone: int
    quarantined: tuple[tuple[str, str], ...]
    seconds: float
    folder: str
    notes: tuple[str, ...]
    graph: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "catalogue": self.catalogue,
            "backbone": self.backbone,
            "compares": self.compares,
            "n_pictures": self.n_pictures,
            "n_new": self.n_new,
            "n_changed": self.n_changed,
            "n_unchanged": self.n_unchanged,
            "n_gone": self.n_gone,
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "graph": None if self.graph is None else dict(self.graph),
            "seconds": round(self.seconds, 3),
            "folder": self.folder,
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        from fovea.pages import render_facts_fragment

        rows = [("new", f"{self.n_new:,}"), ("changed", f"{self.n_changed:,}"), ("gone", f"{self.n_gone:,}")]
        return render_facts_fragment(
            f"{self.n_pictures:,} pictures can be searched.", facts=rows, sentences=self.notes
        )


def index(catalogue: str | Path, *, progress: Progress = silent, **settings: Any) -> Result:
    """Index the pictures of a folder or table; see `Config` and `BackboneOptions` for the settings.

    Raises:
        InputError: nothing is there, or an index of another network is and `reindex` was not given.
        StoreError: the index is damaged or cannot be written.
    """
    return run(configure(Config, {"catalogue": Path(catalogue), **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Index as `config` says; see `index`."""
    space = open_space(config.network, metric=config.metric, tuned=config.tuned, progress=progress)
    with open_store() as store:
        done = refresh(config, space=space, store=store, progress=progress)
    done.index.close()
    return done.result


@dataclass(frozen=True, slots=True)
class Refreshed:
    """An index that is open and up to date, the pictures that it is of, and what changed."""

    index: CatalogueIndex
    manifest: Manifest
    result: Result


def refresh(config: Config, *, space: Space, store: Store, progress: Progress = silent) -> Refreshed:
    """Return the index of a catalogue as it is now, open, and what changed in it; see `index`."""
    begun = time.perf_counter()
    manifest = read_pictures(config.catalogue, SourceOptions(label_by=config.label_by))
    made = made_of(config.catalogue, space)
    if config.reindex:
        renew_index(made)
    else:
        _refuse_other(made)
    index = open_index(made)
    try:
        counts = _bring_up(index, manifest, space=space, store=store, progress=progress)
        threads = config.network.threads
        graph, slow = refresh_graph(index, metric=space.metric, threads=threads, progress=progress)
    except BaseException:
        index.close()
        raise
    seconds = time.perf_counter() - begun
    result = Result(
        catalogue=str(config.catalogue),
        backbone=f"{space.encoder.name} ({space.encoder.precision})",
        compares=space.words,
        n_pictures=counts.n_new + counts.n_changed + counts.n_unchanged,
        n_new=counts.n_new,
        n_changed=counts.n_changed,
        n_unchanged=counts.n_unchanged,
        n_gone=counts.n_gone,
        quarantined=tuple(counts.quarantined),
        seconds=seconds,
        folder=str(index.folder),
        notes=(*space.notes, *manifest.notes, *store.notes, *([slow] if slow else [])),
        graph=None
        if graph is None
        else {"recall": graph.recall, "graph_ms": graph.graph_ms, "exact_ms": graph.exact_ms},
    )
    return Refreshed(index, manifest, result)


def made_of(catalogue: Path, space: Space) -> Made:
    """Return what names the index of a catalogue and a space."""
    return Made(
        catalogue=str(catalogue.resolve()),
        backbone=space.encoder.name,
        precision=space.encoder.precision,
        fingerprint=space.encoder.fingerprint,
        space=space.name,
        width=space.width,
        fit=space.encoder.preprocess.fit,
        size=space.encoder.preprocess.size,
    )


def _refuse_other(made: Made) -> None:
    """Raise InputError where there is an index of this catalogue by another network and none by this one."""
    there = [one for one in list_indexes(made.catalogue) if one.space == made.space]
    others = [one for one in there if one.fingerprint != made.fingerprint]
    if not others or len(others) < len(there):
        return
    first, given = others[0], {"precision": "compute", "fit": "fit", "size": "size"}
    differs = [name for name in given if getattr(first, name) not in ("", getattr(made, name))]
    is_same_name = first.backbone == made.backbone
    names = [
        f"{one.backbone!r} in {one.precision}"
        + "".join(f" with --{name} {getattr(one, name)}" for name in ("fit", "size") if name in differs)
        + (f" ({one.fingerprint[:8]})" if is_same_name and not differs else "")
        for one in (first, made)
    ]
    options = [] if is_same_name and differs else ["--backbone or --weights"]
    options += [f"--{given[name]} {getattr(first, name)}" for name in differs]
    raise InputError(
        f"The index of {made.catalogue!r} was made by {names[0]}, and what is asked for now is {names[1]}; their numbers cannot "
        f"be compared. Search with the first ({', '.join(options)}), or give --reindex to index the pictures with the second."
    )


@dataclass(slots=True)
class _Counts:
    n_new: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_gone: int = 0
    quarantined: list[tuple[str, str]] = field(default_factory=list)


def _bring_up(
    index: CatalogueIndex, manifest: Manifest, *, space: Space, store: Store, progress: Progress
) -> _Counts:
    """Make the index hold what the manifest names."""
    known, counts = index.entries(), _Counts()
    counts.quarantined += [(row.path, row.problem) for row in manifest.rows if row.problem]
    found = {row.path: row for row in manifest.rows if not row.problem}
    stamps = dict(zip(found, _stamps(manifest, list(found.values())), strict=True))
    todo, relabelled, unreadable = [], [], set()
    for path, row in found.items():
        one = known.get(path)
        if one is None or one.mtime_ns < 0 or (one.size_bytes, one.mtime_ns, one.inode) != stamps[path]:
            todo.append(row)
        else:
            counts.n_unchanged += 1
            if (one.label, one.split) != (row.label, row.split):
                relabelled.append(replace(one, label=row.label, split=row.split))
    progress("index", len(found) - len(todo), len(found))
    for start in range(0, len(todo), _CHUNK):
        chunk = manifest.with_rows(todo[start : start + _CHUNK])
        stored = read_stored(
            chunk, encoder=space.encoder, store=store, columns=lambda _: space.columns, progress=progress
        )
        problems = {row.path: row.problem for row in stored.manifest.rows if row.problem}
        unreadable |= set(problems)
        counts.quarantined += problems.items()
        rows = [stored.manifest.rows[k] for k in stored.rows.tolist()]
        entries = [_entry(row, stamps[row.path]) for row in rows]
        same = [known[one.path].sha256 == one.sha256 if one.path in known else False for one in entries]
        fresh = [k for k, is_same in enumerate(same) if not is_same]
        relabelled += [one for one, is_same in zip(entries, same, strict=True) if is_same]
        if fresh:
            index.append([entries[k] for k in fresh], space.project(stored.features[fresh]))
        n_changed = sum(entries[k].path in known for k in fresh)
        counts.n_changed += n_changed
        counts.n_new += len(fresh) - n_changed
        counts.n_unchanged += sum(same)
        progress("index", len(found) - len(todo) + start + len(chunk.rows), len(found))
    gone = [path for path in known if path not in found or path in unreadable]
    counts.n_gone = len(gone)
    if gone or relabelled or counts.n_changed:  # what changed left its old vectors, which are let go there
        index.update(relabelled, gone=gone)
    return counts


def _entry(row: Row, stamp: tuple[int, int, int]) -> Entry:
    is_settled = time.time_ns() - stamp[1] > _RACY_NS
    return Entry(row.path, row.label, row.split, row.sha256, *(stamp if is_settled else ()))


def _stamps(manifest: Manifest, rows: Sequence[Row]) -> Iterator[tuple[int, int, int]]:
    """Yield size, time and inode of each row's file (-1 where there is none); of pictures in one file that file's."""
    root = str(manifest.root)
    packs: dict[str, tuple[int, int, int]] = {}
    for row in rows:
        name = row.path.rpartition("#")[0] if "#" in row.path and manifest.pack(row) else ""
        if name:
            if name not in packs:
                packs[name] = _stamp(str(manifest.file(row)))
            yield packs[name]
        else:
            yield _stamp(os.path.join(root, row.path))  # noqa: PTH118  # ten times as quick as a Path


def _stamp(file: str) -> tuple[int, int, int]:
    try:
        status = os.stat(file)  # noqa: PTH116
    except OSError:
        return -1, -1, -1
    return status.st_size, status.st_mtime_ns, status.st_ino
