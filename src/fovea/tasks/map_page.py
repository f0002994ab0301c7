"""The page of `fovea map`: what colours it, its numbers, and the small pictures on it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.errors import FoveaError, InputError, PictureError
from fovea.features import available_cores, nearest
from fovea.learn.groups import group
from fovea.pages.map import UNITS, Colouring, MapPage, Together, render_map
from fovea.pictures import decode_to
from fovea.pictures.sheets import SHEET_PX, draw_sheets, tile_side
from fovea.progress import Progress
from fovea.tasks.stored import Stored
from fovea.tasks.written import write_whole
from fovea.wording import count

if TYPE_CHECKING:
    from fovea.model import Classifier
    from fovea.tasks.map import Config

GROUP = 64
N_NEAR = 10
MAX_ASKED = 1000  # of a class
LEAST_LABELLED = 20
N_FOLDS = 5
DOUBTS = ("under 5 %", "5 to 25 %", "25 to 50 %", "50 % or more")
LIMITS = (0.05, 0.25, 0.5)


def write_page(
    config: "Config",
    stored: Stored,
    *,
    rows: NDArray[np.float32],
    places: NDArray[np.float32],
    kept: float,
    model: "Classifier | None",
    units: NDArray[np.int64] | None,
    notes: tuple[str, ...],
    progress: Progress,
) -> tuple[MapPage, int]:
    """Write the page of pictures laid out at `places` (m, 2); return its values and its size in bytes. Raises OutputError.

    `units` (m,), where labels are suspected: pictures of one number say nothing of each other.
    """
    threads = config.network.threads or available_cores()
    colourings = _colourings(config, stored, rows=rows, model=model, units=units)
    side = tile_side(len(places))
    x, y = _units(places)
    page = MapPage(
        title=config.photos.name or str(config.photos.absolute().name),
        method=config.method,
        x=x,
        y=y,
        paths=stored.paths,
        kept=kept,
        n_near=N_NEAR,
        colourings=colourings,
        together=_together(places, colourings[0], threads=threads),
        sheets=() if config.private else _sheets(stored, side_px=side, threads=threads, progress=progress),
        tile_px=side,
        sheet_px=SHEET_PX,
        quarantined=tuple((row.path, row.problem) for row in stored.manifest.rows if row.problem),
        source=str(config.photos),
        notes=(*notes, *stored.notes),
        private=config.private,
    )
    content = render_map(page).encode(errors="surrogateescape")
    write_whole(config.html, content, option="--html")
    return page, len(content)


def require_labels(labels: Sequence[str | None], *, photos: Path) -> None:
    """Raise InputError where there are too few labels to suspect any."""
    given = [label for label in labels if label is not None]
    if len(given) < LEAST_LABELLED or len(set(given)) < 2:
        raise InputError(
            f"--suspicion judges labels by the other pictures', and {str(photos)!r} has {count(len(given), 'labelled picture')} "
            f"in {count(len(set(given)), 'class', 'classes')}; it takes {LEAST_LABELLED} in 2. Leave it out, or name more "
            "labelled pictures."
        )


def _units(places: NDArray[np.float32]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return places as whole numbers from 0 to UNITS across the longer side; up becomes a screen's down."""
    away = places.astype(np.float64) - places.min(axis=0)
    whole = np.rint(away * (UNITS / max(float(away.max()), 1e-12))).astype(np.int64)
    return tuple(whole[:, 0].tolist()), tuple((whole[:, 1].max() - whole[:, 1]).tolist())


def _colourings(
    config: "Config",
    stored: Stored,
    *,
    rows: NDArray[np.float32],
    model: "Classifier | None",
    units: NDArray[np.int64] | None,
) -> tuple[Colouring, ...]:
    made = []
    names = tuple(sorted({label for label in stored.labels if label is not None}))
    given = np.array([-1 if label is None else names.index(label) for label in stored.labels], np.int64)
    if names:
        made.append(Colouring("Label", names, tuple(given.tolist())))
    if units is not None:
        made.append(_suspicion(config, stored, given=given, names=names, units=units))
    if model is not None:
        made.append(_predicted(stored, model))
    found = group(rows, seed=config.seed, threads=config.network.threads)
    numbers = tuple(f"group {k + 1}" for k in range(int(found.max()) + 1))
    made.append(
        Colouring(
            "Group", numbers, tuple(found.tolist()), meaning="As fovea cluster groups them, without labels."
        )
    )
    return tuple(made)


