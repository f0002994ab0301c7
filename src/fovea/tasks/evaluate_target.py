"""`evaluate` for a run that tells numbers or labels: the figures that its training told, on other labelled pictures."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import open_store
from fovea.judge import clopper_pearson
from fovea.manifest import (
    Manifest,
    canonical_labels,
    change_labels,
    equal_groups,
    join_units,
    labels_of,
    number_of,
    read_source,
)
from fovea.model import Estimator, Values
from fovea.progress import Progress
from fovea.tasks.evaluate import Config, Result, told_of, trained_on
from fovea.tasks.gather import Gathered, add_hashes, gather
from fovea.tasks.train import labels as train_labels
from fovea.tasks.train import values as train_values
from fovea.wording import count, percent, some

if TYPE_CHECKING:
    from fovea.manifest import Row


def evaluate_estimator(config: Config, model: Estimator, *, progress: Progress) -> Result:
    """Measure an estimator on labelled pictures. Raises as `evaluate.run` does."""
    begun = time.perf_counter()
    manifest = _read(config, model)
    with open_store() as store:
        manifest = add_hashes(manifest, store, progress=progress)
        _require_some(manifest, config)
        seconds = {"scan": time.perf_counter() - begun}
        gathered = gather(manifest, encoder=model.encoder, store=store, progress=progress)
        seconds["extract"] = gathered.seconds
        notes = [*gathered.manifest.notes, *store.notes]
    _require_some(gathered.manifest, config)
    begun_judging = time.perf_counter()
    trained, more = trained_on(model)
    metrics = _measure(model, gathered, trained=trained, seed=config.seed)
    seconds |= {"judge": time.perf_counter() - begun_judging, "total": time.perf_counter() - begun}
    told = told_of(model, config, gathered=gathered, seconds=seconds)
    return Result({**metrics, **told, "notes": [*notes, *more, *_left_out(metrics, model=model)]})


def _read(config: Config, model: Estimator) -> Manifest:
    source = config.source
    manifest = read_source(
        config.photos,
        to_learn=False,
        label_by=source.label_by,
        group_by=source.group_by,
        group_pattern=source.group_pattern,
        strict=source.strict,
        target=model.target.kind,
    )
    if isinstance(model.target, Values):
        if source.drop or source.merge:
            raise InputError(
                "--drop and --merge change classes and labels, and this run tells numbers: leave them out."
            )
        return manifest
    return change_labels(canonical_labels(manifest), drop=source.drop, merge=source.merge)


def _require_some(manifest: Manifest, config: Config) -> None:
    if not any(row.label is not None and not row.problem for row in manifest.rows):
        raise InputError(
            f"{str(config.photos)!r} holds no labelled picture that can be read. Give a table with the columns path,label; "
            f"`fovea check {config.photos}` says what is wrong with each."
        )


def _measure(model: Estimator, gathered: Gathered, *, trained: set[str], seed: int) -> dict[str, Any]:
    """Return every figure over the rows that can be scored, and over those that the model was not trained on."""
    used = [
        k for k, row in enumerate(gathered.manifest.rows) if gathered.place[k] >= 0 and row.label is not None
    ]
    rows = [gathered.manifest.rows[k] for k in used]
    features = gathered.features[gathered.place[used], 0]
    units = join_units(
        len(rows), equal_groups([row.sha256 for row in rows]), equal_groups([row.group for row in rows])
    )
    leaked = np.array([row.sha256 in trained for row in rows], np.bool_)

    def figures(chosen: NDArray[np.bool_]) -> dict[str, Any]:
        some_rows = [row for row, is_in in zip(rows, chosen.tolist(), strict=True) if is_in]
        return _figures(model, some_rows, features[chosen], units=units[chosen], seed=seed)

    whole = figures(np.ones(len(rows), np.bool_))
    unlike = np.zeros(len(rows), np.bool_) if model.novelty is None else model.novelty.is_unlike(features)
    return {
        "target": model.target.kind,
        "n_measured": whole.pop("n"),
        **whole,
        **_beside(model, rows, whole),
        "n_unlike": int(unlike.sum()),
        "n_leaked": int(leaked.sum()),
        "leaked": [row.path for row, is_in in zip(rows, leaked.tolist(), strict=True) if is_in],
        "without_leaks": figures(~leaked) if leaked.any() and not leaked.all() else None,
    }


def _figures(
    model: Estimator, rows: "list[Row]", features: NDArray[np.float32], *, units: NDArray[np.int64], seed: int
) -> dict[str, Any]:
    if isinstance(model.target, Values):
        return train_values.figures_of(
            model.head,
            model.target,
            rows=rows,
            features=features,
            units=units,
            baseline=model.target.baseline,
        )
    return train_labels.figures_of(
        model.head,
        model.target,
        temperature=model.temperature,
        rows=rows,
        features=features,
        units=units,
        commonest=np.array([name in model.target.commonest for name in model.names], np.bool_),
        seed=seed,
    ).to_json()


def _beside(model: Estimator, rows: "list[Row]", whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else there is to know: whether the range held, or labels that the model does not know."""
    if isinstance(model.target, Values):
        n, n_inside = len(rows), whole["n_inside"]
        outside = [
            row
            for row in rows
            if not model.target.lowest <= (number_of(row.label) or 0.0) <= model.target.highest
        ]
        return {
            "coverage": model.target.coverage,
            "half_width": model.target.half_width,
            "coverage_interval": list(clopper_pearson(n_inside, n)),
            "n_outside": len(outside),
        }
    found = [name for row in rows for name in labels_of(row.label) if name not in set(model.names)]
    unknown = {name: found.count(name) for name in sorted(set(found))}
    return {"label_names": list(model.names), "unknown_labels": unknown}


