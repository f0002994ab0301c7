"""`cluster`: pictures without labels into groups, the typical ones of each first; names for the groups become labels."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import open_store, unit_rows
from fovea.learn.groups import group
from fovea.learn.space import compare_in
from fovea.manifest import without_documents
from fovea.progress import Progress, silent
from fovea.tasks.cluster_names import groups_csv, labels_csv, notes_on_paths, read_names
from fovea.tasks.cluster_page import cluster_page
from fovea.tasks.options import BackboneOptions, SourceOptions, configure
from fovea.tasks.stored import last_columns, open_network, read_pictures, read_stored, require_some
from fovea.tasks.written import require_free, write_whole

N_TOLD = 5


@dataclass(frozen=True, slots=True)
class Config:
    """What to group, and what to write; `fovea cluster` has an option for each.

    `groups` is how many; None: as many as there are. `names` is the file that `csv` once wrote, its groups named by hand: then
    nothing is computed, and `csv` becomes a table of labels that `train` takes.
    """

    photos: Path
    groups: int | None = None
    csv: Path | None = None
    html: Path | None = None
    names: Path | None = None
    private: bool = False
    source: SourceOptions = field(default_factory=SourceOptions)
    network: BackboneOptions = field(default_factory=BackboneOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """One group: the paths of its pictures, the most typical first, and how typical each is, the cosine to their mean."""

    paths: tuple[str, ...]
    typicality: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """The groups, the largest first; `labels`: how many pictures have which label, where groups were named."""

    groups: tuple[Group, ...]
    n_pictures: int
    labels: Mapping[str, int]
    quarantined: tuple[tuple[str, str], ...]
    csv: str | None
    html: str | None
    seconds: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what `fovea cluster --json` prints."""
        return {
            "n_pictures": self.n_pictures,
            "n_groups": len(self.groups),
            "groups": [
                {"group": k, "n_pictures": len(one.paths), "typical": list(one.paths[:N_TOLD])}
                for k, one in enumerate(self.groups, start=1)
            ],
            "labels": dict(self.labels),
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "csv": self.csv,
            "html": self.html,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


def cluster(photos: str | Path, *, progress: Progress = silent, **settings: Any) -> Result:
    """Group the pictures of a folder or table by what is on them, whatever labels they have.

    `settings`: any field of `Config` or of its groups by name, such as `groups`, `csv`, `html`, `backbone`. Raises as `run` does.
    """
    return run(configure(Config, {"photos": Path(photos), **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Group as `config` says, or make labels of the names that groups were given.

    Raises:
        InputError: too few pictures, more groups than pictures, or names that do not fit.
        OutputError: a file cannot be written, or something is there already.
    """
    require_free(config.csv, option="--csv")
    require_free(config.html, option="--html")
    if config.names is not None:
        return _named(config, names=config.names)
    if config.groups is not None and config.groups < 1:
        raise InputError(
            f"-k is {config.groups}; a number of groups is 1 or more, or leave it out to have it found."
        )
    return _grouped(config, progress=progress)


def _grouped(config: Config, *, progress: Progress) -> Result:
    begun = time.perf_counter()
    manifest = without_documents(read_pictures(config.photos, config.source, labelled=False))
    encoder, notes = open_network(config.network, progress=progress)
    threads = config.network.threads
    with open_store() as store:
        stored = read_stored(
            manifest, encoder=encoder, store=store, columns=last_columns, threads=threads, progress=progress
        )
    require_some(stored, at_least=2, photos=config.photos, to_do="making groups")
    _require_fewer(config.groups, n_pictures=len(stored.rows), photos=config.photos)
    rows = unit_rows(compare_in(stored.features, seed=config.seed))
    progress("groups", 0, 1)
    found = group(rows, n_groups=config.groups, seed=config.seed, threads=threads)
    typicality = _typicality(rows, found)
    progress("groups", 1, 1)
    members = [
        _most_typical_first(np.flatnonzero(found == k), typicality) for k in range(int(found.max()) + 1)
    ]
    paths = stored.paths
    result = Result(
        groups=tuple(
            Group(tuple(paths[at] for at in some), tuple(round(float(typicality[at]), 4) for at in some))
            for some in members
        ),
        n_pictures=len(paths),
        labels={},
        quarantined=tuple((row.path, row.problem) for row in stored.manifest.rows if row.problem),
        csv=None if config.csv is None else str(config.csv),
        html=None if config.html is None else str(config.html),
        seconds=time.perf_counter() - begun,
        notes=(*notes, *stored.notes, *notes_on_paths(stored.manifest)),
    )
    if config.csv is not None:
        write_whole(config.csv, groups_csv(result.groups, stored.manifest), option="--csv")
    if config.html is not None:
        page = cluster_page(config, result, stored=stored, members=members, progress=progress)
        write_whole(config.html, page, option="--html")
    return result


def _require_fewer(groups: int | None, *, n_pictures: int, photos: Path) -> None:
    """Raise InputError where more groups are asked for than there are pictures."""
    if groups is not None and groups > n_pictures:
        raise InputError(
            f"-k is {groups:,}, and {str(photos)!r} holds {n_pictures:,} pictures that can be read. Ask for {n_pictures:,} groups "
            "or fewer, or leave -k out to have their number found."
        )


def _typicality(rows: NDArray[np.float32], found: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the cosine of each row of length 1 (n, d) to the mean of its group, float32 (n,) in [-1, 1]."""
    sums = np.zeros((int(found.max()) + 1, rows.shape[1]), np.float32)
    np.add.at(sums, found, rows)
    cosines: NDArray[np.float32] = np.einsum("nd,nd->n", rows, unit_rows(sums)[found])
    return cosines


def _most_typical_first(some: NDArray[np.int64], typicality: NDArray[np.float32]) -> list[int]:
    ordered: list[int] = some[np.argsort(-typicality[some], kind="stable")].tolist()
    return ordered


def _named(config: Config, *, names: Path) -> Result:
    begun = time.perf_counter()
    if config.csv is None or config.html is not None or config.groups is not None:
        raise InputError(
            "--names turns the names of groups into a table of labels: say with --csv where to write it, and leave out -k and "
            "--html."
        )
    manifest = without_documents(read_pictures(config.photos, config.source, labelled=False))
    given = read_names(names, manifest)
    write_whole(config.csv, labels_csv(given.labels, manifest), option="--csv")
    return Result(
        groups=tuple(Group(paths) for paths in given.groups),
        n_pictures=len(manifest.rows),
        labels=dict(Counter(given.labels.values()).most_common()),
        quarantined=(),
        csv=str(config.csv),
        html=None,
        seconds=time.perf_counter() - begun,
        notes=(*manifest.notes, *given.notes),
    )
