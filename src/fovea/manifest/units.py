"""Units: pictures that must stay on one side because they are the same, or of one group."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def equal_groups(values: Sequence[str]) -> list[list[int]]:
    """Return the index groups (two or more each) whose values are equal; "" equals nothing."""
    places: dict[str, list[int]] = {}
    for index, value in enumerate(values):
        if value:
            places.setdefault(value, []).append(index)
    return [group for group in places.values() if len(group) > 1]


def join_units(n: int, *links: Iterable[Sequence[int]]) -> NDArray[np.int64]:
    """Return each row's unit (n,) int64: rows that share a group in any of `links` share a unit.

    Units are numbered from 0 in the order of their first row.
    """
    parent = list(range(n))

    def top(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for groups in links:
        for group in groups:
            for other in group[1:]:
                first, second = sorted((top(int(group[0])), top(int(other))))
                parent[second] = first
    # The top is always the unit's first row, so sorted tops are in order of first rows.
    tops = np.fromiter((top(index) for index in range(n)), dtype=np.int64, count=n)
    return np.unique(tops, return_inverse=True)[1].astype(np.int64).reshape(n)
