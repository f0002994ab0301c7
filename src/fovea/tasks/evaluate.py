"""`evaluate`: a saved classifier's figures on new labelled pictures, and what these figures leave out.

Labels that the model does not know are named and counted, not scored; pictures that it was trained on are
named, and the figures given with and without them.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import FoveaError, InputError
from fovea.progress import Progress, silent
from fovea.tasks.options import SourceOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fovea.judge import Figures, Mistake
    from fovea.manifest import Manifest, Row
    from fovea.model import Classifier, Estimator
    from fovea.tasks.gather import Gathered


@dataclass(frozen=True, slots=True)
class Config:
    """Which model on which labelled pictures; `compute` is "auto" (as it was saved), "bf16" or "f32"."""

    run: Path
    photos: Path
    source: SourceOptions = field(default_factory=SourceOptions)
    compute: str = "auto"
    threads: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Result:
    """The figures, under the names of metrics.json and some of its own; see docs/json.md."""

    metrics: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return what `fovea evaluate --json` prints."""
        return self.metrics

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in self.table()
        )
        return f"<table>{rows}</table>" + "".join(f"<p>{escape(note)}</p>" for note in self.metrics["notes"])

    def table(self) -> list[tuple[str, str]]:
        """Return the figures a person reads first: name and value."""
        m = self.metrics
        if "target" in m:
            from fovea.tasks.evaluate_target import target_table

            return target_table(m)
        rows = [
            ("accuracy", _with_interval(m)),
            (f"always {m['baseline_class']!r}", f"{m['baseline_accuracy']:.4f}"),
            ("balanced accuracy", f"{m['balanced_accuracy']:.4f}"),
            ("macro F1", f"{m['macro_f1']:.4f}"),
            ("log loss", f"{m['log_loss']:.4f}"),
            ("calibration error", f"{m['ece']:.4f} (a perfectly calibrated model: {m['ece_floor']:.4f})"),
        ]
        if m["without_leaks"] is not None:
            rows.insert(1, ("accuracy without leaked ones", _with_interval(m["without_leaks"])))
        return rows


