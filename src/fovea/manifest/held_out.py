"""Which units are held out: each class's share, by a rank that depends on content and seed alone.

So neither names nor order nor other classes matter, and a picture that is added to a class moves at most one
other.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.manifest.rows import Row


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows (indices) that stay on one side, how many of each class they are, and their rank."""

    rows: tuple[int, ...]
    labels: Mapping[str, int]
    rank: tuple[str, str]


def gather_units(
    rows: Sequence[Row],
    *,
    pool: Iterable[int],
    units: NDArray[np.integer],
    seed: int,
    strata: Sequence[Sequence[str]] | None = None,
) -> list[Unit]:
    """Return the units of the rows in `pool` (indices) by rank; `units` (n,) int, one for each row.

    A row counts for each of its `strata`; where None, for its class.
    """
    members: dict[int, list[int]] = {}
    numbers = units.tolist()
    for index in pool:
        members.setdefault(numbers[index], []).append(index)
    gathered = []
    for inside in members.values():
        # A group keeps its rank when pictures join it; else the content decides (the path, while unknown).
        groups = [f"group {rows[index].group}" for index in inside if rows[index].group]
        name = min(groups or [rows[index].sha256 or rows[index].path for index in inside])
        digest = hashlib.sha256(f"{seed}:{name}".encode(errors="surrogateescape")).hexdigest()
        rank = digest, min(rows[index].path for index in inside)
        labels: dict[str, int] = {}
        for index in inside:
            for label in (rows[index].label or "",) if strata is None else strata[index]:
                labels[label] = labels.get(label, 0) + 1
        gathered.append(Unit(tuple(inside), labels, rank))
    return sorted(gathered, key=lambda unit: unit.rank)


def units_by_class(gathered: Iterable[Unit]) -> Counter[str]:
    """Return how many units hold each class."""
    return Counter(label for unit in gathered for label in unit.labels)


def hold_out(gathered: Sequence[Unit], *, share: float, recorded: Mapping[int, str]) -> set[int]:
    """Return the rows to hold out: `share` of each class's rows, at least one, never all; units by rank.

    `recorded` gives the side ("train", "valid") of units that have one, by their first row. The others are
    taken while they bring their classes nearer to their share.
    """
    sizes = {label: 0 for unit in gathered for label in unit.labels}
    for unit in gathered:
        for label, n in unit.labels.items():
            sizes[label] += n
    need = {label: max(share * n, 1.0) for label, n in sizes.items()}
    taken = [unit for unit in gathered if recorded.get(unit.rows[0]) == "valid"]
    for unit in taken:
        _subtract(need, unit)
    free = [unit for unit in gathered if unit.rows[0] not in recorded]
    for unit in free:
        if sum(abs(need[label]) - abs(need[label] - n) for label, n in unit.labels.items()) > 0:
            taken.append(unit)
            _subtract(need, unit)
    taken += _for_absent(free, taken=taken)
    return {index for unit in _without_whole(gathered, taken=taken, share=share) for index in unit.rows}


def _subtract(need: dict[str, float], unit: Unit) -> None:
    for label, n in unit.labels.items():
        need[label] -= n


def _for_absent(free: Sequence[Unit], *, taken: Iterable[Unit]) -> list[Unit]:
    """Return the smallest free unit of each class of which nothing is taken (all its units are large)."""
    present = {label for unit in taken for label in unit.labels}
    chosen = []
    for label in sorted(units_by_class(free)):
        if label not in present:
            having = [unit for unit in free if label in unit.labels]
            chosen.append(min(having, key=lambda unit: len(unit.rows)))
            present.update(chosen[-1].labels)
    return chosen


def _without_whole(gathered: Iterable[Unit], *, taken: Sequence[Unit], share: float) -> list[Unit]:
    """Give back units of a class that would be held out whole (relabelled since), but for its share."""
    kept = {unit.rows[0]: unit for unit in taken}
    learned = {label for unit in gathered if unit.rows[0] not in kept for label in unit.labels}
    for label in sorted(units_by_class(taken)):
        if label not in learned:
            having = [first for first, unit in kept.items() if label in unit.labels]
            for first in having[min(round(share * len(having)), len(having) - 1) :]:
                learned.update(kept.pop(first).labels)
    return list(kept.values())
