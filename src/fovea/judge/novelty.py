"""How unlike anything seen a picture is: a distance of its features, with a limit at a stated false-alarm rate.

The distance is Mahalanobis' to the nearest class minus that to all pictures together, in the space of the leading
principal directions (relative Mahalanobis, Ren 2021). The limit comes from training pictures, each scored by a fit without its fold.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Features, Labels, Numbers

N_DIRECTIONS = 128
SHRINKAGE = 0.1


@dataclass(frozen=True, slots=True)
class NoveltyScore:
    """A fitted distance; `limit` is the score above which a picture counts as unlike anything seen.

    `mean`, `scale` float32 (d,); `directions` float32 (d, r); `centres` float32 (k + 1, r), the last of all pictures;
    `within`, `total` float32 (r, r) whiten the two covariances.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    directions: NDArray[np.float32]
    centres: NDArray[np.float32]
    within: NDArray[np.float32]
    total: NDArray[np.float32]
    limit: float
    false_alarm: float

    def score(self, features: Features) -> NDArray[np.float32]:
        """Return the distance of each row of features (n, d): float32 (n,), higher is stranger."""
        z = ((np.asarray(features, np.float32) - self.mean) / self.scale) @ self.directions
        near = np.stack([np.square((z - c) @ self.within).sum(axis=1) for c in self.centres[:-1]]).min(axis=0)
        return np.asarray(near - np.square((z - self.centres[-1]) @ self.total).sum(axis=1), np.float32)

    def is_unlike(self, features: Features) -> NDArray[np.bool_]:
        """Return whether each row of features (n, d) is further than the limit: bool (n,)."""
        return self.score(features) > self.limit

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name, for a file of arrays."""
        names = ("mean", "scale", "directions", "centres", "within", "total")
        arrays: dict[str, NDArray[np.generic]] = {f"novelty_{name}": getattr(self, name) for name in names}
        arrays["novelty_limit"] = np.array([self.limit, self.false_alarm], np.float64)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "NoveltyScore":
        """Take the arrays of `to_arrays` back; a missing one raises KeyError."""
        f = {
            n: arrays[f"novelty_{n}"].astype(np.float32)
            for n in ("mean", "scale", "directions", "centres", "within", "total")
        }
        limit, false_alarm = (float(v) for v in arrays["novelty_limit"].astype(np.float64))
        return cls(**f, limit=limit, false_alarm=false_alarm)


def fit_novelty(
    features: Features, labels: Labels, *, folds: Numbers, false_alarm: float = 0.01, seed: int = 0
) -> NoveltyScore:
    """Fit the distance on the training part.

    Args:
        features: float (n, d).
        labels: int (n,), 0 to k - 1.
        folds: int (n,), the fold's number of each picture: the limit is taken from fits without its fold.
        false_alarm: the share of pictures like the training ones that may be called unlike, in (0, 1).
        seed: for the random directions of the reduction.
    """
    scores = np.empty(len(features), np.float32)
    for fold in np.unique(folds):
        inside = folds == fold
        fitted = _fit(features[~inside], labels[~inside], false_alarm=false_alarm, limit=np.inf, seed=seed)
        scores[inside] = fitted.score(features[inside])
    limit = _upper_quantile(scores, false_alarm=false_alarm)
    return _fit(features, labels, false_alarm=false_alarm, limit=limit, seed=seed)


def _upper_quantile(scores: NDArray[np.float32], *, false_alarm: float) -> float:
    """Return the score that a further picture exceeds with probability at most `false_alarm` (split conformal)."""
    rank = int(np.ceil((len(scores) + 1) * (1 - false_alarm)))
    return float(np.sort(scores)[min(rank, len(scores)) - 1])


def _fit(features: Features, labels: Labels, *, false_alarm: float, limit: float, seed: int) -> NoveltyScore:
    x = np.asarray(features, dtype=np.float32)
    mean = x.mean(axis=0)
    scale = x.std(axis=0)
    scale[scale < 1e-6] = 1.0
    z = (x - mean) / scale
    _, _, basis = np.linalg.svd(z, full_matrices=False)
    directions = np.ascontiguousarray(basis[: min(N_DIRECTIONS, len(basis))].T)
    y = z @ directions
    present = np.unique(labels)
    centres = np.stack([y[labels == c].mean(axis=0) for c in present] + [y.mean(axis=0)])
    rest = y - centres[np.searchsorted(present, labels)]
    return NoveltyScore(
        mean=mean,
        scale=scale,
        directions=directions,
        centres=centres.astype(np.float32),
        within=_whitener(rest),
        total=_whitener(y - centres[-1]),
        limit=limit,
        false_alarm=false_alarm,
    )


def _whitener(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    covariance = np.asarray(rows.T @ rows / len(rows), np.float64)
    flat = np.trace(covariance) / len(covariance)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * flat * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-12)), np.float32)
