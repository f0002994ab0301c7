"""What is in a folder of pictures, what is broken, what is twice: every picture is decoded once, nothing is changed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fovea.errors import InputError, PictureError
from fovea.features import Known, Look, Store, available_cores, open_store
from fovea.manifest import Manifest, Row, read_source, require_trainable, unreadable_classes, words_of
from fovea.pages import CheckPage, ClassCount, Thumb, render_check, render_check_fragment
from fovea.pictures import content_sha256, decode, thumbnail_jpeg
from fovea.progress import Progress, silent
from fovea.tasks.copies import look_at, stored_looks
from fovea.tasks.gather import add_hashes
from fovea.tasks.options import configure
from fovea.tasks.written import require_free, write_whole
from fovea.wording import count

N_SAMPLES = 6
N_SHOWN = 24
GROUP = 64


@dataclass(frozen=True, slots=True)
class Config:
    """What to check, and whether to write a page; `fovea check` has an option for each."""

    photos: Path
    html: Path | None = None
    private: bool = False
    label_by: str | None = None
    strict: bool = False
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What was found. Paths are relative to the folder (or table) that was checked.

    `classes`: usable pictures in each, 0 where none can be used; `duplicates`: groups of paths with the same bytes or
    pixels, those with different labels or splits first; `conversions`: how many pictures need which.
    """

    n_pictures: int
    quarantined: tuple[tuple[str, str], ...]
    classes: Mapping[str, int]
    splits: Mapping[str, int]
    duplicates: tuple[tuple[str, ...], ...]
    formats: Mapping[str, int]
    conversions: Mapping[str, int]
    notes: tuple[str, ...]
    page: CheckPage = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        words = {name: words_of(name) for name in self.classes if words_of(name)}
        return {
            **({"class_words": words} if words else {}),
            "n_pictures": self.n_pictures,
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "classes": dict(self.classes),
            "splits": dict(self.splits),
            "duplicates": [list(group) for group in self.duplicates],
            "formats": dict(self.formats),
            "conversions": dict(self.conversions),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        return render_check_fragment(self.page)


def check(photos: str | Path, *, progress: Progress = silent, **settings: Any) -> Result:
    """Look at every picture of a folder or table; see `Config` for the settings.

    Raises:
        InputError: nothing is there, or a table that cannot be used.
        OutputError: the page cannot be written, or something is there already.
    """
    if settings.get("html") is not None:
        settings["html"] = Path(settings["html"])
    return run(configure(Config, {"photos": Path(photos), **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Check as `config` says; see `check`."""
    require_free(config.html, option="--html")
    manifest = _read(config)
    with open_store() as store:
        manifest = add_hashes(manifest, store, threads=config.threads, progress=progress)
        seen = _look_at_all(manifest, store, threads=config.threads or available_cores(), progress=progress)
        notes = (*manifest.notes, *store.notes)
    rows = [_filled(row, seen) for row in manifest.rows]
    manifest = manifest.with_rows(rows)
    duplicates = _duplicates(rows, seen)
    facts = [seen[row.sha256].known.facts for row in rows if not row.problem]
    result = Result(
        n_pictures=sum(not row.problem for row in rows),
        quarantined=tuple((row.path, row.problem) for row in rows if row.problem),
        classes=_class_counts(rows),
        splits=dict(Counter(row.split for row in rows if row.split and not row.problem)),
        duplicates=tuple(tuple(row.path for row in group) for group in duplicates),
        formats=dict(Counter(one.format for one in facts if one).most_common()),
        conversions=dict(Counter(name for one in facts if one for name in one.conversions).most_common()),
        notes=(*notes, *_doubts(duplicates), *_hindrances(manifest)),
        page=CheckPage(title="", n_pictures=0, n_quarantined=0),
    )
    result = replace(result, page=_page(config, manifest, result, progress=progress))
    if config.html is not None:
        content = render_check(result.page).encode(errors="surrogateescape")
        write_whole(config.html, content, option="--html")
    return result


def _read(config: Config) -> Manifest:
    """Read labelled pictures, or any pictures where there are no classes."""
    try:
        return read_source(config.photos, label_by=config.label_by, strict=config.strict)
    except InputError as error:
        if not config.photos.is_dir():
            raise
        manifest = read_source(config.photos, labelled=False)
        return manifest.with_rows(manifest.rows, notes=[f"It cannot be trained on as it is. {error}"])


@dataclass(frozen=True, slots=True)
class _Seen:
    known: Known
    look: Look | None
    is_lasting: bool = True  # whether the same content will be seen so again


def _look_at_all(manifest: Manifest, store: Store, *, threads: int, progress: Progress) -> dict[str, _Seen]:
    """Decode every different content once, but what the store remembers: sha256 -> what was seen."""
    rows = {row.sha256: row for row in manifest.rows if row.sha256 and not row.problem}
    known, looks = store.known(list(rows)), stored_looks(store, list(rows))
    seen = {
        sha256: _Seen(one, looks.get(sha256))
        for sha256, one in known.items()
        if one.problem or sha256 in looks
    }
    todo = [sha256 for sha256 in rows if sha256 not in seen]
    progress("check", len(seen), len(rows))
    try:
        with ThreadPoolExecutor(threads, thread_name_prefix="fovea-check") as pool:
            for start in range(0, len(todo), GROUP):
                group = todo[start : start + GROUP]
                found = {}
                for sha256, one in zip(
                    group, pool.map(lambda key: _see(manifest, rows[key]), group), strict=True
                ):
                    found[sha256] = one
                    progress("check", len(seen) + len(found), len(rows))
                _remember(store, found)
                seen |= found
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped: {len(seen):,} of {len(rows):,} pictures were looked at and are remembered. "
            "The same command continues from there."
        ) from None
    return seen


def _see(manifest: Manifest, row: Row) -> _Seen:
    try:
        content = manifest.read(row)
    except OSError as error:
        return _Seen(Known(None, f"cannot be read: {error.strerror or error}"), None, is_lasting=False)
    except PictureError as error:
        return _Seen(Known(None, str(error)), None, is_lasting=False)
    if content_sha256(content) != row.sha256:
        return _Seen(Known(None, "changed while it was being read"), None, is_lasting=False)
    try:
        picture = decode(content)
    except PictureError as error:
        return _Seen(Known(None, str(error)), None)
    return _Seen(Known(picture.facts, ""), look_at(picture.pixels))


def _remember(store: Store, found: Mapping[str, _Seen]) -> None:
    lasting = {sha256: one for sha256, one in found.items() if one.is_lasting}
    store.write_facts({sha256: one.known for sha256, one in lasting.items()})
    store.write_looks({sha256: one.look for sha256, one in lasting.items() if one.look})


def _filled(row: Row, seen: Mapping[str, _Seen]) -> Row:
    if row.problem:
        return row
    known = seen[row.sha256].known
    if known.facts is None:
        return replace(row, problem=known.problem)
    return replace(row, width=known.facts.width, height=known.facts.height)


def _class_counts(rows: Sequence[Row]) -> dict[str, int]:
    """Count the usable pictures of every class that is named, also of one without any."""
    counts: Counter[str] = Counter()
    for row in rows:
        if row.label is not None:
            counts[row.label] += not row.problem
    return dict(sorted(counts.items()))


def _hindrances(manifest: Manifest) -> list[str]:
    """Say why labelled pictures cannot be trained on, or which classes a training would leave out."""
    if all(row.label is None for row in manifest.rows):
        return []
    try:
        require_trainable(replace(manifest, notes=()))
    except InputError as error:
        return [f"It cannot be trained on as it is. {error}"]
    return list(unreadable_classes(manifest))


def _duplicates(rows: Sequence[Row], seen: Mapping[str, _Seen]) -> tuple[tuple[Row, ...], ...]:
    """Group readable rows that hold the same pixels (so also those with the same bytes), doubtful groups first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        look = None if row.problem else seen[row.sha256].look
        if look is not None:
            groups.setdefault(look.pixel_hash, []).append(row)
    several = [group for group in groups.values() if len(group) > 1]
    several.sort(
        key=lambda group: (len({row.label for row in group}) == 1, len({row.split for row in group}) == 1)
    )
    return tuple(tuple(group) for group in several)


def _doubts(duplicates: Sequence[Sequence[Row]]) -> list[str]:
    """Say how many groups of equal pictures contradict each other, or stand on both sides of a split."""
    n_labels = sum(len({row.label for row in group}) > 1 for group in duplicates)
    n_splits = sum(len({row.split for row in group}) > 1 for group in duplicates)
    notes = []
    if n_labels:
        notes.append(
            f"{count(n_labels, 'set')} of pictures that are the same with different labels: one is wrong."
        )
    if n_splits:
        notes.append(
            f"{count(n_splits, 'set')} of pictures that are the same in more than one split: a leak."
        )
    return notes


def _page(config: Config, manifest: Manifest, result: Result, *, progress: Progress) -> CheckPage:
    with_pictures = config.html is not None and not config.private
    rows = [row for row in manifest.rows if not row.problem]
    by_path = {row.path: row for row in rows}

    def thumb(row: Row) -> Thumb:
        return Thumb(
            path=row.path,
            label=row.label,
            split=row.split,
            jpeg=_jpeg(manifest, row) if with_pictures else None,
        )

    classes: list[ClassCount] = []
    for name, n in result.classes.items():
        progress("page", len(classes), len(result.classes))
        inside = [row for row in rows if row.label == name]
        step = max(1, len(inside) // N_SAMPLES)
        splits = Counter(row.split for row in inside if row.split)
        classes.append(
            ClassCount(
                name, n, tuple(splits.items()), tuple(thumb(row) for row in inside[::step][:N_SAMPLES])
            )
        )
    progress("page", len(classes), len(classes))
    loose = [] if classes else rows[:: max(1, len(rows) // N_SHOWN)][:N_SHOWN]
    return CheckPage(
        title=config.photos.name or str(config.photos),
        n_pictures=result.n_pictures,
        n_quarantined=len(result.quarantined),
        classes=tuple(classes),
        source=str(config.photos),
        notes=result.notes,
        samples=tuple(thumb(row) for row in loose),
        quarantined=result.quarantined,
        duplicates=tuple(
            tuple(thumb(by_path[path]) for path in group) for group in result.duplicates[: N_SHOWN // 2]
        ),
        n_duplicates=len(result.duplicates),
        conversions=tuple(result.conversions.items()),
        formats=tuple(result.formats.items()),
        private=config.private,
    )


def _jpeg(manifest: Manifest, row: Row) -> bytes | None:
    try:
        return thumbnail_jpeg(manifest.read(row))
    except (OSError, PictureError):
        return None
