"""Which pictures are learned from and which held out: given and recorded sides stay, no unit is torn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.manifest.held_out import Unit, gather_units, hold_out, units_by_class
from fovea.manifest.rows import Manifest, Row
from fovea.wording import count, percent, some

MIN_UNITS = 5
"""With fewer different pictures or groups in a class, nothing is held out: one would be a fifth of it."""
MIN_HELD_OUT = 20
"""With fewer pictures to hold out, nothing is: 18 of 20 right has a 95 % interval of 0.68 to 0.99."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """The manifest with its splits filled, and how they came about."""

    manifest: Manifest
    protocol: str
    """"given" (a valid split was there), "held-out" (one was made), or "cross-validated" (all rows train)."""
    notes: tuple[str, ...] = ()
    leaks: tuple[tuple[int, ...], ...] = ()
    """Rows (indices) of each unit that given splits put on more than one side."""


def assign_splits(
    manifest: Manifest,
    *,
    units: NDArray[np.integer],
    seed: int,
    valid_share: float = 0.2,
    since: Manifest | None = None,
    strata: Sequence[Sequence[str]] | None = None,
) -> SplitPlan:
    """Return the manifest with "train", "valid" or "test" in every row that has a label and no problem.

    `units` (n,) integers, a row each: rows of one unit stay on one side. Given splits are kept; where no
    valid split is given, `valid_share` of each class is held out of what is not test. `since` is an earlier
    manifest: what it records (by content, then by group) stays on its side, and the rest fills each class's
    deficit. With fewer than 5 units in a class, or fewer than 20 pictures to hold out, all rows train and the
    protocol is "cross-validated"; but a run that held out 20 or more of these pictures goes on holding them
    out. Other rows get no split. `strata` (n) stand for each row's class where it has none, or several.

    Raises:
        InputError: a share outside (0, 0.5], nothing to learn from, or a class that is a single unit.
    """
    if not 0 < valid_share <= 0.5:
        raise InputError(f"The share to hold out is {valid_share!r}; it must be above 0 and at most 0.5.")
    rows = manifest.rows
    used = [index for index, row in enumerate(rows) if row.label is not None and not row.problem]
    pool = [index for index in used if rows[index].split in ("", "train")]
    if not pool:
        raise InputError(
            "There is nothing to learn from: no labelled picture without a problem stands outside the valid "
            "and test splits. Put pictures into train, or give no splits."
        )
    gathered = gather_units(rows, pool=pool, units=units, seed=seed, strata=strata)
    _require_two_units(gathered)
    protocol = "given"
    held_out: set[int] = set()
    if any(rows[index].split == "valid" for index in used):
        notes = _joined_train(rows, used=used)
    else:
        recorded, notes = _recorded(gathered, rows=rows, since=since)
        reason = _too_few(gathered, recorded=recorded, share=valid_share)
        held_out = set() if reason else hold_out(gathered, share=valid_share, recorded=recorded)
        protocol = "held-out" if held_out else "cross-validated"
        notes = [*notes, *_not_held_out(gathered, held_out=held_out, reason=reason)]
    sides = {index: rows[index].split for index in used} | dict.fromkeys(pool, "train")
    sides |= dict.fromkeys(held_out, "valid")
    filled = manifest.with_rows(replace(row, split=sides.get(index, "")) for index, row in enumerate(rows))
    return SplitPlan(filled, protocol, tuple(notes), _leaks(sides, units=units))


def _require_two_units(gathered: Sequence[Unit]) -> None:
    lone = sorted(label for label, n in units_by_class(gathered).items() if n == 1)
    if not lone:
        return
    n_rows = next(unit.labels[lone[0]] for unit in gathered if lone[0] in unit.labels)
    held = "The only picture" if n_rows == 1 else f"All {n_rows:,} pictures"
    together = "" if n_rows == 1 else " belong together (the same picture, or one group)"
    raise InputError(
        f"{held} of class {lone[0]!r} to learn from{together}: a class cannot be learned and judged by one. "
        f"Add other pictures or groups, leave the class out with --drop {lone[0]!r}, or join it to another "
        "with --merge."
    )


def _joined_train(rows: Sequence[Row], *, used: Iterable[int]) -> list[str]:
    n_free = sum(rows[index].split == "" for index in used)
    if not n_free:
        return []
    return [f"{count(n_free, 'picture')} without a split went to train, since others have one."]


def _recorded(
    gathered: Sequence[Unit], *, rows: Sequence[Row], since: Manifest | None
) -> tuple[dict[int, str], list[str]]:
    """Return the side of each unit that the earlier manifest knows, by its first row, and notes."""
    if since is None:
        return {}, []
    # What was a test picture is not learned from now either.
    earlier = [(row, "train" if row.split == "train" else "valid") for row in since.rows if row.split]
    by_content = {row.sha256: side for row, side in earlier if row.sha256}
    by_group = {row.group: side for row, side in earlier if row.group}
    recorded: dict[int, str] = {}
    n_torn = 0
    for unit in gathered:
        sides = [by_content[rows[index].sha256] for index in unit.rows if rows[index].sha256 in by_content]
        sides = sides or [by_group[rows[index].group] for index in unit.rows if rows[index].group in by_group]
        if sides:
            recorded[unit.rows[0]] = "valid" if sides.count("valid") * 2 > len(sides) else "train"
            n_torn += len(set(sides)) > 1
    n_kept = sum(len(unit.rows) for unit in gathered if unit.rows[0] in recorded)
    n_new = sum(len(unit.rows) for unit in gathered) - n_kept
    notes = [f"{count(n_kept, 'picture')} kept the side of the earlier run; {n_new:,} new."]
    if n_torn:
        notes.append(f"{count(n_torn, 'unit')} stood on both sides in the earlier run, and now on one only.")
    return recorded, notes


def _too_few(gathered: Sequence[Unit], *, recorded: Mapping[int, str], share: float) -> str:
    """Return why nothing should be held out, "" when something should."""
    n_recorded = sum(len(unit.rows) for unit in gathered if recorded.get(unit.rows[0]) == "valid")
    if n_recorded >= MIN_HELD_OUT:
        return ""
    small = sorted(label for label, n in units_by_class(gathered).items() if n < MIN_UNITS)
    if small:
        which = count(len(small), "class has", "classes have")
        return f"{which} fewer than {MIN_UNITS} different pictures or groups ({some(small)})"
    n = sum(len(unit.rows) for unit in gathered)
    n_held_out = round(share * n)
    if n_held_out < MIN_HELD_OUT:
        return f"{percent(share, 0)} of {n:,} pictures would be {n_held_out}, fewer than {MIN_HELD_OUT}"
    return ""


def _not_held_out(gathered: Sequence[Unit], *, held_out: set[int], reason: str) -> list[str]:
    if not held_out:
        reason = reason or "the earlier run learned from all of these pictures"
        return [f"Nothing is held out: {reason}. The figures are cross-validated over all pictures."]
    present = units_by_class(unit for unit in gathered if unit.rows[0] in held_out)
    absent = sorted(set(units_by_class(gathered)) - set(present))
    if not absent:
        return []
    them = "it" if len(absent) == 1 else "them"
    return [f"Nothing is held out of {some(absent)}: the figures say nothing about {them}."]


def _leaks(sides: Mapping[int, str], *, units: NDArray[np.integer]) -> tuple[tuple[int, ...], ...]:
    members: dict[int, list[int]] = {}
    numbers = units.tolist()
    for index in sides:
        members.setdefault(numbers[index], []).append(index)
    groups = (tuple(inside) for inside in members.values())
    return tuple(group for group in groups if len({sides[index] for index in group}) > 1)
