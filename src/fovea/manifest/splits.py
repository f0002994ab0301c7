"""Which pictures are learned from and which held out. Units are never torn; given and recorded sides stay.

A unit's rank comes from a hash of its content and the seed, so neither names nor order nor other classes
matter, and each picture that is added to a class moves at most one old one (none with `since`).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.manifest.rows import Manifest, Row
from fovea.manifest.wording import count, some

MIN_UNITS = 5
"""Below so many different pictures (or groups) in any class, nothing is held out."""
MIN_HELD_OUT = 20
"""With fewer pictures held out than this, an accuracy of 0.9 would mean anything from 0.68 to 0.99."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """The manifest with its splits filled, and how they came about."""

    manifest: Manifest
    protocol: str
    """"given" (a valid split was there), "held-out" (one was made), or "cross-validated" (all rows train)."""
    notes: tuple[str, ...] = ()
    leaks: tuple[tuple[int, ...], ...] = ()
    """Rows (indices) of each unit that given splits put on more than one side."""


@dataclass(frozen=True, slots=True)
class _Unit:
    rows: tuple[int, ...]
    labels: Mapping[str, int]
    key: str


def assign_splits(
    manifest: Manifest,
    *,
    units: NDArray[np.integer],
    seed: int,
    valid_share: float = 0.2,
    since: Manifest | None = None,
) -> SplitPlan:
    """Return the manifest with "train", "valid" or "test" in every row that has a label and no problem.

    `units` (n,) integers, a row each: equal numbers stay on one side. Given splits are kept; where no valid
    split is given, `valid_share` of each class is held out of what is not test. `since` is an earlier
    manifest: what it records (by content, then by group) stays on its side, and the rest fills each class's
    deficit. With fewer than 5 units in a class, or fewer than 20 pictures to hold out, all rows train and the
    protocol is "cross-validated".

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
    given = any(rows[index].split == "valid" for index in used)
    gathered = _gathered(rows, pool=pool, units=units, seed=seed)
    _require_two_units(gathered)
    if given:
        return _given(manifest, used=used, pool=pool, units=units)
    counts = Counter(rows[index].label or "" for index in pool)
    reason = _too_few(gathered, counts=counts, valid_share=valid_share)
    recorded, moved_notes = _recorded(gathered, rows=rows, since=since)
    held_out = (
        set() if reason else _held_out(gathered, counts=counts, valid_share=valid_share, recorded=recorded)
    )
    if not reason and not held_out:
        reason = "everything was learned from in the earlier run, and nothing new came"
    sides = dict.fromkeys(pool, "train") | dict.fromkeys(held_out, "valid")
    notes = (
        [f"Nothing is held out: {reason}. The figures are cross-validated over all pictures."]
        if reason
        else []
    )
    notes += [] if reason else [*moved_notes, *_missing(rows, held_out=held_out, counts=counts)]
    return SplitPlan(
        _with_sides(manifest, used=used, sides=sides),
        "cross-validated" if reason else "held-out",
        tuple(notes),
        _leaks(rows, used=used, units=units, sides=sides),
    )


def _gathered(
    rows: Sequence[Row], *, pool: Iterable[int], units: NDArray[np.integer], seed: int
) -> list[_Unit]:
    """Return the pool's units in the order of their hash."""
    members: dict[int, list[int]] = {}
    for index in pool:
        members.setdefault(int(units[index]), []).append(index)
    gathered = []
    for inside in members.values():
        # A group keeps its rank when pictures join it; else the content decides, and the path where it is
        # unknown.
        names = [f"group {rows[index].group}" for index in inside if rows[index].group]
        name = min(names or [rows[index].sha256 or rows[index].path for index in inside])
        key = hashlib.sha256(f"{seed}:{name}".encode(errors="surrogateescape")).hexdigest()
        gathered.append(_Unit(tuple(inside), Counter(rows[index].label or "" for index in inside), key))
    return sorted(gathered, key=lambda unit: (unit.key, min(rows[index].path for index in unit.rows)))


def _require_two_units(gathered: Sequence[_Unit]) -> None:
    n_units = Counter(label for unit in gathered for label in unit.labels)
    lone = sorted(label for label, n in n_units.items() if n == 1)
    if lone:
        unit = next(unit for unit in gathered if lone[0] in unit.labels)
        raise InputError(
            f"All {count(unit.labels[lone[0]], 'picture')} of class {lone[0]!r} belong together (the same "
            "picture, or one group), so they cannot be both learned from and judged by. Add pictures of "
            f"another kind or group, leave the class out with --drop {lone[0]!r}, or join it to another with "
            "--merge."
        )


def _too_few(gathered: Sequence[_Unit], *, counts: Mapping[str, int], valid_share: float) -> str:
    n_units = Counter(label for unit in gathered for label in unit.labels)
    small = sorted(label for label, n in n_units.items() if n < MIN_UNITS)
    if small:
        which = count(len(small), "class has", "classes have")
        return f"{which} fewer than {MIN_UNITS} different pictures or groups ({some(small)})"
    n = sum(counts.values())
    n_held_out = round(valid_share * n)
    if n_held_out < MIN_HELD_OUT:
        return f"{valid_share:.0%} of {n:,} pictures would be {n_held_out}, fewer than {MIN_HELD_OUT}"
    return ""


