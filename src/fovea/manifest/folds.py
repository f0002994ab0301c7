"""Folds for cross-validation, every class (or label) spread and no unit torn: labels and units in, fold numbers out."""

import numpy as np
from numpy.typing import NDArray


def fold_numbers(
    labels: NDArray[np.integer], *, units: NDArray[np.integer], n_folds: int, seed: int
) -> NDArray[np.int64]:
    """Return each row's fold (n,) int64 in [0, n_folds), stratified by class, with each unit in one fold.

    `labels` (n,) and `units` (n,) are integers from 0. Classes of units of one row each are spread evenly:
    their counts in any two folds differ by at most one. With fewer units than folds, the last folds stay
    empty.
    """
    n = len(labels)
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    unit_of_row = np.unique(units, return_inverse=True)[1].reshape(n)
    rows_by_unit = np.argsort(unit_of_row, kind="stable")
    sizes = np.bincount(unit_of_row)
    starts = np.cumsum(sizes) - sizes
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    # Large units first: the small ones then even out what they left.
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    ordered_labels = labels[rows_by_unit].tolist()
    class_sizes = np.bincount(labels).tolist()
    counts = [[0] * n_folds for _ in class_sizes]
    totals = [0] * n_folds
    fold_of_unit = np.zeros(len(sizes), dtype=np.int64)
    for unit in order.tolist():
        inside = ordered_labels[starts[unit] : starts[unit] + sizes[unit]]
        fold = _emptiest(inside, counts=counts, class_sizes=class_sizes, totals=totals)
        fold_of_unit[unit] = fold
        totals[fold] += len(inside)
        for label in inside:
            counts[label][fold] += 1
    folds: NDArray[np.int64] = fold_of_unit[unit_of_row]
    return folds


def _emptiest(
    inside: list[int], *, counts: list[list[int]], class_sizes: list[int], totals: list[int]
) -> int:
    """Return the fold that has least of the classes inside a unit; of several, the one with fewest rows."""
    if len(inside) == 1:
        load: list[float] = list(counts[inside[0]])
    else:
        load = [
            sum(counts[label][fold] / class_sizes[label] for label in inside) for fold in range(len(totals))
        ]
    best = 0
    for fold in range(1, len(totals)):
        if (load[fold], totals[fold]) < (load[best], totals[best]):
            best = fold
    return best


def label_fold_numbers(
    has: NDArray[np.bool_], *, units: NDArray[np.integer], n_folds: int, seed: int
) -> NDArray[np.int64]:
    """Return each row's fold (n,) int64 in [0, n_folds), every label spread, with each unit in one fold.

    `has` bool (n, k): which labels a row has; `units` (n,). Iterative stratification (Sechidis, Tsoumakas and Vlahavas
    2011): the label with the fewest units left goes first, each of its units into the fold that wants most of it.
    """
    unit_of_row = np.unique(units, return_inverse=True)[1].reshape(len(units))
    sizes = np.bincount(unit_of_row)
    # Having none of the labels is spread as one more label would be.
    marks = np.column_stack([has, ~has.any(axis=1)]).astype(np.float64)
    inside = np.zeros((len(sizes), marks.shape[1]))
    np.add.at(inside, unit_of_row, marks)
    wanted = np.tile(inside.sum(axis=0) / n_folds, (n_folds, 1))
    room = np.full(n_folds, len(units) / n_folds)
    order = np.random.default_rng(seed).permutation(len(sizes))
    fold_of_unit = np.full(len(sizes), -1, np.int64)
    while (left := order[fold_of_unit[order] < 0]).size:
        n_left = (inside[left] > 0).sum(axis=0)
        rarest = int(np.where(n_left > 0, n_left, len(sizes) + 1).argmin())
        chosen = left[inside[left, rarest] > 0]
        for unit in chosen[np.argsort(-inside[chosen, rarest], kind="stable")].tolist():
            fold = max(range(n_folds), key=lambda k: (wanted[k, rarest], room[k], -k))
            fold_of_unit[unit] = fold
            wanted[fold] -= inside[unit]
            room[fold] -= sizes[unit]
    folds: NDArray[np.int64] = fold_of_unit[unit_of_row]
    return folds
