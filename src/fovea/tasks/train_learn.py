"""What is learned: features and copies, units and splits, and the probe fitted on the training part."""

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder, Store
from fovea.learn import ProbeFit, fit_probe
from fovea.manifest import (
    Manifest,
    SplitPlan,
    assign_splits,
    equal_groups,
    fold_numbers,
    join_units,
    require_trainable,
    unreadable_classes,
)
from fovea.progress import Progress
from fovea.tasks.copies import Copies, find_copies
from fovea.tasks.gather import Gathered, gather, last_average
from fovea.tasks.train_since import Earlier

if TYPE_CHECKING:
    from fovea.tasks.train import Config

N_FOLDS = 5
N_COLUMNS = 256
"""Columns that are reordered at a time."""


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
    copies = _copies(gathered, encoder=encoder, store=store, threads=config.backbone.threads)
    units = _units(gathered, copies=copies)
    plan = assign_splits(
        manifest,
        units=units,
        seed=config.seed,
        valid_share=config.valid_share,
        since=None if earlier is None else earlier.manifest,
    )
    rows = plan.manifest.rows
    class_names = tuple(sorted({row.label or "" for row in rows if row.split == "train" and not row.problem}))
    number = {name: k for k, name in enumerate(class_names)}
    inside = gathered.content >= 0
    side = np.array([row.split if row.label is not None else "" for row in rows])
    rows_train, rows_valid = (
        np.flatnonzero(inside & (side == "train")),
        np.flatnonzero(inside & (side == "valid")),
    )
    labels = np.array([number.get(row.label or "", -1) for row in rows], np.int64)
    progress("fit", 1, 3)
    n_train, n_valid = len(rows_train), len(rows_valid)
    sides = np.concatenate([gathered.place[rows_train], gathered.place[rows_valid]])
    features = bring_forward(gathered.features, sides)
    plain = features[: n_train + n_valid, 0]
    folds = fold_numbers(labels[rows_train], units=units[rows_train], n_folds=N_FOLDS, seed=config.seed)
    fit = fit_probe(
        plain[:n_train],
        labels[rows_train],
        folds=folds,
        class_names=class_names,
        stages=encoder.stages,
        balance=config.balance,
        seed=config.seed,
        threads=config.backbone.threads,
        warm_start=None if earlier is None else earlier.head_for(encoder, class_names),
        extra_views=features[:n_train, 1:] if config.backbone.views > 1 else None,
    )
    progress("fit", 3, 3)
    seconds["fit"] = fit.seconds
    seconds["judge"] = time.perf_counter() - begun - fit.seconds
    return Learned(
        gathered=replace(gathered, manifest=plan.manifest, features=features[:0], place=gathered.place[:0]),
        plan=plan,
        copies=copies,
        rows_train=rows_train,
        rows_valid=rows_valid,
        train_features=plain[:n_train],
        valid_features=plain[n_train:],
        train_labels=labels[rows_train],
        valid_labels=labels[rows_valid],
        units=units,
        folds=folds,
        leaked=_leaked(gathered, units=units, copies=copies, rows_train=rows_train, rows_valid=rows_valid),
        fit=fit,
        valid_logits=fit.head.logits(plain[n_train:]),
        class_names=class_names,
        seconds=seconds,
    )


def bring_forward(features: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Put these rows of features (m, views, d) first, in this order, in place: a copy would double the memory."""
    rest = np.setdiff1d(np.arange(len(features)), rows)
    order = np.concatenate([rows, rest])
    flat = features.reshape(len(features), -1)
    for start in range(0, flat.shape[1], N_COLUMNS):
        some = flat[:, start : start + N_COLUMNS]
        some[:] = some[order]
    return features


def _copies(gathered: Gathered, *, encoder: Encoder, store: Store, threads: int | None) -> Copies:
    last = last_average(encoder)
    with_content = np.flatnonzero(gathered.content >= 0)
    first = gathered.place[with_content[np.unique(gathered.content[with_content], return_index=True)[1]]]
    rows = {int(k): row for row, k in zip(gathered.manifest.rows, gathered.content, strict=True) if k >= 0}
    return find_copies(
        gathered.features[first, 0, last.start : last.stop],
        sha256s=gathered.sha256s,
        read=lambda k: gathered.manifest.read(rows[k]),
        store=store,
        threads=threads,
    )


def _units(gathered: Gathered, *, copies: Copies) -> NDArray[np.int64]:
    """Return a unit for every row: rows of one content, of equal pixels or of one group share it."""
    rows = gathered.manifest.rows
    members: dict[int, list[int]] = {}
    for number, k in enumerate(gathered.content.tolist()):
        if k >= 0:
            members.setdefault(k, []).append(number)
    same_bytes = equal_groups(["" if row.problem else row.sha256 for row in rows])
    same_pixels = [[row for k in group for row in members[k]] for group in copies.same]
    return join_units(len(rows), same_bytes, same_pixels, equal_groups([row.group for row in rows]))


def _leaked(
    gathered: Gathered,
    *,
    units: NDArray[np.int64],
    copies: Copies,
    rows_train: NDArray[np.int64],
    rows_valid: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which validation rows (nearly) stand in the training part too: bool (n_valid,)."""
    in_train = np.zeros(len(gathered.sha256s), np.bool_)
    in_train[gathered.content[rows_train]] = True
    near = np.zeros(len(gathered.sha256s), np.bool_)
    for one, other in copies.near.tolist():
        near[one] |= in_train[other]
        near[other] |= in_train[one]
    same_unit = np.isin(units[rows_valid], units[rows_train])
    leaked: NDArray[np.bool_] = same_unit | near[gathered.content[rows_valid]]
    return leaked
