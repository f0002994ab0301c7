"""Targets other than one class a picture: a number in every label cell, or several labels (`a;b`, `none`).

Rows keep the cell as their label, in one spelling; here stand what it means, what can be learned of it, and the strata by
which sides and folds are made alike.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.manifest.classes import nothing_readable, require_known_classes
from fovea.manifest.rows import Manifest, Row
from fovea.manifest.splits import MIN_UNITS
from fovea.wording import count, some

TARGETS = ("classes", "regression", "labels")
SEPARATOR = ";"
NO_LABELS = "none"
MIN_PICTURES = 10
"""Fewer different pictures to learn from are refused: five folds of two."""
MAX_BINS = 10
MANY = 0.1
"""Share of label cells with a semicolon from which the option is named."""
NEARLY_ALL = 0.95
"""Share of label cells that are numbers from which the option is named."""
FEW_NUMBERS = 20
"""So many different numbers may be names of classes."""

Strata: TypeAlias = Callable[[Manifest, NDArray[np.int64]], list[tuple[str, ...]]]
"""From a manifest and each row's unit to the strata of each row: sides and folds hold their shares of each."""


def number_of(cell: str | None) -> float | None:
    """Return the number that a cell holds, written as in 3.5 or -2e3; None where it is no finite one."""
    try:
        number = float(cell or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in str(cell) else None


def labels_of(cell: str | None) -> tuple[str, ...]:
    """Return the different labels of a cell, sorted; () for `none`."""
    return tuple(sorted({part.strip() for part in (cell or "").split(SEPARATOR)} - {"", NO_LABELS}))


def join_labels(names: Sequence[str]) -> str:
    """Return labels as a cell: `a;b`, or `none`."""
    return SEPARATOR.join(names) or NO_LABELS


def require_numbers(manifest: Manifest) -> None:
    """Raise unless there are numbers enough to learn from, and different ones.

    Raises:
        InputError: nothing readable, no number in a label, fewer than 10 pictures, or one number only.
    """
    pool = _pool(manifest)
    wrong = sorted({row.label or "" for row in pool if number_of(row.label) is None})
    if wrong:
        raise InputError(
            f"--target regression needs a number as every label, and {some(wrong)} "
            f"{'is' if len(wrong) == 1 else 'are'} none. Give a table path,label with numbers, or name its column with "
            "--label-by."
        )
    _require_enough(pool)
    numbers = {number_of(row.label) for row in pool}
    if len(numbers) == 1:
        raise InputError(
            f"All {count(len(pool), 'picture')} to learn from have the number {numbers.pop():g}: there is nothing to tell "
            "apart. Give pictures of different numbers."
        )


def require_labels(manifest: Manifest, *, is_folder: bool) -> None:
    """Raise unless there are pictures enough, with several labels where they come from folders.

    Raises:
        InputError: nothing readable, fewer than 10 pictures, or folders, which give one label each.
    """
    pool = _pool(manifest)
    _require_enough(pool)
    if is_folder and not any(SEPARATOR in (row.label or "") for row in manifest.rows):
        raise InputError(
            "--target labels needs several labels a picture, and folders give each picture one. Write a table with the "
            f"columns path,label and cells such as dog{SEPARATOR}outdoor, or leave --target out."
        )


def canonical_labels(manifest: Manifest) -> Manifest:
    """Return the manifest with every label cell in one spelling: sorted, without blanks, `none` for no label."""
    return manifest.with_rows(
        row if row.label is None else replace(row, label=join_labels(labels_of(row.label)))
        for row in manifest.rows
    )


def change_labels(manifest: Manifest, *, drop: Sequence[str] = (), merge: Mapping[str, str]) -> Manifest:
    """Return the manifest without the labels in `drop`, and with each label in `merge` under its new name.

    Raises InputError where a label is not there.
    """
    known = sorted({name for row in manifest.rows for name in labels_of(row.label)})
    require_known_classes(drop, option="--drop", known=known, what="label")
    require_known_classes(merge, option="--merge", known=known, what="label")
    notes = [f"The label {name!r} was dropped." for name in dict.fromkeys(drop)]
    notes += [f"The label {old!r} was merged into {new!r}." for old, new in merge.items() if old != new]

    def changed(row: Row) -> Row:
        if row.label is None:
            return row
        names = {merge.get(name, name) for name in labels_of(row.label) if name not in drop}
        return replace(row, label=join_labels(sorted(names)))

    return manifest.with_rows(map(changed, manifest.rows), notes=notes)


def value_strata(manifest: Manifest, units: NDArray[np.int64]) -> list[tuple[str, ...]]:
    """Return each row's stratum: at most ten ranges of numbers that equally many pictures fall into.

    Raises InputError where the pictures to learn from are fewer than five units.
    """
    pool = [k for k, row in enumerate(manifest.rows) if _is_in_pool(row)]
    n_units = _require_units(units[pool], n_pictures=len(pool))
    numbers = np.array([number_of(row.label) or 0.0 for row in manifest.rows])
    n_bins = min(MAX_BINS, max(1, n_units // (2 * MIN_UNITS)))
    while True:
        edges = np.unique(np.quantile(numbers[pool], np.linspace(0, 1, n_bins + 1)[1:-1]))
        bins = np.searchsorted(edges, numbers, side="right")
        fewest = min(len(set(units[pool][bins[pool] == one].tolist())) for one in np.unique(bins[pool]))
        if n_bins == 1 or fewest >= MIN_UNITS:
            break
        n_bins //= 2
    spans = {
        int(one): (numbers[pool][inside].min(), numbers[pool][inside].max())
        for one in np.unique(bins[pool])
        if (inside := bins[pool] == one).any()
    }
    names = {one: f"the numbers {low:.4g} to {high:.4g}" for one, (low, high) in spans.items()}
    return [(names[one],) if one in names else () for one in bins.tolist()]


def learned_labels(manifest: Manifest, units: NDArray[np.int64]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels that can be learned, sorted, and notes: five units must have one, and five must not.

    Raises InputError where there is none, or the pictures to learn from are fewer than five units.
    """
    pool = [k for k, row in enumerate(manifest.rows) if _is_in_pool(row)]
    n_units = _require_units(units[pool], n_pictures=len(pool))
    having: dict[str, set[int]] = {}
    for k in pool:
        for name in labels_of(manifest.rows[k].label):
            having.setdefault(name, set()).add(int(units[k]))
    counts = {name: len(inside) for name, inside in sorted(having.items())}
    rare = [f"{name} ({n:,})" for name, n in counts.items() if n < MIN_UNITS]
    common = [f"{name} ({n:,})" for name, n in counts.items() if n > n_units - MIN_UNITS and n >= MIN_UNITS]
    kept = tuple(name for name, n in counts.items() if MIN_UNITS <= n <= n_units - MIN_UNITS)
    if not kept:
        raise InputError(
            f"No label can be learned: of {count(n_units, 'different picture')} at least {MIN_UNITS} must have it and "
            f"{MIN_UNITS} must not. Found: {some([*rare, *common]) or 'no label at all'}. Add pictures."
        )
    notes = []
    if rare:
        notes.append(
            f"{count(len(rare), 'label')} left out, on fewer than {MIN_UNITS} different pictures: {some(rare)}."
        )
    if common:
        notes.append(
            f"{count(len(common), 'label')} left out, on nearly all of {n_units:,} different pictures: {some(common)}."
        )
    return kept, tuple(notes)


def label_strata(manifest: Manifest, units: NDArray[np.int64]) -> list[tuple[str, ...]]:
    """Return the labels of each row that can be learned, as its strata; (`none`,) for none of them, if often enough."""
    kept, _ = learned_labels(manifest, units)
    inside = [tuple(name for name in labels_of(row.label) if name in set(kept)) for row in manifest.rows]
    bare = {int(units[k]) for k, row in enumerate(manifest.rows) if _is_in_pool(row) and not inside[k]}
    return [names or ((NO_LABELS,) if len(bare) >= MIN_UNITS else ()) for names in inside]


def suggest_target(manifest: Manifest) -> str:
    """Return a note that names --target where the labels look like several or like numbers; else ""."""
    cells = [row.label for row in manifest.rows if row.label]
    if not cells:
        return ""
    several = [cell for cell in cells if len(labels_of(cell)) > 1]
    if len(several) >= max(1, MANY * len(cells)):
        return (
            f"{len(several):,} of {len(cells):,} labels hold {SEPARATOR!r}, as {several[0]!r} does, and each is taken for the "
            "name of one class. To learn several labels a picture: --target labels."
        )
    numbers = Counter(number for cell in cells if (number := number_of(cell)) is not None)
    different = len(numbers)
    broken = any(not number.is_integer() for number in numbers)
    many = different > max(FEW_NUMBERS, MANY * len(cells))
    if numbers.total() >= NEARLY_ALL * len(cells) and different > 2 and (broken or many):
        return (
            f"{numbers.total():,} of {len(cells):,} labels are numbers, {different:,} different ones, and each is taken for "
            "the name of a class. To learn the number: --target regression."
        )
    return ""


def _is_in_pool(row: Row) -> bool:
    return not row.problem and row.label is not None and row.split in ("", "train")


def _pool(manifest: Manifest) -> list[Row]:
    if all(row.problem for row in manifest.rows):
        raise InputError(nothing_readable(manifest))
    return [row for row in manifest.rows if _is_in_pool(row)]


def _require_enough(pool: Sequence[Row]) -> None:
    n = len({row.sha256 or row.path for row in pool})
    if n < MIN_PICTURES:
        raise InputError(
            f"There {'is' if n == 1 else 'are'} {count(n, 'different labelled picture')} to learn from, and at least "
            f"{MIN_PICTURES} are needed; some hundreds make a figure worth reading. Add pictures."
        )


def _require_units(units: NDArray[np.int64], *, n_pictures: int) -> int:
    n = len(np.unique(units))
    if n < MIN_UNITS:
        raise InputError(
            f"The {count(n_pictures, 'picture')} to learn from are {count(n, 'unit')} only (a group, or copies of one "
            f"picture, count once), and at least {MIN_UNITS} are needed. Add others, or group less."
        )
    return n
