"""`predict`: pictures in; classes, calibrated probabilities, "unsure" and "unlike anything seen" out.

A list of answers, or a CSV that is written in steps of bounded memory and continued after a kill.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fovea.errors import InputError, MissingInputError
from fovea.progress import Progress, silent
from fovea.tasks.predict_write import open_part, part_path, refuse_existing, shown_text, state_path

if TYPE_CHECKING:
    from fovea.features import Store
    from fovea.model import Classifier, Predictions
    from fovea.model.prediction import JSON
    from fovea.model.sources import Input


@dataclass(frozen=True, slots=True)
class Config:
    """What to predict: `inputs` are files and folders (recursively); with `csv` the answers go there.

    `compute` is "auto" (as the model was saved, where the processor has it), "bf16" or "f32".
    """

    model: str | Path
    inputs: Sequence[str | Path]
    csv: str | Path | None = None
    compute: str = "auto"
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The answers, one for every input in order (none here when they went to `csv`), and their counts."""

    predictions: "Predictions"
    n_pictures: int
    n_problems: int
    n_unsure: int
    n_unlike: int
    classes: dict[str, int]
    csv: str | None = None
    n_resumed: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> "JSON":
        """Return what `fovea predict --json` prints: the rows, or, where these went into a CSV, their counts."""
        if self.csv is None:
            return self.predictions.to_json()
        return {
            "csv": self.csv,
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
        MissingInputError, InputError: none of the inputs is there, or holds a picture.
        OutputError: the CSV cannot be written, is there already, or belongs to something else.
    """
    from fovea.features import open_store
    from fovea.model import load_model

    target = None if config.csv is None else Path(config.csv)
    if target is not None:
        refuse_existing(target)
    given = _inputs(config, target=target)
    precision = None if config.compute == "auto" else config.compute
    model = load_model(config.model, precision=precision, threads=config.threads)
    with open_store() as store:
        if target is None:
            result = _collect(model, given, store=store, progress=progress)
        else:
            result = _write_csv(model, given, target=target, store=store, progress=progress)
        return replace(result, notes=tuple(store.notes))


def _inputs(config: Config, *, target: Path | None) -> "list[Input]":
    """Return every picture; the files of the CSV itself are none."""
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
    given = [one for one in expand(places) if Path(str(one.source)).absolute() not in own]
    if not given:
        raise InputError(f"{str(places[0])!r} holds no files. Name pictures, or folders that hold pictures.")
    return given


def _collect(model: "Classifier", given: "list[Input]", *, store: "Store", progress: Progress) -> Result:
    from fovea.model import Predictions

    chunks = model.predict_chunks(given, store=store, progress=progress)
    predictions = Predictions(one for chunk in chunks for one in chunk)
    counts = _count((one.class_name or "", one.unsure, one.unlike, one.problem) for one in predictions)
    return _result(predictions, counts, class_names=model.class_names)


def _write_csv(
    model: "Classifier", given: "list[Input]", *, target: Path, store: "Store", progress: Progress
) -> Result:
    from fovea.model import Predictions
    from fovea.model.classifier import CHUNK

    names = [one.name for one in given]
    which = {"model": model.fingerprint, "encoder": model.encoder.fingerprint}
    with open_part(target, class_names=model.class_names, names=names, model=which, chunk=CHUNK) as part:
        shown = {shown_text(name): name for name in model.class_names}
        counts = _count(
            (shown.get(row[1], ""), row[3] == "true", row[4] == "true", row[5]) for row in part.done
        )
        for chunk in model.predict_chunks(given, start=len(part.done), store=store, progress=progress):
            part.append(chunk)
            counts.update(
                _count((one.class_name or "", one.unsure, one.unlike, one.problem) for one in chunk)
            )
        part.finish()
    result = _result(Predictions(), counts, class_names=model.class_names)
    return replace(result, csv=str(target), n_resumed=len(part.done))


def _count(answers: Iterable[tuple[str, bool, bool, str]]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for class_name, unsure, unlike, problem in answers:
        counts["all", ""] += 1
        counts["class", class_name] += not problem
        counts["unsure", ""] += unsure
        counts["unlike", ""] += unlike
        counts["problem", ""] += bool(problem)
    return counts


def _result(
    predictions: "Predictions", counts: Counter[tuple[str, str]], *, class_names: Sequence[str]
) -> Result:
    return Result(
        predictions=predictions,
        n_pictures=counts["all", ""],
        n_problems=counts["problem", ""],
        n_unsure=counts["unsure", ""],
        n_unlike=counts["unlike", ""],
        classes={name: counts["class", name] for name in class_names},
    )