def _left_out(metrics: Mapping[str, Any], *, model: Estimator) -> list[str]:
    """Say in words what the figures leave out."""
    notes = []
    if metrics.get("unknown_labels"):
        told = some([f"{name} ({n:,})" for name, n in metrics["unknown_labels"].items()])
        notes.append(f"Not scored, as the model does not know them: {told}.")
    if metrics.get("n_outside") and isinstance(model.target, Values):
        n = count(metrics["n_outside"], "picture")
        low, high = model.target.lowest, model.target.highest
        notes.append(
            f"Outside the numbers of training, {low:g} to {high:g}, of which it learned nothing: {n}."
        )
    if metrics["n_leaked"]:
        n = count(metrics["n_leaked"], "picture")
        end = (
            "The figures without leaks stand beside."
            if metrics["without_leaks"]
            else "No others are left to measure."
        )
        notes.append(f"In the training data too, where a model does better: {n} here. {end}")
    return notes


def target_table(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the figures a person reads first: name and value."""

    def shown(key: str, figures: Mapping[str, Any] = metrics) -> str:
        value, interval = figures[key], figures.get(f"{key}_interval")
        text = "-" if value is None else f"{value:.4g}"
        return text if interval is None else f"{text} ({interval[0]:.4g} to {interval[1]:.4g})"

    fresh = metrics["without_leaks"]
    if metrics["target"] == "regression":
        inside = (
            f"{metrics['n_inside']:,} of {metrics['n_measured']:,} (stated {percent(metrics['coverage'], 0)})"
        )
        rows = [
            ("mean error", shown("mae")),
            (f"always {metrics['baseline_value']:.4g}", shown("baseline_mae")),
            ("root mean square error", shown("rmse")),
            ("R2", shown("r2")),
            (f"within {metrics['half_width']:.4g}", inside),
        ]
        return [
            *rows[:1],
            *([("mean error without leaked ones", shown("mae", fresh))] if fresh else []),
            *rows[1:],
        ]
    rows = [
        ("all labels right", shown("all_right")),
        (f"always {';'.join(metrics['baseline_labels']) or 'none'!r}", shown("baseline_all_right")),
        ("F1 over all answers", shown("micro_f1")),
        ("macro F1", shown("macro_f1")),
        ("mean average precision", shown("mean_average_precision")),
        ("log loss", shown("log_loss")),
    ]
    return [
        *rows[:1],
        *([("all right without leaked ones", shown("all_right", fresh))] if fresh else []),
        *rows[1:],
    ]
