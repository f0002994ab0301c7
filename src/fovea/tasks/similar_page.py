"""The page of `fovea similar --html`: a contact sheet, each query large with what was found beside it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fovea.errors import PictureError
from fovea.features import available_cores
from fovea.manifest import Manifest, Row
from fovea.pages import Found, SimilarPage, Thumb, render_similar
from fovea.pictures import thumbnail_jpeg
from fovea.progress import Progress
from fovea.tasks.written import write_whole

if TYPE_CHECKING:
    from fovea.tasks.similar import Answer, Config, Match, Result
    from fovea.tasks.similar_queries import Query

N_SHOWN = 600
"""Pictures on a page: with 160 px thumbnails it stays near 6 MB."""
QUERY_PX, MATCH_PX = 320, 160


def write_page(
    config: "Config",
    result: "Result",
    *,
    queries: "Sequence[Query]",
    manifest: Manifest,
    progress: Progress,
) -> None:
    """Write the page of a finished search to `config.html`, whole or not at all. Raises OutputError."""
    target = Path(str(config.html))
    n_shown = max(1, N_SHOWN // (config.k + 1))
    page = SimilarPage(
        title=target.stem,
        n_pictures=result.index.n_pictures,
        n_answers=len(result.answers),
        compares=result.index.compares,
        answers=tuple(
            _found(
                result.answers[:n_shown],
                queries,
                manifest=manifest,
                private=config.private,
                progress=progress,
            )
        ),
        quarantined=result.index.quarantined,
        source=result.index.catalogue,
        notes=result.notes,
        private=config.private,
    )
    write_whole(target, render_similar(page).encode(errors="surrogateescape"), option="--html")


def _found(
    answers: "Sequence[Answer]",
    queries: "Sequence[Query]",
    *,
    manifest: Manifest,
    private: bool,
    progress: Progress,
) -> list[Found]:
    def draw(read: Callable[[], bytes], *, side_px: int = MATCH_PX) -> bytes | None:
        with suppress(OSError, PictureError):
            return None if private else thumbnail_jpeg(read(), side_px=side_px)
        return None

    def draw_match(match: "Match") -> Thumb:
        return Thumb(match.path, label=match.label, jpeg=draw(lambda: manifest.read(Row(match.path, None))))

    made = []
    with ThreadPoolExecutor(available_cores(), thread_name_prefix="fovea-thumbnail") as pool:
        for number, (answer, query) in enumerate(zip(answers, queries, strict=False)):
            progress("page", number, len(answers))
            scores = [f"{one.similarity:.3f}" for one in answer.matches]
            asked = [
                Thumb(name, jpeg=draw(read, side_px=QUERY_PX))
                for name, read in zip(query.names, query.pictures, strict=True)
            ]
            thumbs = pool.map(draw_match, answer.matches)
            made.append(Found(answer.query, tuple(asked), tuple(zip(scores, thumbs, strict=True))))
    progress("page", len(answers), len(answers))
    return made
