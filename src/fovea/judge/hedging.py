"""Answers that hedge: from the likeliest class up a hierarchy to the most specific meaning that is sure enough (Deng 2012)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """What some classes are kinds of: m meanings, the most specific first.

    `holds` float64 (m, k) is 1 where a class is a kind of a meaning (a class is a kind of itself), else 0.
    """

    meanings: tuple[str, ...]
    holds: NDArray[np.float64]


def make_hierarchy(classes: Sequence[str], *, above: Callable[[str], Collection[str]]) -> Hierarchy:
    """Return the hierarchy over k classes; `above` gives all that a class or meaning is a kind of, itself included.

    A meaning is the more specific the fewer classes it holds, and with as many the more there is above it.
    """
    over = [frozenset(above(one)) for one in classes]
    n_classes: dict[str, int] = {}
    for meanings in over:
        for meaning in meanings:
            n_classes[meaning] = n_classes.get(meaning, 0) + 1
    ordered = sorted(n_classes, key=lambda one: (n_classes[one], -len(above(one)), one))
    holds = np.array([[meaning in meanings for meanings in over] for meaning in ordered], np.float64)
    return Hierarchy(tuple(ordered), holds)


def climb(
    probabilities: NDArray[np.float64], hierarchy: Hierarchy, *, sure: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the most specific meaning whose classes together are probable enough.

    Args:
        probabilities: (n, k), rows that sum to 1.
        hierarchy: over the k classes.
        sure: in (0, 1): what the classes' probabilities must sum to.

    Returns:
        The meaning's number (n,) and its probability (n,); where not even the broadest is as probable, that one.
    """
    together = np.minimum(np.asarray(probabilities, np.float64) @ hierarchy.holds.T, 1.0)
    enough = together >= sure
    enough[:, -1] = True
    found = enough.argmax(axis=1)
    return found, together[np.arange(len(found)), found]
