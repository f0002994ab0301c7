"""What is learned: features and copies, units and splits, and the probe fitted on the training part."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.errors import BackboneError
from fovea.features import Encoder, Store
from fovea.learn import ProbeFit, fit_probe
from fovea.manifest import Manifest, SplitPlan, fold_numbers, require_trainable, unreadable_classes
from fovea.progress import Progress
from fovea.tasks.copies import Copies
from fovea.tasks.gather import Gathered, gather
from fovea.tasks.train.prepare import N_FOLDS, Prepared, prepare
from fovea.tasks.train.since import Earlier

if TYPE_CHECKING:
    from fovea.tasks.train.train import Config


@dataclass(frozen=True)
class Learned:
    """What learning left: the plan, features by side (training rows first), the fit."""

    gathered: Gathered
    plan: SplitPlan
    copies: Copies
    rows_train: NDArray[np.int64]
    rows_valid: NDArray[np.int64]
    train_features: NDArray[np.float32]
    valid_features: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    valid_labels: NDArray[np.int64]
    units: NDArray[np.int64]
    folds: NDArray[np.int64]
    leaked: NDArray[np.bool_]
    fit: ProbeFit
    valid_logits: NDArray[np.float32]
    class_names: tuple[str, ...]
    seconds: dict[str, float]


def learn(
    config: "Config",
    manifest: Manifest,
    *,
    encoder: Encoder,
    store: Store,
    earlier: Earlier | None,
    progress: Progress,
) -> Learned:
    """Return what the training part teaches; the test split is not looked at."""
    gathered = gather(
        manifest,
        encoder=encoder,
        store=store,
        views=config.backbone.views,
        without="test",
        progress=progress,
    )
    seconds = {"extract": gathered.seconds}
    manifest = gathered.manifest
    require_trainable(manifest)
    manifest = manifest.with_rows(manifest.rows, notes=unreadable_classes(manifest))
    begun = time.perf_counter()
    progress("fit", 0, 3)
    prepared = prepare(
        config, replace(gathered, manifest=manifest), encoder=encoder, store=store, earlier=earlier
    )
    _require_variety(prepared.train_features, encoder=encoder)
    progress("fit", 1, 3)
    probe = make_learned(
        config,
        prepared,
        fit=partial(
            fit_probe,
            prepared.train_features,
            stages=encoder.stages,
            balance=config.balance,
            seed=config.seed,
            threads=config.backbone.threads,
            warm_start=None
            if earlier is None
            else earlier.head_for(encoder, names_and_labels(prepared.plan.manifest)[0]),
            extra_views=prepared.extra_views,
        ),
        seconds=seconds,
    )
    progress("fit", 3, 3)
    seconds = {**seconds, "fit": probe.fit.seconds}
    seconds["judge"] = time.perf_counter() - begun - probe.fit.seconds
    return replace(probe, seconds=seconds)


def _require_variety(features: NDArray[np.float32], *, encoder: Encoder) -> None:
    """Raise BackboneError where all pictures have the same features: there is nothing to tell them apart by."""
    if len(features) > 1 and all(
        (part == features[0]).all() for part in np.array_split(features, len(features) // 512 + 1)
    ):
        raise BackboneError(
            f"{encoder.name!r} gives each of the {len(features):,} pictures the same features, so nothing can be learned from "
            "them: its weights may be damaged, or hold values that are no numbers. Take other weights, or another --backbone."
        )


def names_and_labels(manifest: Manifest) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the sorted classes of the training part, and every row's class number, -1 for one that is not among them."""
    rows = manifest.rows
    names = tuple(sorted({row.label or "" for row in rows if row.split == "train" and not row.problem}))
    number = {name: k for k, name in enumerate(names)}
    return names, np.array([number.get(row.label or "", -1) for row in rows], np.int64)


def make_learned(
    config: "Config", prepared: Prepared, *, fit: Callable[..., ProbeFit], seconds: dict[str, float]
) -> Learned:
    """Return what was learned on prepared rows; `fit` gets the training labels, `folds` and `class_names`."""
    rows_train, rows_valid, units = prepared.rows_train, prepared.rows_valid, prepared.units
    class_names, labels = names_and_labels(prepared.plan.manifest)
    folds = fold_numbers(labels[rows_train], units=units[rows_train], n_folds=N_FOLDS, seed=config.seed)
    fitted = fit(labels[rows_train], folds=folds, class_names=class_names)
    shared = {field.name: getattr(prepared, field.name) for field in fields(prepared)}
    del shared["extra_views"]
    return Learned(
        **shared,
        train_labels=labels[rows_train],
        valid_labels=labels[rows_valid],
        folds=folds,
        fit=fitted,
        valid_logits=fitted.head.logits(prepared.valid_features),
        class_names=class_names,
        seconds=seconds,
    )
