"""Probabilities spread over pictures that look alike: every picture hears its nearest neighbours, the labelled ones speak first.

Label propagation (Zhou et al. 2004) on the graph of nearest neighbours, begun with a classifier's answers for the unlabelled:
alone it falls behind the classifier from ten labels a class on, together they are better than either (lab/LOG.md).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.features import nearest

if TYPE_CHECKING:
    from scipy.sparse import csr_array

N_NEIGHBOURS = 15
SHARE_HEARD = 0.7  # of an answer that comes from the neighbours: lab/LOG.md, 0.5 to 0.8 differ little
_POWER = 3  # of the cosine (Iscen 2019)
_TOGETHER = 64  # columns at a time
_N_ASKED = (
    256  # rows by which it is told how loud the others are: for a tenth of these more would say the same
)
_LEAST = 1e-6  # a probability that no neighbour speaks for
_ROUNDS = 15  # 0.7^15: what comes from further away is less than half a percent


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """How much each of m pictures hears each other one, a symmetric sparse matrix (m, m)."""

    weights: "csr_array"

    def spread(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities (m, k), rows that sum to 1, each mixed with those of what looks alike."""
        heard = self._hear(probabilities)
        mixed: NDArray[np.float64] = heard / heard.sum(axis=1, keepdims=True)
        return mixed

    def logits(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithms (m, k) of what `spread` returns, for a temperature; what nobody speaks for is -13.8."""
        logits: NDArray[np.float64] = np.log(self.spread(probabilities) + _LEAST)
        return logits

    def loudness(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how much everybody (m,) hears of these rows (n,) together, and these of the others of them.

        The second is of all of them where they are few, else of 256 that lie evenly among them.
        """
        everybody = np.zeros(self.weights.shape[0])
        everybody[rows] = 1
        total = self._hear(everybody)
        asked = rows[np.linspace(0, len(rows) - 1, min(len(rows), _N_ASKED)).astype(np.int64)]
        own = np.empty(len(asked))
        for start in range(0, len(asked), _TOGETHER):
            some = asked[start : start + _TOGETHER]
            said = np.zeros((len(total), len(some)))
            said[some, np.arange(len(some))] = 1
            own[start : start + len(some)] = self._hear(said)[some, np.arange(len(some))]
        return total, total[asked] - own

    def _hear(self, said: NDArray[np.float64]) -> NDArray[np.float64]:
        heard = said
        for _ in range(_ROUNDS):
            heard = SHARE_HEARD * (self.weights @ heard) + (1 - SHARE_HEARD) * said
        return heard


def find_neighbourhood(features: NDArray[np.float32], *, threads: int | None = None) -> Neighbourhood:
    """Return who is heard by whom among rows (m, d), by the cosine; the features of the last average compare best."""
    from scipy.sparse import csr_array

    m = len(features)
    near, alike = nearest(features, features, k=N_NEIGHBOURS, threads=threads, leave_out_self=True)
    starts = np.arange(m + 1) * near.shape[1]
    found = csr_array(
        (np.maximum(alike, 0).ravel().astype(np.float64) ** _POWER, near.ravel(), starts), (m, m)
    )
    weights = found + found.T
    total = np.asarray(weights.sum(axis=1)).ravel()
    part = np.divide(1, np.sqrt(total), out=np.zeros(m), where=total > 0)
    return Neighbourhood(csr_array(weights.multiply(part[:, None]).multiply(part[None, :])))
