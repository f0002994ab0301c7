"""What every head is fitted on, whatever it tells: features, copies, units, sides. No label's meaning enters here."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder, Store
from fovea.manifest import SplitPlan, Strata, assign_splits, equal_groups, join_units
from fovea.tasks.copies import Copies, find_copies
from fovea.tasks.gather import Gathered, last_average
from fovea.tasks.train.since import Earlier

if TYPE_CHECKING:
    from fovea.tasks.train.train import Config

N_FOLDS = 5
HELD_OUT = 0.2
"""The share of each class that is held out where no split is given."""
N_COLUMNS = 256
"""Columns that are reordered at a time."""


@dataclass(frozen=True)
class Prepared:
    """Rows by side (numbers into the manifest), their features, and what they share.

    `features` float32 (n_train, d) and (n_valid, d) are those of the plain view; `extra_views` (n_train, v, d) the others'.
    `units` (n,) of all rows; `leaked` bool (n_valid,): held-out pictures that (nearly) stand in the training part too.
    """

    gathered: Gathered
    plan: SplitPlan
    copies: Copies
    rows_train: NDArray[np.int64]
    rows_valid: NDArray[np.int64]
    train_features: NDArray[np.float32]
    valid_features: NDArray[np.float32]
    extra_views: NDArray[np.float32] | None
    units: NDArray[np.int64]
    leaked: NDArray[np.bool_]


def prepare(
    config: "Config",
    gathered: Gathered,
    *,
    encoder: Encoder,
    store: Store,
    earlier: Earlier | None,
    strata: Strata | None = None,
) -> Prepared:
    """Find copies, make units, put every row on a side; `strata`: by what the sides are made alike (None: the classes)."""
    manifest = gathered.manifest
    copies = _copies(gathered, encoder=encoder, store=store, threads=config.backbone.threads)
    units = _units(gathered, copies=copies)
    plan = assign_splits(
        manifest,
        units=units,
        seed=config.seed,
        valid_share=config.valid_share or HELD_OUT,
        since=None if earlier is None else earlier.manifest,
        strata=None if strata is None else strata(manifest, units),
    )
    inside = gathered.content >= 0
    side = np.array([row.split if row.label is not None else "" for row in plan.manifest.rows])
    rows_train, rows_valid = (np.flatnonzero(inside & (side == name)) for name in ("train", "valid"))
    n_train, n_valid = len(rows_train), len(rows_valid)
    sides = np.concatenate([gathered.place[rows_train], gathered.place[rows_valid]])
    features = bring_forward(gathered.features, sides)
    plain = features[: n_train + n_valid, 0]
    return Prepared(
        gathered=replace(gathered, manifest=plan.manifest, features=features[:0], place=gathered.place[:0]),
        plan=plan,
        copies=copies,
        rows_train=rows_train,
        rows_valid=rows_valid,
        train_features=plain[:n_train],
        valid_features=plain[n_train:],
        extra_views=features[:n_train, 1:] if features.shape[1] > 1 else None,
        units=units,
        leaked=_leaked(gathered, units=units, copies=copies, rows_train=rows_train, rows_valid=rows_valid),
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
