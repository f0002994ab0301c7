"""`duplicates`: pictures that are there more than once (as they are, altered, or as another shot), and what could go."""

import os
import time
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError, PictureError
from fovea.features import open_store
from fovea.judge.duplicates import choose_kept
from fovea.manifest import Manifest, Row, join_units
from fovea.progress import Progress, silent
from fovea.tasks.duplicates_find import Contents, Pairs, find_pairs
from fovea.tasks.duplicates_write import duplicates_page, removal_csv
from fovea.tasks.options import BackboneOptions, SourceOptions, check_choice, check_share, configure
from fovea.tasks.stored import Stored, last_columns, open_network, read_pictures, read_stored, require_some
from fovea.tasks.written import require_free, write_whole
from fovea.wording import count, some

KEEP = ("best", "first")
KINDS = ("same bytes", "same pixels", "near")
_How: TypeAlias = tuple[float, bool]  # how much a near copy differs, and whether it is mirrored


@dataclass(frozen=True, slots=True)
class Config:
    """Where to look for copies, and what to write; `fovea duplicates` has an option for each.

    `precision` is the share of the pairs found that are to be copies. `keep` says which of a group stays: "best" is the one
    of most pixels, of those the one of most bytes (the least compressed), of those the first; "first" the first one by path.
    `csv` is where the list of the others is written: nothing is removed.
    """

    photos: Path
    precision: float = 0.99
    keep: str | None = None
    csv: Path | None = None
    html: Path | None = None
    private: bool = False
    source: SourceOptions = field(default_factory=SourceOptions)
    network: BackboneOptions = field(default_factory=BackboneOptions)


@dataclass(frozen=True, slots=True)
class Member:
    """One picture of a group: `copy_of` is the kept one whose copy it is, as `kind` says ("" for one that stays).

    `difference` is 0 for the same bytes or pixels; `width`, `height` in pixels, `n_bytes` of its file.
    """

    path: str
    label: str | None
    split: str
    width: int
    height: int
    n_bytes: int
    at: int
    copy_of: str = ""
    kind: str = ""
    difference: float = 0.0
    is_mirrored: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the member as plain values."""
        names = ("path", "label", "split", "width", "height", "n_bytes")
        told = {name: getattr(self, name) for name in names}
        copied = {"copy_of": self.copy_of or None, "kind": self.kind or None, "is_mirrored": self.is_mirrored}
        return {**told, **copied, "difference": round(self.difference, 4)}


@dataclass(frozen=True, slots=True)
class Result:
    """What was found, by paths below `root`.

    `groups`: of copies, what stays first, those with several labels or splits first of all. `doubtful`: pairs of paths that were
    just not taken for copies, and their difference. `scenes`: paths of pictures that show the same without being copies.
    `recalls`: the share of planted copies that was found, by how they were altered; of the pairs found, `n_strangers` are
    expected to be no copies.
    """

    root: str
    n_pictures: int
    groups: tuple[tuple[Member, ...], ...]
    scenes: tuple[tuple[str, ...], ...]
    doubtful: tuple[tuple[str, str, float], ...]
    n_planted: int
    recalls: dict[str, float]
    limit: float
    n_strangers: float
    quarantined: tuple[tuple[str, str], ...]
    csv: str | None
    html: str | None
    seconds: float
    notes: tuple[str, ...]

    @property
    def removable(self) -> tuple[Member, ...]:
        """The pictures that are copies of one that stays."""
        return tuple(one for group in self.groups for one in group if one.copy_of)

    def count(self, kind: str) -> int:
        """Count the removable pictures of a kind."""
        return sum(one.kind == kind for one in self.removable)

    def to_json(self) -> dict[str, Any]:
        """Return what `fovea duplicates --json` prints."""
        return {
            "root": self.root,
            "n_pictures": self.n_pictures,
            "n_groups": len(self.groups),
            "n_removable": len(self.removable),
            "groups": [[one.to_json() for one in group] for group in self.groups],
            "doubtful": [
                {"paths": [one, other], "difference": round(difference, 4)}
                for one, other, difference in self.doubtful
            ],
            "scenes": [list(paths) for paths in self.scenes],
            "planted": {
                "n_planted": self.n_planted,
                "recalls": dict(self.recalls),
                "limit": round(self.limit, 4),
                "n_strangers": round(self.n_strangers, 3),
            },
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "csv": self.csv,
            "html": self.html,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


def duplicates(photos: str | Path, *, progress: Progress = silent, **settings: Any) -> Result:
    """Find pictures that are there more than once in a folder or table; nothing is removed or changed.

    `settings`: any field of `Config` or of its groups by name, such as `keep`, `csv`, `html`, `backbone`. Raises as `run` does.
    """
    return run(configure(Config, {"photos": Path(photos), **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Find duplicates as `config` says.

    Raises:
        InputError: fewer than two pictures, or settings that cannot be.
        OutputError: a file cannot be written, or something is there already.
    """
    check_share("--precision", config.precision)
    check_choice("--keep", config.keep or KEEP[0], KEEP)
    if config.keep is not None and config.csv is None:
        raise InputError(
            f"--keep is {config.keep!r}, which picture of a group stays; say with --csv where to write the list of the others, "
            "for example --csv remove.csv."
        )
    require_free(config.csv, option="--csv")
    require_free(config.html, option="--html")
    begun = time.perf_counter()
    stored, pairs, notes = _find(config, progress=progress)
    groups = _groups(stored, pairs, keep=config.keep or KEEP[0])
    first = _first_rows(stored)
    paths = stored.paths
    result = Result(
        root=str(stored.manifest.root),
        n_pictures=len(paths),
        groups=groups,
        scenes=_scenes(stored, pairs),
        doubtful=tuple(
            (paths[first[a]], paths[first[b]], difference)
            for (a, b), difference in zip(pairs.doubtful.tolist(), pairs.doubt.tolist(), strict=True)
        ),
        n_planted=pairs.n_planted,
        recalls=pairs.recalls,
        limit=pairs.limit.limit,
        n_strangers=pairs.limit.n_strangers,
        quarantined=tuple((row.path, row.problem) for row in stored.manifest.rows if row.problem),
        csv=None if config.csv is None else str(config.csv),
        html=None if config.html is None else str(config.html),
        seconds=time.perf_counter() - begun,
        notes=notes,
    )
    if config.csv is not None:
        write_whole(config.csv, removal_csv(result.groups), option="--csv")
    if config.html is not None:
        page = duplicates_page(config, result, stored=stored, progress=progress)
        write_whole(config.html, page, option="--html")
    return result


