"""Answers that hedge: from the likeliest class up a hierarchy to the most specific meaning that is sure enough (Deng 2012)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """What some classes are kinds of: m meanings, those of the fewest classes first, no two of the same classes.

    `holds` float64 (m, k) is 1 where a class is a kind of a meaning (a class is a kind of itself), else 0.
    """

    meanings: tuple[str, ...]
    holds: NDArray[np.float64]


def make_hierarchy(classes: Sequence[str], *, above: Callable[[str], Collection[str]]) -> Hierarchy:
    """Return the hierarchy over k classes; `above` gives all that a class or meaning is a kind of, itself included.

    Of meanings that hold the same classes, the one with the most above it is kept: it says the most.
    """
    held: dict[str, list[int]] = {}
    for k, one in enumerate(classes):
        for meaning in above(one):
            held.setdefault(meaning, []).append(k)
    ordered = sorted(held, key=lambda one: (len(held[one]), -len(above(one)), one))
    kept = {tuple(held[one]): one for one in reversed(ordered)}
    meanings = [one for one in ordered if kept[tuple(held[one])] == one]
    holds = np.zeros((len(meanings), len(classes)))
    for row, one in zip(holds, meanings, strict=True):
        row[held[one]] = 1
    return Hierarchy(tuple(meanings), holds)


def climb(
    probabilities: NDArray[np.float64], hierarchy: Hierarchy, *, sure: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the most specific meaning whose classes together are probable enough.

    Args:
        probabilities: (n, k), rows that sum to 1.
        hierarchy: over the k classes.
        sure: in (0, 1): what the classes' probabilities must sum to.

    Returns:
        The number of the meaning (n,) with the fewest classes, of several the likeliest, and its probability (n,); -1 and
        0 where none is as probable.
    """
    together = np.minimum(np.asarray(probabilities, np.float64) @ hierarchy.holds.T, 1.0)
    enough = together >= sure
    n_open = np.where(enough, hierarchy.holds.sum(axis=1), np.inf)
    fewest = enough & (n_open == n_open.min(axis=1, keepdims=True))
    likeliest = np.where(fewest, together, 0.0)
    return np.where(enough.any(axis=1), likeliest.argmax(axis=1), -1), likeliest.max(axis=1)
