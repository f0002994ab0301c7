"""The page of `fovea predict --html`: what the answers were, each picture with the likeliest classes under it."""

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from fovea.errors import FoveaError, PictureError
from fovea.features import available_cores
from fovea.model.sources import Input
from fovea.pages import Answered, PredictPage, Thumb, render_predict
from fovea.pictures import thumbnail_jpeg
from fovea.progress import Progress
from fovea.tasks.predict_write import RowForm
from fovea.tasks.written import write_whole

if TYPE_CHECKING:
    from fovea.model import AnyPrediction, Estimator
    from fovea.tasks.imagenet import Answering
    from fovea.tasks.predict import Config, Result

N_SHOWN = 600
"""Pictures on a page: with 160 px thumbnails it stays near 6 MB."""
N_BARS = 5
GROUP = 32


def write_page(
    config: "Config",
    result: "Result",
    *,
    model: "Answering | Estimator",
    columns: RowForm,
    given: Sequence[Input],
    progress: Progress,
) -> None:
    """Write the page of a finished prediction to `config.html`, whole or not at all. Raises OutputError."""
    target = Path(str(config.html))
    answers = result.predictions[:N_SHOWN] if result.csv is None else _read_back(Path(result.csv), columns)
    shown = [pair for pair in zip(given, answers, strict=False) if not pair[1].problem]
    folder = str(config.inputs[0]) if len(config.inputs) == 1 and Path(config.inputs[0]).is_dir() else ""
    page = PredictPage(
        title=target.stem,
        model=model.encoder.name if not Path(config.model).is_dir() else str(Path(config.model).name),
        n_pictures=result.n_pictures,
        n_unsure=result.n_unsure,
        n_unlike=result.n_unlike,
        n_problems=result.n_problems,
        sure=config.sure,
        classes=tuple(
            sorted(((name, n) for name, n in result.classes.items() if n), key=lambda one: -one[1])
        ),
        answers=_answered(
            shown, folder=folder, threads=config.threads or available_cores(), progress=progress
        ),
        n_answers=result.n_pictures - result.n_problems,
        quarantined=tuple((_below(one.path, folder), one.problem) for one in answers if one.problem),
        source=", ".join(str(one) for one in config.inputs[:3]) + (", …" if len(config.inputs) > 3 else ""),
        notes=result.notes,
    )
    write_whole(target, render_predict(page).encode(errors="surrogateescape"), option="--html")


def _answered(
    shown: "Sequence[tuple[Input, AnyPrediction]]", *, folder: str, threads: int, progress: Progress
) -> tuple[Answered, ...]:
    made: list[Answered] = []
    progress("page", 0, len(shown))
    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-thumbnail") as pool:
        for first in range(0, len(shown), GROUP):
            some = shown[first : first + GROUP]
            thumbs = pool.map(_thumbnail, [given for given, _ in some])
            made += [
                _one(one, jpeg, path=_below(one.path, folder))
                for (_, one), jpeg in zip(some, thumbs, strict=True)
            ]
            progress("page", len(made), len(shown))
    return tuple(made)


def _below(path: str, folder: str) -> str:
    """Return a path as it stands below the one folder that was given, or whole."""
    return path.removeprefix(folder.rstrip("/") + "/") if folder else path


def _one(prediction: "AnyPrediction", jpeg: bytes | None, *, path: str) -> Answered:
    answer, probability = prediction.answer
    bars = tuple((name, round(p, 6)) for name, p in prediction.likeliest(N_BARS))  # as a CSV has them
    return Answered(
        thumb=Thumb(
            path=path,
            answer=answer,
            probability=None if probability is None else round(probability, 6),
            jpeg=jpeg,
        ),
        bars=bars,
        remark=prediction.remark,
    )


def _thumbnail(given: Input) -> bytes | None:
    from fovea.manifest import PackedPicture

    with suppress(OSError, PictureError, FoveaError):
        source = given.source
        if isinstance(source, PackedPicture):
            return thumbnail_jpeg(source.read())
        if isinstance(source, str | Path):
            return thumbnail_jpeg(Path(source).read_bytes())
    return None


def _read_back(path: Path, columns: RowForm) -> "list[AnyPrediction]":
    """Return the first answers of a CSV that this command wrote: they were not kept."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = islice(csv.reader(file), 1, 1 + N_SHOWN)
        return [columns.prediction(row) for row in rows]