def _find(config: Config, *, progress: Progress) -> tuple[Stored, Pairs, tuple[str, ...]]:
    manifest = without_links(read_pictures(config.photos, config.source))
    encoder, notes = open_network(config.network, progress=progress)
    threads = config.network.threads
    with open_store() as store:
        stored = read_stored(
            manifest, encoder=encoder, store=store, columns=last_columns, threads=threads, progress=progress
        )
        require_some(stored, at_least=2, photos=config.photos, to_do="finding duplicates")
        first = _first_rows(stored)
        rows = [stored.manifest.rows[k] for k in stored.rows[first].tolist()]
        pairs = find_pairs(
            Contents(
                features=stored.features if len(first) == len(stored.features) else stored.features[first],
                sha256s=[row.sha256 for row in rows],
                read=lambda k: stored.read(int(first[k])),
                rank=lambda k: min(
                    _rank(_member(stored, at, path=stored.paths[at]), keep=config.keep or KEEP[0])
                    for at in np.flatnonzero(stored.content == k).tolist()
                ),
            ),
            encoder=encoder,
            store=store,
            precision=config.precision,
            threads=threads,
            progress=progress,
        )
        return stored, pairs, (*notes, *stored.notes)


def without_links(manifest: Manifest) -> Manifest:
    """Leave out rows that are another listed row's file once more, by a link or another spelling: to remove one removes both.

    Which of the names stays is the file's own, where it is listed. Pictures in packs stay as they are.
    """
    folder = cache(os.path.realpath)
    names: dict[str, Row] = {}
    links = []
    for row in manifest.rows:
        if row.problem or manifest.pack(row) is not None:
            continue
        path = manifest.file(row)
        place = f"{folder(path.parent)}{os.sep}{path.name}"
        real = os.path.realpath(place) if path.is_symlink() else place
        known = names.setdefault(real, row)
        if known is not row:
            names[real], link = (row, known) if place == real else (known, row)
            links.append(link)
    if not links:
        return manifest
    gone = set(map(id, links))
    to_others = "a link to another file" if len(links) == 1 else "links to other files"
    note = (
        f"{count(len(links), 'name')} left out, {to_others} listed here: {some(row.path for row in links)}."
    )
    return manifest.with_rows((row for row in manifest.rows if id(row) not in gone), notes=(note,))