def _predicted(stored: Stored, model: "Classifier") -> Colouring:
    answers = model.decide(stored.features, stored.paths)
    of = [model.class_names.index(one.class_name) for one in answers]
    return Colouring(
        "Prediction",
        model.class_names,
        tuple(of),
        tuple(round(float(one.probability or 0.0), 4) for one in answers),
        meaning=f"Answers of {Path(model.folder).name}.",
    )


def _suspicion(
    config: "Config",
    stored: Stored,
    *,
    given: NDArray[np.int64],
    names: tuple[str, ...],
    units: NDArray[np.int64],
) -> Colouring:
    """Return how probable each given label is by probes that learned from other pictures only."""
    from fovea.judge import fit_temperature, softmax
    from fovea.judge.labels import label_quality
    from fovea.learn import fit_probe
    from fovea.manifest import fold_numbers

    require_labels(stored.labels, photos=config.photos)
    has = np.flatnonzero(given >= 0)
    labels = given[has]
    folds = fold_numbers(labels, units=units[has], n_folds=N_FOLDS, seed=config.seed)
    fit = fit_probe(
        stored.features[has],
        labels,
        folds=folds,
        class_names=names,
        stages=stored.stages,
        seed=config.seed,
        threads=config.network.threads,
    )
    quality = label_quality(labels, softmax(fit.oof_logits, fit_temperature(fit.oof_logits, labels)))
    of, values = np.full(len(given), -1), np.full(len(given), -1.0)
    of[has], values[has] = np.digitize(quality, LIMITS), quality.round(4)
    return Colouring(
        "Suspicion",
        DOUBTS,
        tuple(of.tolist()),
        tuple(values.tolist()),
        told="Probability of its label",
        is_scale=True,
        meaning="How probable the given label is, by probes that had not seen the picture: low is likely wrong.",
    )


def _together(places: NDArray[np.float32], colouring: Colouring, *, threads: int) -> tuple[Together, ...]:
    """Return for each class how many of the nearest on the map are of it, and of which class most others are.

    Of a large class every so many-th picture is asked.
    """
    of = np.array(colouring.of)
    members = {c: np.flatnonzero(of == c) for c in range(len(colouring.names))}
    some = np.concatenate([inside[:: -(-len(inside) // MAX_ASKED) or 1] for inside in members.values()])
    near = nearest(places[some], places, k=N_NEAR + 1, metric="euclidean", threads=threads)[0]
    around = np.array([of[line[line != own][:N_NEAR]] for own, line in zip(some, near, strict=True)])
    made = []
    for c, inside in members.items():
        found = around[of[some] == c]
        if found.size:
            others = Counter(found[(found != c) & (found >= 0)].tolist()).most_common(1)
            next_to = colouring.names[others[0][0]] if others else ""
            made.append(Together(colouring.names[c], len(inside), float((found == c).mean()), next_to))
    return tuple(made)


def _sheets(stored: Stored, *, side_px: int, threads: int, progress: Progress) -> tuple[bytes, ...]:
    n = len(stored.rows)

    def tiles() -> Iterator[NDArray[np.uint8] | None]:
        progress("page", 0, n)
        with ThreadPoolExecutor(threads, thread_name_prefix="fovea-tile") as pool:
            for first in range(0, n, GROUP):  # not all at once: what is decoded waits for its sheet
                some: Sequence[int] = range(first, min(first + GROUP, n))
                yield from pool.map(lambda at: _tile(stored, at, side_px=side_px), some)
                progress("page", some[-1] + 1, n)

    return draw_sheets(tiles(), side_px=side_px)


def _tile(stored: Stored, at: int, *, side_px: int) -> NDArray[np.uint8] | None:
    try:
        return decode_to(stored.read(at), height_px=side_px, width_px=side_px).pixels
    except (OSError, PictureError, FoveaError):  # gone or changed since its features were taken
        return None
