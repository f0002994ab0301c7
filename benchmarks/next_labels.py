"""What to label next: the accuracy of 360 random labels of products with at most 36 % as many, the first 45 6 points better.

    python benchmarks/next_labels.py ../shared/data --weights ../shared/weights/mobilenetv2_100.safetensors [--sets products]

The pool is the training split without exact copies, the judge the validation split; a label is revealed when it was chosen, by
what `fovea next` chooses with (fovea.learn: pick_typical, pick_unsure), and the classifier is `fit_probe` on what is labelled.
"rounds" asks as a user would, in rounds up to each budget; "small rounds" in rounds of two pictures a class from the start.
Wanted, means of 10 seeds: never more than 1 point below as many random labels, at any budget, on both sets.
`--averages` judges and chooses without the network's own answers (5,696 of 6,696 columns). `--curve` instead: from 180 random
labels (100 of flowers) the accuracy of twice as many, predicted with its interval, against what these reach.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from machine import describe_machine

from fovea.features import open_backbone, open_store
from fovea.judge import learning_curve, softmax
from fovea.learn import fit_probe, is_early, labelling_space, measure_subsets, pick_typical, pick_unsure
from fovea.manifest import fold_numbers, read_source
from fovea.tasks.stored import read_stored

BUDGETS = {"products": (45, 90, 130, 180, 225, 270, 360), "flowers": (25, 50, 75, 100, 150, 200)}
N_CURVE = {"products": 180, "flowers": 100}
SEEDS = range(10)


class Pool:
    """Pictures to choose from, one of each content, and those that judge."""

    def __init__(self, folder: Path, *, weights: Path, averages: bool) -> None:
        encoder = open_backbone(weights)
        with open_store() as store:
            stored = read_stored(read_source(folder), encoder=encoder, store=store)
        self.stages = [s for s in encoder.stages if not (averages and s.name.endswith(":softmax"))]
        columns = max(stage.stop for stage in self.stages)
        rows = [stored.manifest.rows[k] for k in stored.rows]
        self.names = sorted({row.label for row in rows if row.split == "train"})
        labels = np.array([self.names.index(row.label) if row.label in self.names else -1 for row in rows])
        train = np.array([row.split == "train" for row in rows])
        first = np.zeros(len(rows), bool)
        first[np.unique(np.where(train, stored.content, -1), return_index=True)[1]] = True
        pool, valid = train & first, np.array([row.split == "valid" for row in rows])
        self.features, self.labels = stored.features[pool, :columns], labels[pool]
        self.valid, self.valid_labels = stored.features[valid, :columns], labels[valid]
        self.space = labelling_space([self.features], stages=self.stages)

    def fit(self, chosen: np.ndarray):
        """Return the head of the chosen rows, and the numbers of its classes."""
        known, labels = np.unique(self.labels[chosen], return_inverse=True)
        folds = fold_numbers(labels, units=np.arange(len(labels)), n_folds=5, seed=0)
        names = [self.names[k] for k in known]
        fitted = fit_probe(self.features[chosen], labels, folds=folds, class_names=names, stages=self.stages)
        return fitted, known

    def accuracy(self, chosen: np.ndarray) -> float:
        """Return what the chosen labels reach on the pictures that judge."""
        fit, known = self.fit(chosen)
        return float((known[fit.head.logits(self.valid).argmax(1)] == self.valid_labels).mean())

    def choose(self, chosen: np.ndarray, n: int, *, seed: int) -> np.ndarray:
        """Return the chosen rows and n more: only the labels of the chosen ones are looked at."""
        free = np.ones(len(self.features), bool)
        free[chosen] = False
        if is_early(len(chosen), n_classes=len(np.unique(self.labels[chosen]))):
            picks = pick_typical(self.space, n=n, labelled=~free, free=free, seed=seed)
        else:
            fit, _ = self.fit(chosen)
            answers = softmax(fit.head.logits(self.features))
            picks = pick_unsure(self.space, answers, n=n, free=free, seed=seed)
        return np.concatenate([chosen, picks.rows])


def labels_needed(pool: Pool, budgets: tuple[int, ...]) -> dict[str, dict[str, list[float]]]:
    """Return the accuracies of all seeds by way of choosing and budget."""
    found: dict[str, dict[str, list[float]]] = {"random": {}, "rounds": {}, "small rounds": {}}
    small = 2 * len(pool.names)
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(len(pool.features))
        for n in sorted({*budgets, small, 2 * small, 4 * small}):
            found["random"].setdefault(str(n), []).append(pool.accuracy(order[:n]))
        for way, steps in (("rounds", budgets), ("small rounds", tuple(small * k for k in range(1, 5)))):
            chosen = np.empty(0, np.int64)
            for n in steps:
                chosen = pool.choose(chosen, n - len(chosen), seed=seed)
                if n in budgets or n // small in (1, 2, 4):
                    found[way].setdefault(str(n), []).append(pool.accuracy(chosen))
        last = {way: round(by[str(budgets[0])][-1], 3) for way, by in found.items() if str(budgets[0]) in by}
        print(f"  seed {seed}: {last} at {budgets[0]}", flush=True)
    return found


def forecasts(pool: Pool, n: int) -> list[dict[str, float]]:
    """Return for each seed what is expected of twice n random labels, and what they reach."""
    found = []
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(len(pool.features))[: 2 * n]
        some = order[:n]
        labels = np.unique(pool.labels[some], return_inverse=True)[1]
        subsets = measure_subsets(
            pool.features[some], labels, units=np.arange(n), judged=None, stages=pool.stages, seed=seed
        )
        ahead = learning_curve(subsets.right, sizes=subsets.sizes, n_now=n, n_then=2 * n, seed=seed).forecast
        before, after = pool.accuracy(some), pool.accuracy(order)
        found.append(
            {
                "expected": ahead.accuracy,
                "low": ahead.interval[0],
                "high": ahead.interval[1],
                "gain": ahead.gain,
                "gain_low": ahead.gain_interval[0],
                "gain_high": ahead.gain_interval[1],
                "reached": after,
                "gained": after - before,
            }
        )
        print(" ", {key: round(value, 3) for key, value in found[-1].items()}, flush=True)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(BUDGETS))
    parser.add_argument("--averages", action="store_true")
    parser.add_argument("--curve", action="store_true")
    given = parser.parse_args()
    told = {}
    for name in given.sets:
        pool = Pool(given.data / name, weights=given.weights, averages=given.averages)
        print(f"{name}: {len(pool.features):,} to choose from, {len(pool.valid):,} judge", flush=True)
        if given.curve:
            told[name] = forecasts(pool, N_CURVE[name])
            continue
        told[name] = labels_needed(pool, BUDGETS[name])
        for way, by in told[name].items():
            means = ", ".join(f"{n}: {np.mean(seen):.4f}" for n, seen in by.items())
            print(f"  {way}: {means}", flush=True)
    kind = "-curve" if given.curve else "-averages" if given.averages else ""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M")
    target = Path(__file__).parent / "results" / f"next_labels{kind}-{'-'.join(given.sets)}-{stamp}.json"
    target.write_text(json.dumps({"machine": describe_machine(), "sets": told}, indent=1))
    print(f"written: {target}")


if __name__ == "__main__":
    main()