def _first_rows(stored: Stored) -> NDArray[np.int64]:
    """Return the first row of each content, by its number."""
    first: NDArray[np.int64] = np.unique(stored.content, return_index=True)[1]
    return first


def _groups(stored: Stored, pairs: Pairs, *, keep: str) -> tuple[tuple[Member, ...], ...]:
    """Return the groups of copies, what stays first; those that contradict each other first, then the near ones."""
    pixels = join_units(int(stored.content.max()) + 1, pairs.same.tolist())  # one number for equal ones
    shown = pixels[stored.content]
    near = np.sort(pixels[pairs.near], axis=1).tolist()
    found: dict[tuple[int, int], _How] = {
        (a, b): (difference, mirrored)
        for (a, b), difference, mirrored in zip(
            near, pairs.difference.tolist(), pairs.mirrored.tolist(), strict=True
        )
    }
    several = np.bincount(shown) > 1
    several[np.unique(near).astype(np.int64)] = True
    files: dict[int, list[Member]] = {}
    paths = stored.paths
    for at in np.flatnonzero(several[shown]).tolist():
        files.setdefault(int(shown[at]), []).append(_member(stored, at, path=paths[at]))
    for members in files.values():
        members.sort(key=lambda one: _rank(one, keep=keep))
    order = sorted(files, key=lambda k: _rank(files[k][0], keep=keep))
    gone = choose_kept(order, found)
    units = join_units(len(several), found)
    groups: dict[int, list[Member]] = {}
    for k in sorted(order, key=lambda k: k in gone):
        kept = gone.get(k, k)
        stays, how = files[kept][0], found.get((min(k, kept), max(k, kept)))
        groups.setdefault(int(units[k]), []).extend(
            _as_copy(one, stays, how, has_its_bytes=stored.content[one.at] == stored.content[stays.at])
            for one in files[k]
        )
    return tuple(
        sorted(
            (tuple(sorted(group, key=lambda one: bool(one.copy_of))) for group in groups.values()), key=_doubt
        )
    )


def _member(stored: Stored, at: int, *, path: str) -> Member:
    row = stored.manifest.rows[int(stored.rows[at])]
    try:
        n_bytes = len(stored.read(at))
    except (OSError, PictureError):  # gone since
        n_bytes = 0
    return Member(path, row.label, row.split, row.width, row.height, n_bytes, at)


def _rank(member: Member, *, keep: str) -> tuple[int, int, str]:
    """Return what sorts the picture to keep first."""
    if keep == "first":
        return 0, 0, member.path
    return -member.width * member.height, -member.n_bytes, member.path


def _as_copy(one: Member, stays: Member, how: _How | None, *, has_its_bytes: bool) -> Member:
    """Return a picture as a copy of the one that stays; `how` is None where their pixels are equal."""
    if one.at == stays.at:
        return one
    kind = KINDS[2] if how else KINDS[0] if has_its_bytes else KINDS[1]
    difference, is_mirrored = how or (0.0, False)
    return replace(one, copy_of=stays.path, kind=kind, difference=difference, is_mirrored=is_mirrored)


def _doubt(group: tuple[Member, ...]) -> tuple[bool, bool, float, str]:
    """Return what sorts groups: several labels first, several splits, the most different, then by path."""
    one_label, one_split = (  # no label, and no split, contradicts none
        len(set(values) - {None, ""}) < 2 for values in zip(*((m.label, m.split) for m in group), strict=True)
    )
    return one_label, one_split, -max(member.difference for member in group), group[0].path


def _scenes(stored: Stored, pairs: Pairs) -> tuple[tuple[str, ...], ...]:
    """Return the paths of each scene, copies told once, the largest first."""
    n = int(stored.content.max()) + 1
    copies = join_units(n, pairs.same.tolist(), pairs.near.tolist())
    first = _first_rows(stored)
    one_each = np.unique(copies, return_index=True)[1]
    scenes = join_units(len(one_each), copies[pairs.scenes].tolist())
    members: dict[int, list[str]] = {}
    paths = stored.paths
    for unit, scene in enumerate(scenes.tolist()):
        members.setdefault(scene, []).append(paths[first[one_each[unit]]])
    several = [tuple(some) for some in members.values() if len(some) > 1]
    return tuple(sorted(several, key=lambda some: (-len(some), some)))
