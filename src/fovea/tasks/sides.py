"""Labelled pictures on two sides without a network: what is damaged found out by decoding, copies and groups kept together."""

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError, PictureError
from fovea.features import Known, Store, available_cores
from fovea.manifest import (
    Manifest,
    Row,
    SplitPlan,
    assign_splits,
    equal_groups,
    join_units,
    require_trainable,
)
from fovea.pictures import decode_to
from fovea.progress import Progress
from fovea.tasks.train.prepare import HELD_OUT

LOOK_PX = 16


def without_damaged(manifest: Manifest, store: Store, *, progress: Progress) -> Manifest:
    """Decode what was never decoded here, so that what is damaged is left out before training, not found in its middle."""
    rows = {
        row.sha256: row for row in manifest.rows if row.sha256 and not row.problem and row.split != "test"
    }
    known = store.known(list(rows))
    todo = [row for sha256, row in rows.items() if sha256 not in known]
    with ThreadPoolExecutor(available_cores(), thread_name_prefix="fovea-decode") as pool:
        for number, (row, seen) in enumerate(
            zip(todo, pool.map(partial(_look, manifest), todo), strict=True)
        ):
            known[row.sha256] = seen
            progress("check", number + 1, len(todo))
    store.write_facts({row.sha256: known[row.sha256] for row in todo})
    problems = {
        k: known[row.sha256].problem
        for k, row in enumerate(manifest.rows)
        if not row.problem and row.sha256 in known and known[row.sha256].problem
    }
    return with_problems(manifest, problems)


def _look(manifest: Manifest, row: Row) -> Known:
    try:
        picture = decode_to(manifest.read(row), height_px=LOOK_PX, width_px=LOOK_PX)
    except OSError as error:
        return Known(None, f"cannot be read: {error.strerror or error}")
    except PictureError as error:
        return Known(None, str(error))
    return Known(picture.facts, "")


def with_problems(manifest: Manifest, problems: Mapping[int, str]) -> Manifest:
    """Return the manifest with problems of rows by their numbers. Raises InputError where too little is left."""
    rows = (
        dataclasses.replace(row, problem=problems.get(k, row.problem)) for k, row in enumerate(manifest.rows)
    )
    manifest = manifest.with_rows(rows)
    require_trainable(manifest)
    return manifest


def units_of(manifest: Manifest) -> NDArray[np.int64]:
    """Return a unit for every row by its bytes and its group: all that is known before a network looks."""
    same_bytes = equal_groups(["" if row.problem else row.sha256 for row in manifest.rows])
    return join_units(len(manifest.rows), same_bytes, equal_groups([row.group for row in manifest.rows]))


def split_pictures(manifest: Manifest, *, seed: int) -> SplitPlan:
    """Put every picture on a side. Raises InputError where none can be held out."""
    plan = assign_splits(manifest, units=units_of(manifest), seed=seed, valid_share=HELD_OUT)
    if plan.protocol == "cross-validated":
        raise InputError(
            f"{' '.join(plan.notes)} A validation loader needs some: put pictures into a folder valid beside train, or "
            "bring more."
        )
    return plan


def rows_by_side(manifest: Manifest) -> tuple[tuple[str, ...], dict[str, list[int]]]:
    """Return the class names, and which rows are training pictures ("train") and validation pictures ("val")."""
    rows = [(k, row) for k, row in enumerate(manifest.rows) if not row.problem and row.label is not None]
    names = tuple(sorted({row.label or "" for _, row in rows if row.split == "train"}))
    sides = {"train": "train", "val": "valid"}
    return names, {
        phase: [k for k, row in rows if row.split == split and row.label in names]
        for phase, split in sides.items()
    }
