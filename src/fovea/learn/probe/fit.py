"""Features and labels in, a fitted head and out-of-fold logits out. First version: plain L-BFGS for each problem."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.learn.probe.head import Head

if TYPE_CHECKING:
    from fovea.features import Stage

PENALTIES = (0.03, 0.1, 0.3)


@dataclass(frozen=True, slots=True)
class ProbeFit:
    """A head, its out-of-fold logits (n, k) float32, and the penalties tried with their out-of-fold log loss."""

    head: Head
    oof_logits: NDArray[np.float32]
    path: tuple[tuple[float, float], ...]
    seconds: float


def _solve(x: NDArray[np.float32], y: NDArray[np.int64], k: int, penalty: float) -> NDArray[np.float32]:
    from scipy.optimize import minimize

    n, d = x.shape
    onehot = np.eye(k, dtype=np.float32)[y]

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        v = flat.reshape(d + 1, k).astype(np.float32)
        z = x @ v[:d] + v[d]
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        total = e.sum(1, keepdims=True)
        loss = float((np.log(total[:, 0]) - z[np.arange(n), y]).mean())
        r = (e / total - onehot) / n
        g = np.vstack([x.T @ r + penalty * v[:d], r.sum(0)])
        return loss + 0.5 * penalty * float((v[:d].astype(np.float64) ** 2).sum()), g.ravel().astype(np.float64)

    out = minimize(objective, np.zeros((d + 1) * k), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return out.x.reshape(d + 1, k).astype(np.float32)


def fit_probe(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    folds: NDArray[np.int64],
    class_names: Sequence[str],
    stages: "Sequence[Stage]" = (),
    balance: bool = False,
    seed: int = 0,
    warm_start: Head | None = None,
    extra_views: NDArray[np.float32] | None = None,
) -> ProbeFit:
    """Fit a head on features (n, d) and labels (n,) in [0, k); folds (n,) say which rows are held out together."""
    begun = time.perf_counter()
    k = len(class_names)
    mean, scale = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    inverse = np.where(scale > 1e-6, 1 / np.maximum(scale, 1e-6), 0)
    x = ((features - mean) * inverse).astype(np.float32)
    path, best = [], None
    for penalty in PENALTIES:
        oof = np.zeros((len(x), k), np.float32)
        for fold in np.unique(folds):
            out = folds == fold
            v = _solve(x[~out], labels[~out], k, penalty)
            oof[out] = x[out] @ v[:-1] + v[-1]
        z = oof - oof.max(1, keepdims=True)
        loss = float((np.log(np.exp(z).sum(1)) - z[np.arange(len(x)), labels]).mean())
        path.append((penalty, loss))
        if best is None or loss < best[1]:
            best = (penalty, loss, oof)
    assert best is not None
    v = _solve(x, labels, k, best[0])
    head = Head(
        weights=np.ascontiguousarray(v[:-1].T),
        bias=v[-1],
        mean=mean.astype(np.float32),
        scale=np.where(scale > 1e-6, scale, 0).astype(np.float32),
        class_names=tuple(class_names),
        penalty=best[0],
    )
    return ProbeFit(head, best[2], tuple(path), time.perf_counter() - begun)
