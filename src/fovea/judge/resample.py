"""Intervals of any figure by resampling: whole units are drawn again, so that copies and groups do not count twice."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Numbers

N_DRAWS = 2_000
BLOCK = 250
"""Draws at a time: with 10,000 units their counts take 20 MB."""

Interval: TypeAlias = tuple[float, float]
"""(lower, upper), in the figure's own unit."""


def resampled_interval(
    figure: Callable[[NDArray[np.float64]], NDArray[np.floating[Any]]],
    *,
    units: Numbers,
    seed: int,
    confidence: float = 0.95,
    n_draws: int = N_DRAWS,
) -> Interval | None:
    """Return the percentile interval of a figure over bootstrap draws of units (Efron 1979).

    Args:
        figure: takes how often each picture counts, float64 (draws, n), and gives the figure (draws,); not a number where
            a draw does not define it.
        units: int (n,), pictures of one unit are drawn together.
        seed: of the draws.
        confidence: in (0, 1).
        n_draws: how many.

    Returns:
        (lower, upper), or None where no draw defines the figure, or there is one unit only.
    """
    unit_of_row = np.unique(units, return_inverse=True)[1].reshape(len(units))
    n_units = int(unit_of_row.max()) + 1 if len(units) else 0
    if n_units < 2:
        return None
    rng = np.random.default_rng(seed)
    found = []
    for begin in range(0, n_draws, BLOCK):
        n = min(BLOCK, n_draws - begin)
        drawn = rng.integers(0, n_units, (n, n_units)) + n_units * np.arange(n)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=n * n_units).reshape(n, n_units)
        found.append(np.asarray(figure(counts[:, unit_of_row].astype(np.float64)), np.float64))
    values = np.concatenate(found)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
