"""What `fovea duplicates` writes: the list of what could be removed, and the page of groups to look at."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from fovea.errors import FoveaError
from fovea.features import available_cores
from fovea.manifest import Row
from fovea.pages import Thumb
from fovea.pages.duplicates import CopyGroup, DuplicatesPage, ShownCopy, render_duplicates
from fovea.pictures import thumbnail_jpeg
from fovea.progress import Progress
from fovea.tasks.lists import list_bytes
from fovea.tasks.stored import Stored

if TYPE_CHECKING:
    from fovea.tasks.duplicates import Config, Member, Result

MAX_GROUPS, MAX_SCENES = 120, 60
"""On a page: with 160 px thumbnails, three or four a group, it stays near 6 MB."""
MAX_MEMBERS = 8
COLUMNS = ("path", "copy_of", "kind", "difference", "label", "label_of_copy_of")


def removal_csv(groups: "Iterable[Sequence[Member]]") -> bytes:
    """Return the list of pictures that are copies of one that stays."""
    rows: list[tuple[str, ...]] = []
    for group in groups:
        labels = {one.path: one.label or "" for one in group}
        rows += [
            (one.path, one.copy_of, one.kind, f"{one.difference:.4f}", one.label or "", labels[one.copy_of])
            for one in group
            if one.copy_of
        ]
    return list_bytes(COLUMNS, rows)


def duplicates_page(config: "Config", result: "Result", *, stored: Stored, progress: Progress) -> bytes:
    """Return the page of a search for duplicates."""
    at = {path: k for k, path in enumerate(stored.paths)}

    def row_of(path: str) -> Row:
        return stored.manifest.rows[int(stored.rows[at[path]])]

    sides = [
        [(row.label, row.split) for row in (row_of(one.path) for one in group)]
        for group in result.groups[:MAX_GROUPS]
    ]
    groups = [
        [group[k] for k in shown_first(side)] for group, side in zip(result.groups, sides, strict=False)
    ]
    scenes = [paths[:MAX_MEMBERS] for paths in result.scenes[:MAX_SCENES]]
    wanted = {one.path for group in groups for one in group} | {path for paths in scenes for path in paths}
    wanted |= {path for pair in result.doubtful for path in pair[:2]}
    threads = config.network.threads or available_cores()
    jpegs = (
        {}
        if config.private
        else _jpegs(stored, {path: at[path] for path in sorted(wanted)}, threads=threads, progress=progress)
    )

    def thumb(path: str) -> Thumb:
        row = row_of(path)
        return Thumb(path=path, label=row.label, split=row.split, jpeg=jpegs.get(path))

    page = DuplicatesPage(
        title=config.photos.name or config.photos.absolute().name,
        n_pictures=result.n_pictures,
        n_groups=len(result.groups),
        n_removable=tuple((kind, result.count(kind)) for kind in ("same bytes", "same pixels", "near")),
        n_scenes=len(result.scenes),
        groups=tuple(
            CopyGroup(
                tuple(_shown(one, thumb(one.path)) for one in shown),
                n=len(side),
                n_labels=len({label for label, _ in side} - {None}),
                n_splits=len({split for _, split in side} - {""}),
            )
            for shown, side in zip(groups, sides, strict=True)
        ),
        scenes=tuple(
            (tuple(map(thumb, shown)), len(paths))
            for shown, paths in zip(scenes, result.scenes, strict=False)
        ),
        doubtful=tuple((thumb(a), thumb(b), difference) for a, b, difference in result.doubtful),
        recalls=tuple(result.recalls.items()),
        n_planted=result.n_planted,
        n_strangers=result.n_strangers,
        csv=result.csv or "",
        quarantined=result.quarantined,
        source=str(config.photos),
        notes=result.notes,
        private=config.private,
    )
    return render_duplicates(page).encode(errors="surrogateescape")


def shown_first(sides: Sequence[tuple[str | None, str]]) -> list[int]:
    """Return which members of a group a page shows, by the label and split of each: the first, then one of each other kind."""
    firsts = {side: k for k, side in reversed(list(enumerate(sides)))}
    order = sorted(range(len(sides)), key=lambda k: (firsts[sides[k]] != k, k))
    return sorted(order[:MAX_MEMBERS])


def _shown(one: "Member", thumb: Thumb) -> ShownCopy:
    return ShownCopy(
        thumb,
        size=f"{one.width:,} x {one.height:,}",
        n_bytes=one.n_bytes,
        kind=one.kind,
        is_mirrored=one.is_mirrored,
        difference=one.difference,
    )


def _jpegs(
    stored: Stored, wanted: dict[str, int], *, threads: int, progress: Progress
) -> dict[str, bytes | None]:
    made: dict[str, bytes | None] = {}
    progress("page", 0, len(wanted))
    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-thumbnail") as pool:
        for path, jpeg in zip(wanted, pool.map(lambda at: _jpeg(stored, at), wanted.values()), strict=True):
            made[path] = jpeg
            progress("page", len(made), len(wanted))
    return made


def _jpeg(stored: Stored, at: int) -> bytes | None:
    try:
        return thumbnail_jpeg(stored.read(at))
    except (OSError, FoveaError):  # gone or changed since its features were taken
        return None
