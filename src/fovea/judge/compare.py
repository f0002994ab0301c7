"""Two runs on the same pictures: which answers changed, and whether by more than chance (McNemar, exact)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Labels
from fovea.judge.intervals import binomial_tail


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed between two runs.

    `changed` int64 (c,): rows whose answer differs; `n_fixed` were wrong and are right, `n_broken` the other
    way; `p_value` in [0, 1], of McNemar's exact test that neither way is likelier: small means more than
    chance.
    """

    n: int
    changed: NDArray[np.int64]
    n_fixed: int
    n_broken: int
    p_value: float
    text: str


def compare(old: Labels, new: Labels, *, labels: Labels) -> Comparison:
    """Compare the answers of two runs on the same pictures.

    Args:
        old: int (n,), the older run's answers.
        new: int (n,), the newer run's.
        labels: int (n,), the true classes, -1 where unknown (these count as changed or not, neither fixed nor
            broken).
    """
    known = labels >= 0
    was, now = (old == labels) & known, (new == labels) & known
    fixed, broken = int((~was & now).sum()), int((was & ~now).sum())
    p_value = (
        min(1.0, 2 * binomial_tail(min(fixed, broken), fixed + broken, share=0.5)) if fixed + broken else 1.0
    )
    changed = np.flatnonzero(old != new).astype(np.int64)
    verdict = "more than chance would" if p_value < 0.05 else "no more than chance may"
    text = (
        f"Of {len(labels):,} pictures in both runs {len(changed):,} are answered differently: "
        f"{fixed:,} were wrong and are right, {broken:,} were right and are wrong; {verdict} "
        f"(McNemar's exact test, p = {p_value:.2g})."
    )
    return Comparison(len(labels), changed, fixed, broken, p_value, text)
