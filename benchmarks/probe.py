"""The probe's fit with its cross-validation, against scikit-learn's for the same penalties and folds.

    python benchmarks/probe.py

Drawn features of the shape that `products` has (n 3,795, d 5,696, k 9), in turn, medians of several rounds. scikit-learn
fits what `fit_probe` tried: every penalty of its path on every fold, and the last fit; its data are copied a fold each,
standardised as ours. Its labels are the plain ones: it takes no smoothed ones but as a row for every class, which would
be k times the work (tests/learn/test_probe_fit.py compares the optima so). Both compute on one thread of BLAS where the
environment says so. Raw numbers go to benchmarks/results/. Run it on a quiet machine.
"""

import argparse
import json
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from machine import describe_machine
from sklearn.linear_model import LogisticRegression

from fovea.learn import ProbeFit, fit_probe


def draw(n: int, d: int, k: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return correlated features (n, d) float32, their variance falling as pooled features' does, and labels (n,)."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, n)
    rank = min(n, d, 1000)
    hidden = generator.normal(size=(n, rank)) + 3 * generator.normal(size=(k, rank))[labels] * (
        np.arange(rank) < 40
    )
    hidden /= (1 + np.arange(rank)) ** 0.5
    points = hidden @ generator.normal(size=(rank, d)) + 0.3 * generator.normal(size=(n, d))
    return points.astype(np.float32), labels


def fit_theirs(points: np.ndarray, labels: np.ndarray, *, folds: np.ndarray, fit: ProbeFit) -> float:
    """Return the seconds that scikit-learn takes for the same fits (weights started from nothing, its tolerance)."""
    begun = time.perf_counter()
    z = (points - fit.head.mean) / fit.head.scale
    for penalty, _ in fit.path:
        for fold in np.unique(folds):
            kept = folds != fold
            LogisticRegression(C=1 / (penalty * kept.sum()), max_iter=1000).fit(z[kept], labels[kept])
    LogisticRegression(C=1 / (fit.head.penalty * len(z)), max_iter=1000).fit(z, labels)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", type=int, nargs=3, default=(3795, 5696, 9), metavar=("N", "D", "K"))
    options = parser.parse_args()
    n, d, k = options.shape
    ours, theirs = [], []
    for seed in range(options.rounds):
        points, labels = draw(n, d, k, seed=seed)
        folds = np.random.default_rng(seed).integers(0, 5, n)
        fit = fit_probe(points, labels, folds=folds, class_names=[str(c) for c in range(k)])
        ours.append(fit.seconds)
        theirs.append(fit_theirs(points, labels, folds=folds, fit=fit))
        print(
            f"ours {ours[-1]:.2f} s, scikit-learn {theirs[-1]:.2f} s, penalties {len(fit.path)}", flush=True
        )
    ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    print(f"scikit-learn takes {ratio:.1f} times as long")
    now = datetime.now(UTC)
    report = {"shape": [n, d, k], "ours_seconds": ours, "scikit_learn_seconds": theirs, "ratio": ratio}
    report |= {"machine": describe_machine(), "when": now.isoformat(timespec="seconds")}
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"probe-{now:%Y%m%d-%H%M}.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