def evaluate(
    run_folder: str | Path, photos: str | Path, *, progress: Progress = silent, **settings: Any
) -> Result:
    """Measure a saved classifier on labelled pictures: a folder of class folders, or a table.

    `settings`: any field of `Config` or of its groups by name, such as `drop`, `merge`, `threads`.
    Raises as `run` does.
    """
    from fovea.tasks.options import configure

    return run(
        configure(Config, {"run": Path(run_folder), "photos": Path(photos), **settings}), progress=progress
    )


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Evaluate as `config` says.

    Raises:
        ModelError: the model folder is refused.
        InputError: there are no labelled pictures, none can be read, or none has a label that the model knows.
    """
    from fovea.features import open_store
    from fovea.model import Estimator, load_model
    from fovea.tasks.gather import add_hashes, gather

    begun = time.perf_counter()
    model = load_model(
        config.run, precision=None if config.compute == "auto" else config.compute, threads=config.threads
    )
    if isinstance(model, Estimator):
        from fovea.tasks.evaluate_target import evaluate_estimator

        return evaluate_estimator(config, model, progress=progress)
    manifest = _read(config)
    with open_store() as store:
        manifest = add_hashes(manifest, store, progress=progress)
        _require_known(manifest, model, photos=config.photos)
        seconds = {"scan": time.perf_counter() - begun}
        gathered = gather(manifest, encoder=model.encoder, store=store, progress=progress)
        seconds["extract"] = gathered.seconds
        notes = [*gathered.manifest.notes, *store.notes]
    _require_known(gathered.manifest, model, photos=config.photos)
    begun_judging = time.perf_counter()
    trained, more = trained_on(model)
    metrics = _measure(model, gathered, trained=trained, seed=config.seed)
    seconds |= {"judge": time.perf_counter() - begun_judging, "total": time.perf_counter() - begun}
    told = told_of(model, config, gathered=gathered, seconds=seconds)
    return Result({**metrics, **told, "notes": [*notes, *more, *_left_out(metrics)]})


def _read(config: Config) -> "Manifest":
    from fovea.manifest import change_classes, read_source

    source = config.source
    manifest = read_source(
        config.photos,
        to_learn=False,
        label_by=source.label_by,
        group_by=source.group_by,
        group_pattern=source.group_pattern,
        strict=source.strict,
    )
    return change_classes(manifest, drop=source.drop, merge=source.merge)


def _require_known(manifest: "Manifest", model: "Classifier", *, photos: Path) -> None:
    """Raise InputError where not one picture could be scored."""
    from fovea.wording import count, some

    labelled = [row for row in manifest.rows if row.label is not None]
    fine = [row for row in labelled if not row.problem]
    if any(row.label in model.class_names for row in fine):
        return
    if not labelled:
        raise InputError(
            f"{str(photos)!r} holds no labelled pictures. Give a folder with one folder per class, called as "
            f"the model's classes are ({some(model.class_names)}), or a table with the columns path,label."
        )
    if not fine:
        reasons = Counter(row.problem for row in labelled)
        raise InputError(
            f"0 of {count(len(labelled), 'picture')} in {str(photos)!r} can be read; most often: "
            f"{reasons.most_common(1)[0][0]}. `fovea check {photos}` lists them all."
        )
    raise InputError(
        f"None of the labels in {str(photos)!r} ({some(sorted({row.label or '' for row in fine}))}) is a "
        f"class of the model ({some(model.class_names)}). Rename the folders, or bring them together with "
        "--merge OLD=CLASS."
    )


def trained_on(model: "Classifier | Estimator") -> tuple[set[str], list[str]]:
    """Return the SHA-256 of the pictures that the head was fitted on, and notes where that cannot be told."""
    from fovea.manifest import read_manifest
    from fovea.model import read_evidence

    if read_evidence(model.folder, "manifest.csv", document=model.document) is None:
        return set(), [
            "The run's manifest.csv is missing: pictures that it was trained on are not told from new ones."
        ]
    try:
        rows = read_manifest(model.folder / "manifest.csv").rows
    except FoveaError as error:
        return set(), [f"Pictures that the model was trained on are not told from new ones: {error}"]
    return {row.sha256 for row in rows if row.split in ("train", "") and not row.problem and row.sha256}, []


def _measure(model: "Classifier", gathered: "Gathered", *, trained: set[str], seed: int) -> dict[str, Any]:
    """Return every figure over the rows that can be scored."""
    import numpy as np

    from fovea.judge import (
        ece_floor,
        expected_calibration_error,
        figures_json,
        find_mistakes,
        measure,
        softmax,
    )

    number = {name: k for k, name in enumerate(model.class_names)}
    all_rows = gathered.manifest.rows
    used = [k for k, row in enumerate(all_rows) if gathered.place[k] >= 0 and row.label]
    rows = [all_rows[k] for k in used]
    labels = np.array([number.get(row.label or "", -1) for row in rows], np.int64)
    features = gathered.features[gathered.place[used], 0]
    probabilities = softmax(model.head.logits(features), model.temperature)
    commonest = number[max(model.class_names, key=lambda name: model.document.data.classes.get(name, 0))]

    def figures(mask: "NDArray[np.bool_]") -> "Figures":
        return measure(labels[mask], probabilities[mask], class_names=model.class_names, commonest=commonest)

    known = labels >= 0
    leaked = np.array([row.sha256 in trained for row in rows], np.bool_)
    fresh = figures(~leaked) if leaked.any() and (known & ~leaked).any() else None
    top = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    whole = figures_json(figures(np.ones(len(rows), np.bool_)))
    unlike = np.zeros(len(rows), np.bool_) if model.novelty is None else model.novelty.is_unlike(features)
    return {
        "n_measured": whole.pop("n"),
        **whole,
        "class_names": list(model.class_names),
        "temperature": model.temperature,
        "ece": expected_calibration_error(top[known], correct[known]),
        "ece_floor": ece_floor(top[known], seed=seed),
        "unknown_classes": _unknown(rows, number),
        "n_unsure": int((top < model.thresholds.unsure).sum()),
        "n_unlike": int(unlike.sum()),
        "promise": _promise(model, top[known], correct[known]),
        "n_leaked": int((leaked & known).sum()),
        "leaked": [row.path for row, hit in zip(rows, leaked & known, strict=True) if hit],
        "without_leaks": None if fresh is None else figures_json(fresh),
        "mistakes": [
            _mistake(one, rows=rows, class_names=model.class_names)
            for one in find_mistakes(labels, probabilities)
        ],
    }


def _unknown(rows: "list[Row]", number: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(Counter(row.label or "" for row in rows if row.label not in number).items()))


def _mistake(mistake: "Mistake", *, rows: "list[Row]", class_names: Sequence[str]) -> dict[str, Any]:
    row = rows[mistake.index]
    answer = class_names[mistake.answer]
    return {"path": row.path, "label": row.label, "class": answer, "probability": mistake.probability}


def _promise(
    model: "Classifier", top: "NDArray[np.floating]", correct: "NDArray[np.bool_]"
) -> dict[str, Any]:
    """Return how many of the answers that are not unsure are right here, beside what was promised at "
    "training."""
    from fovea.judge import check_promise

    limits = model.thresholds
    n_accepted, n_right, interval = check_promise(top, correct, threshold=limits.unsure)
    return {
        "threshold": limits.unsure,
        "precision": limits.precision,
        "confidence": limits.confidence,
        "n_accepted": n_accepted,
        "n_right": n_right,
        "interval": list(interval),
    }


def told_of(
    model: "Classifier | Estimator", config: Config, *, gathered: "Gathered", seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Return counts, times, and what was used."""
    rows = gathered.manifest.rows
    quarantined = [{"path": row.path, "reason": row.problem} for row in rows if row.problem]
    return {
        "run": str(config.run),
        "photos": str(config.photos),
        "n_pictures": len(rows),
        "n_quarantined": len(quarantined),
        "quarantined": quarantined,
        "backbone": model.encoder.name,
        "engine": model.encoder.engine,
        "precision": model.encoder.precision,
        "n_decoded": gathered.n_decoded,
        "images_per_second": round(len(gathered.sha256s) / max(seconds["extract"], 1e-9), 1),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def _left_out(metrics: Mapping[str, Any]) -> list[str]:
    """Say in words what the figures leave out."""
    from fovea.wording import count, some

    notes = []
    if metrics["unknown_classes"]:
        told = some([f"{name} ({n:,})" for name, n in metrics["unknown_classes"].items()])
        n = count(metrics["n_unknown_class"], "picture")
        notes.append(f"Not scored, as the model does not know the class: {n}, labelled {told}.")
    if metrics["classes_left_out"]:
        names = some(metrics["classes_left_out"])
        notes.append(
            f"No picture here is of {names}: nothing is known of these classes, and averages leave them out."
        )
    if metrics["n_leaked"]:
        n = count(metrics["n_leaked"], "picture")
        end = (
            "The figures without leaks stand beside."
            if metrics["without_leaks"]
            else "No others are left to measure."
        )
        notes.append(
            f"{n} here {'was' if metrics['n_leaked'] == 1 else 'were'} in the training data, where a model does better. {end}"
        )
    return notes


def _with_interval(figures: Mapping[str, Any]) -> str:
    low, high = figures["accuracy_interval"]
    return f"{figures['accuracy']:.4f} ({low:.4f} to {high:.4f})"
