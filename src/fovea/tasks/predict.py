"""`predict`: pictures in; classes, calibrated probabilities, "unsure" and "unlike anything seen" out.

A list of answers, or a CSV that is written in steps of bounded memory and continued after a kill; a page of them with
`html`. The model is a run, or a network by name with the classes that it was trained on.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import InputError, MissingInputError
from fovea.progress import Progress, silent
from fovea.tasks.imagenet import make_refine, open_answering
from fovea.tasks.options import check_share
from fovea.tasks.predict_write import Columns, RowForm, open_part, part_path, refuse_existing, state_path
from fovea.tasks.written import require_free

if TYPE_CHECKING:
    from fovea.features import Store
    from fovea.model import AnyPrediction, Estimator, Predictions
    from fovea.model.prediction import JSON
    from fovea.model.sources import Input
    from fovea.tasks.imagenet import Answering

OWN_TOP = 5
"""How many of a network's own classes are told where nothing else is asked: a thousand would bury the answer."""


@dataclass(frozen=True, slots=True)
class Config:
    """What to predict: `inputs` are files and folders (recursively); with `csv` the answers go there.

    `model` is a run's folder, the name of a network ("mobilenetv2", "timm:resnet18") or a file of its weights. `top`
    tells only the likeliest few classes; `sure` climbs WordNet's hierarchy to an answer as probable as that;
    `html` writes a page. `compute` is "auto" (as the model was saved, where the processor has it), "bf16" or "f32".
    """

    model: str | Path
    inputs: Sequence[str | Path]
    csv: str | Path | None = None
    html: str | Path | None = None
    top: int | None = None
    sure: float | None = None
    compute: str = "auto"
    threads: int | None = None
    offline: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """The answers, one for every input in order (none here when they went to `csv`), and their counts.

    `n_unsure` and `n_unlike` are None where that was judged of no picture.
    """

    predictions: "Predictions[AnyPrediction]"
    n_pictures: int
    n_problems: int
    n_unsure: int | None
    n_unlike: int | None
    classes: dict[str, int]
    csv: str | None = None
    html: str | None = None
    n_resumed: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> "JSON":
        """Return what `fovea predict --json` prints: the rows, or, where these went into a CSV, their counts."""
        if self.csv is None:
            return self.predictions.to_json()
        page: dict[str, JSON] = {} if self.html is None else {"html": self.html}
        return {
            "csv": self.csv,
            **page,
            "n_pictures": self.n_pictures,
            "n_problems": self.n_problems,
            "n_unsure": self.n_unsure,
            "n_unlike": self.n_unlike,
            "n_resumed": self.n_resumed,
            "classes": dict(self.classes),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        return (
            self.predictions._repr_html_()
            if self.csv is None
            else f"<p>{self.n_pictures:,} answers in a CSV</p>"
        )


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Predict every input.

    Raises:
        ModelError: the model folder is refused.
        InputError, BackboneError: no network is called so, or it tells no classes of its own.
        MissingInputError, InputError: none of the inputs is there, or holds a picture.
        OutputError: the CSV or the page cannot be written, is there already, or belongs to something else.
    """
    from fovea.features import open_store
    from fovea.model import OwnClasses

    target = None if config.csv is None else Path(config.csv)
    if target is not None:
        refuse_existing(target)
    check_share("--sure", config.sure, example=0.9)
    require_free(None if config.html is None else Path(config.html), option="--html")
    given = _inputs(config, target=target)
    model = open_answering(
        config.model, compute=config.compute, threads=config.threads, offline=config.offline
    )
    asking = _ask_of(model, config)
    with open_store() as store:
        if target is None:
            result = _collect(asking, given, store=store, progress=progress)
        else:
            result = _write_csv(asking, given, target=target, store=store, progress=progress)
        own = model.notes if isinstance(model, OwnClasses) else ()
        result = replace(result, notes=(*own, *store.notes))
    if config.html is not None:
        from fovea.tasks.predict_page import write_page

        result = replace(result, html=str(config.html))
        write_page(config, result, model=model, columns=asking.columns, given=given, progress=progress)
    return result


@dataclass(frozen=True, slots=True)
class _Asking:
    """A model, and how it is asked."""

    model: "Answering | Estimator"
    refine: "Callable[[Any], list[Any]]"
    top: int | None
    sure: float | None

    @property
    def columns(self) -> RowForm:
        """The columns of the CSV."""
        from fovea.manifest import words_of
        from fovea.model import Estimator
        from fovea.tasks.predict_columns import estimator_columns

        if isinstance(self.model, Estimator):
            return estimator_columns(self.model)
        names = self.model.class_names
        top = None if self.top is None else min(self.top, len(names))
        with_words = any(words_of(name) for name in names)
        return Columns(tuple(names), top, with_words=with_words, with_sure=self.sure is not None)

    @property
    def which(self) -> dict[str, str]:
        """What an unfinished CSV must belong to."""
        asked = {"top": self.top, "sure": self.sure}
        told = {name: str(value) for name, value in asked.items() if value is not None}
        return {"model": self.model.fingerprint, "encoder": self.model.encoder.fingerprint, **told}


def _ask_of(model: "Answering | Estimator", config: Config) -> _Asking:
    """Return how a model is asked. Raises InputError where it tells no classes and some were asked for."""
    from fovea.model import Estimator, OwnClasses

    if isinstance(model, Estimator):
        if config.top is not None or config.sure is not None:
            raise InputError(
                f"--top and --sure ask for classes, and the run in {str(config.model)!r} tells "
                f"{'numbers' if model.target.kind == 'regression' else 'labels'}: leave them out."
            )
        return _Asking(model, list, None, None)
    top = config.top or (OWN_TOP if isinstance(model, OwnClasses) else None)
    return _Asking(model, make_refine(model, top=top, sure=config.sure), top, config.sure)


def _inputs(config: Config, *, target: Path | None) -> "list[Input]":
    """Return every picture; the files of the CSV itself are none, nor are tables that lie in a folder of pictures."""
    from fovea.manifest.folders import TABLE_SUFFIXES
    from fovea.model.sources import expand

    places = [Path(source) for source in config.inputs]
    if not places:
        raise InputError(
            "Nothing was given to predict. Name pictures or folders: `fovea predict RUN a.jpg folder`."
        )
    if not any(place.exists() for place in places):
        more = f" (nor at the other {len(places) - 1:,})" if len(places) > 1 else ""
        raise MissingInputError(
            f"There is nothing at {str(places[0])!r}{more}. Check the path, and name pictures or folders."
        )
    own = (
        set()
        if target is None
        else {target.absolute(), part_path(target).absolute(), state_path(target).absolute()}
    )
    tables = tuple(set(TABLE_SUFFIXES) - {".parquet"})  # which may hold pictures
    given = [
        one
        for one in expand(places)
        if Path(str(one.source)).absolute() not in own
        and not (one.name.lower().endswith(tables) and one.source not in places)
    ]
    if not given:
        raise InputError(f"{str(places[0])!r} holds no files. Name pictures, or folders that hold pictures.")
    return given


def _collect(asking: _Asking, given: "list[Input]", *, store: "Store", progress: Progress) -> Result:
    from fovea.model import Predictions
    from fovea.model.chunks import predict_chunks

    chunks = predict_chunks(asking.model, given, store=store, progress=progress)
    predictions = Predictions(one for chunk in chunks for one in asking.refine(chunk))
    counts = _count(predictions)
    return _result(predictions, counts, asking=asking)


def _write_csv(
    asking: _Asking, given: "list[Input]", *, target: Path, store: "Store", progress: Progress
) -> Result:
    from fovea.model import Predictions, chunks

    names = [one.name for one in given]
    model = asking.model
    with open_part(
        target, columns=asking.columns, names=names, model=asking.which, chunk=chunks.CHUNK
    ) as part:
        counts = _count(part.answered())
        for chunk in chunks.predict_chunks(
            model, given, start=len(part.done), store=store, progress=progress
        ):
            answered = asking.refine(chunk)
            part.append(answered)
            counts.update(_count(answered))
        part.finish()
    result = _result(Predictions(), counts, asking=asking)
    return replace(result, csv=str(target), n_resumed=len(part.done))


def _count(predictions: "Iterable[AnyPrediction]") -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for one in predictions:
        counts["all", ""] += 1
        for name in one.answered:
            counts["class", name] += not one.problem
        counts["problem", ""] += bool(one.problem)
        if one.unsure is not None:
            counts["unsure", ""] += one.unsure
        if one.unlike is not None:
            counts["unlike", ""] += one.unlike
    return counts


def _result(
    predictions: "Predictions[AnyPrediction]", counts: Counter[tuple[str, str]], *, asking: _Asking
) -> Result:
    """Return the counts; of a network's own thousand classes, and of hedged answers, only those that were given."""
    from fovea.model import Estimator, OwnClasses

    answered = {name: n for (kind, name), n in counts.most_common() if kind == "class" and n}
    if not isinstance(asking.model, OwnClasses | Estimator) and asking.sure is None:
        answered = {name: counts["class", name] for name in asking.model.class_names}
    return Result(
        predictions=predictions,
        n_pictures=counts["all", ""],
        n_problems=counts["problem", ""],
        n_unsure=counts.get(("unsure", "")),
        n_unlike=counts.get(("unlike", "")),
        classes=answered,
    )
