"""Is `--precision p --confidence c` kept, and how much does it accept of what could be accepted?

    python benchmarks/guarantee.py [--splits 1000] [--logits oof.npz] [--json out.json]

`oof.npz` holds `labels` (n,) and out-of-fold `logits` (n, k) of real pictures. CLAIM
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.judge import fit_temperature, softmax, threshold_for_precision

Arrays = tuple[NDArray[np.float64], NDArray[np.float64]]


def draw_world(name: str, n: int, rng: np.random.Generator) -> Arrays:
    """Return probabilities of the answers and the true chance of each to be wrong."""
    margin = np.abs(rng.normal(3.2, 2.2, n)) + 0.2
    if name == "calibrated":  # 94 % right, every probability true
        return 1 / (1 + np.exp(-margin)), 1 / (1 + np.exp(margin))
    if name == "label noise":  # and 1 % of the labels wrong anywhere
        return 1 / (1 + np.exp(-margin)), 0.01 + 0.98 / (1 + np.exp(margin))
    if name == "too sure":
        return 1 / (1 + np.exp(-1.6 * margin)), 1 / (1 + np.exp(margin))
    if name == "weak":  # 65 % right
        probability = np.maximum(1 / (1 + np.exp(-rng.normal(1, 1.5, n))), 0.12)
        return probability, 1 - probability
    if name == "confident mistakes":  # the surest 5 % are wrong more often than those below
        probability = rng.random(n)
        return probability, np.where(probability > 0.95, 0.06, np.where(probability > 0.5, 0.001, 0.15))
    if name == "nothing helps":  # every answer just too often wrong for 95 %: any promise of it is broken
        return 1 / (1 + np.exp(-margin)), np.full(n, 0.0501)
    raise ValueError(name)


WORLDS = ("calibrated", "label noise", "too sure", "weak", "confident mistakes", "nothing helps")


def simulate(name: str, *, n: int, precision: float, n_splits: int) -> dict[str, object]:
    """Draw calibration sets from a world whose true shares are known, and count broken promises."""
    probability, wrong = draw_world(name, 1_000_000, np.random.default_rng(99))
    order = np.argsort(-probability)
    ranked, share_wrong = probability[order], np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    below = np.flatnonzero(share_wrong <= 1 - precision)
    oracle = (below[-1] + 1) / len(order) if len(below) else 0.0
    rng, n_broken, n_given, coverage = np.random.default_rng(0), 0, 0, 0.0
    for _ in range(n_splits):
        scores, chance = draw_world(name, n, rng)
        found = threshold_for_precision(scores, rng.random(n) >= chance, precision=precision)
        if found.threshold is not None:
            accepted = int(np.searchsorted(-ranked, -found.threshold, side="right"))
            n_given += 1
            n_broken += bool(share_wrong[accepted - 1] > 1 - precision)
            coverage += accepted / len(order)
    return {
        "world": name,
        "n": n,
        "precision": precision,
        "n_splits": n_splits,
        "broken": n_broken / n_splits,
        "given": n_given / n_splits,
        "coverage": coverage / n_splits,
        "oracle": oracle,
    }


def split_real(file: Path, *, precision: float, n_splits: int) -> dict[str, object]:
    """Calibrate on half of real out-of-fold answers and count wrong ones in the other half.

    `broken_drawn`: calibration pictures drawn with replacement from all, so that all are the truth.
    """
    arrays = np.load(file)
    labels, logits = arrays["labels"], arrays["logits"]
    p = softmax(logits, fit_temperature(logits, labels))
    top, correct = p.max(axis=1), p.argmax(axis=1) == labels
    rng, n = np.random.default_rng(0), len(labels)
    broken, broken_drawn, coverage, given = 0, 0, 0.0, 0
    for _ in range(n_splits):
        half = rng.permutation(n) < n // 2
        found = threshold_for_precision(top[half], correct[half], precision=precision)
        if found.threshold is not None:
            accepted = top[~half] >= found.threshold
            broken += bool((~correct[~half][accepted]).mean() > 1 - precision)
            given += 1
            coverage += float(accepted.mean())
        drawn = rng.integers(0, n, n // 2)
        found = threshold_for_precision(top[drawn], correct[drawn], precision=precision)
        if found.threshold is not None:
            broken_drawn += bool((~correct[top >= found.threshold]).mean() > 1 - precision)
    return {
        "file": file.name,
        "n": n // 2,
        "precision": precision,
        "n_splits": n_splits,
        "broken": broken / n_splits,
        "broken_drawn": broken_drawn / n_splits,
        "given": given / n_splits,
        "coverage": coverage / n_splits,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splits", type=int, default=1000)
    parser.add_argument("--logits", type=Path, nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for name in WORLDS:
        for n in (300, 1000, 3000):
            for precision in (0.95, 0.98):
                rows.append(simulate(name, n=n, precision=precision, n_splits=options.splits))
                print(json.dumps(rows[-1]), flush=True)
    for file in options.logits:
        for precision in (0.9, 0.95, 0.98):
            rows.append(split_real(file, precision=precision, n_splits=100))
            print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
