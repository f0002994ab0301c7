"""The page of `fovea cluster`: the typical pictures of each group, and what saves the groups' names as labels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from fovea.errors import FoveaError, PictureError
from fovea.features import available_cores
from fovea.pages import Thumb
from fovea.pages.cluster import ClusterPage, ShownGroup, render_cluster
from fovea.pictures import thumbnail_jpeg
from fovea.progress import Progress
from fovea.tasks.lists import is_utf8
from fovea.tasks.stored import Stored

if TYPE_CHECKING:
    from fovea.tasks.cluster import Config, Result

N_TYPICAL, N_EDGE = 14, 4
MAX_SHOWN = 900
"""Pictures on a page: with 160 px thumbnails it stays near 8 MB. Of very many groups fewer are shown of each."""


def cluster_page(
    config: "Config",
    result: "Result",
    *,
    stored: Stored,
    members: Sequence[Sequence[int]],
    progress: Progress,
) -> bytes:
    """Return the page; `members` are each group's places in `stored`, the most typical first."""
    share = min(1.0, MAX_SHOWN / (len(members) * (N_TYPICAL + N_EDGE)))
    shown = [
        _shown(some, stored, n_typical=max(1, int(share * N_TYPICAL)), n_edge=int(share * N_EDGE))
        for some in members
    ]
    jpegs = (
        {}
        if config.private
        else _jpegs(
            stored,
            sorted({at for pair in shown for at in (*pair[0], *pair[1])}),
            threads=config.network.threads or available_cores(),
            progress=progress,
        )
    )

    def thumbs(some: Sequence[int]) -> tuple[Thumb, ...]:
        return tuple(Thumb(path=stored.paths[at], jpeg=jpegs.get(at)) for at in some)

    title = config.photos.name or config.photos.absolute().name
    page = ClusterPage(
        title=title,
        n_pictures=result.n_pictures,
        groups=tuple(
            ShownGroup(
                n=len(group.paths),
                typical=thumbs(typical),
                edge=thumbs(edge),
                paths=tuple(path for path in group.paths if is_utf8(path)),
            )
            for group, (typical, edge) in zip(result.groups, shown, strict=True)
        ),
        file=f"{title}-labels.csv",
        root=str(stored.manifest.root.absolute()).rstrip("/") + "/",
        is_given=config.groups is not None,
        quarantined=result.quarantined,
        source=str(config.photos),
        notes=result.notes,
        private=config.private,
    )
    return render_cluster(page).encode(errors="surrogateescape")


def _shown(
    some: Sequence[int], stored: Stored, *, n_typical: int, n_edge: int
) -> tuple[list[int], list[int]]:
    """Return the most typical of a group and the least typical, each content once."""
    different = list({int(stored.content[at]): at for at in reversed(some)}.values())[::-1]
    typical = different[:n_typical]
    return typical, different[max(len(typical), len(different) - n_edge) :]


def _jpegs(
    stored: Stored, wanted: Sequence[int], *, threads: int, progress: Progress
) -> dict[int, bytes | None]:
    made: dict[int, bytes | None] = {}
    progress("page", 0, len(wanted))
    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-thumbnail") as pool:
        for at, jpeg in zip(wanted, pool.map(lambda at: _jpeg(stored, at), wanted), strict=True):
            made[at] = jpeg
            progress("page", len(made), len(wanted))
    return made


def _jpeg(stored: Stored, at: int) -> bytes | None:
    try:
        return thumbnail_jpeg(stored.read(at))
    except (OSError, PictureError, FoveaError):  # gone or changed since its features were taken
        return None