def _recorded(
    gathered: Sequence[_Unit], *, rows: Sequence[Row], since: Manifest | None
) -> tuple[dict[str, str], list[str]]:
    """Return the side, by unit key, of each unit that the earlier manifest knows, and a note on torn ones."""
    if since is None:
        return {}, []
    earlier = [
        (row, "train" if row.split == "train" else "valid")
        for row in since.rows
        if row.split and not row.problem
    ]
    by_content = {row.sha256: side for row, side in earlier if row.sha256}
    by_group = {row.group: side for row, side in earlier if row.group}
    recorded: dict[str, str] = {}
    n_torn = 0
    for unit in gathered:
        sides = [by_content[rows[index].sha256] for index in unit.rows if rows[index].sha256 in by_content]
        sides = sides or [by_group[rows[index].group] for index in unit.rows if rows[index].group in by_group]
        if sides:
            n_torn += len(set(sides)) > 1
            recorded[unit.key] = "valid" if sides.count("valid") * 2 > len(sides) else "train"
    torn = f"{count(n_torn, 'unit')} stood on both sides in the earlier run and now on one only."
    return recorded, [torn] if n_torn else []


def _held_out(
    gathered: Sequence[_Unit], *, counts: Mapping[str, int], valid_share: float, recorded: Mapping[str, str]
) -> set[int]:
    """Return the rows to hold out: units by rank, while they bring their classes nearer to the share."""
    need = {label: max(valid_share * n, 1.0) for label, n in counts.items()}
    taken = [unit for unit in gathered if recorded.get(unit.key) == "valid"]
    for unit in taken:
        for label, n in unit.labels.items():
            need[label] -= n
    free = [unit for unit in gathered if unit.key not in recorded]
    for unit in free:
        if sum(abs(need[label]) - abs(need[label] - n) for label, n in unit.labels.items()) > 0:
            taken.append(unit)
            for label, n in unit.labels.items():
                need[label] -= n
    taken += _for_absent(free, taken=taken, counts=counts)
    return {
        index for unit in _leaving_some(gathered, taken=taken, valid_share=valid_share) for index in unit.rows
    }


def _for_absent(free: Sequence[_Unit], *, taken: Sequence[_Unit], counts: Mapping[str, int]) -> list[_Unit]:
    """Return the smallest free unit of each class of which nothing is held out (all too large)."""
    present = {label for unit in taken for label in unit.labels}
    chosen = []
    for label in sorted(set(counts) - present):
        having = [unit for unit in free if label in unit.labels]
        if having and label not in present:
            chosen.append(min(having, key=lambda unit: len(unit.rows)))
            present.update(chosen[-1].labels)
    return chosen


def _leaving_some(gathered: Sequence[_Unit], *, taken: Sequence[_Unit], valid_share: float) -> list[_Unit]:
    """Give back units of a class that is held out whole (relabelled since recorded), but for its share."""
    keys = {unit.key for unit in taken}
    learned = {label for unit in gathered if unit.key not in keys for label in unit.labels}
    for label in sorted({label for unit in taken for label in unit.labels} - learned):
        having = [unit for unit in taken if label in unit.labels and unit.key in keys]
        n_keep = min(round(valid_share * len(having)), len(having) - 1)
        keys -= {unit.key for unit in having[n_keep:]}
    return [unit for unit in taken if unit.key in keys]


def _missing(rows: Sequence[Row], *, held_out: set[int], counts: Mapping[str, int]) -> list[str]:
    absent = sorted(set(counts) - {rows[index].label for index in held_out})
    if not absent:
        return []
    return [
        f"Nothing is held out of {some(absent)}: the figures say nothing about "
        f"{'it' if len(absent) == 1 else 'them'}."
    ]


def _given(
    manifest: Manifest, *, used: Sequence[int], pool: Iterable[int], units: NDArray[np.integer]
) -> SplitPlan:
    n_free = sum(manifest.rows[index].split == "" for index in used)
    sides = dict.fromkeys(pool, "train")
    notes = (
        (f"{count(n_free, 'picture')} without a split went to train, because others have one.",)
        if n_free
        else ()
    )
    leaks = _leaks(manifest.rows, used=used, units=units, sides=sides)
    return SplitPlan(_with_sides(manifest, used=used, sides=sides), "given", notes, leaks)


def _with_sides(manifest: Manifest, *, used: Iterable[int], sides: Mapping[int, str]) -> Manifest:
    """Return the manifest with the sides filled in; rows not in use stand on none."""
    new = {index: sides.get(index, manifest.rows[index].split) for index in used}
    return manifest.with_rows(
        replace(row, split=new.get(index, "")) for index, row in enumerate(manifest.rows)
    )


def _leaks(
    rows: Sequence[Row], *, used: Iterable[int], units: NDArray[np.integer], sides: Mapping[int, str]
) -> tuple[tuple[int, ...], ...]:
    members: dict[int, list[int]] = {}
    for index in used:
        members.setdefault(int(units[index]), []).append(index)
    return tuple(
        tuple(inside)
        for inside in members.values()
        if len({sides.get(index, rows[index].split) for index in inside}) > 1
    )
