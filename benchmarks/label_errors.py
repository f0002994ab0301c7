"""Label errors of people (CIFAR-10N, the first 10,000 training pictures): ours and cleanlab's rankings from the same numbers.

    python benchmarks/label_errors.py CIFAR WEIGHTS NOISY [--features FILE] [--labels random_label1 aggre_label worse_label]

CIFAR is a folder with CIFAR-10's data_batch_1, WEIGHTS MobileNetV2's, NOISY cifar10n/labels.npz. Features are made once and
kept in FILE. cleanlab is given the out-of-fold probabilities that ours uses, in the same run. Wanted on random_label1 (17.8 %
wrong): average precision at least 0.87, the first 500 at least 99 % right, above each of cleanlab's rankings; the estimated
number of errors within 20 % of the truth. Raw numbers go to benchmarks/results/.
"""

import argparse
import json
import pickle
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.count import num_label_issues
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from machine import describe_machine
from sklearn.metrics import average_precision_score

from fovea.features import Stage, open_backbone
from fovea.learn.suspects import Suspicion, find_suspects
from fovea.manifest import fold_numbers
from fovea.pictures import resize
from fovea.tasks.stored import last_columns

N = 10_000
RANKINGS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
FILTERS = (
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_self_confidence",
    "low_normalized_margin",
)


def make_features(cifar: Path, weights: Path) -> tuple[np.ndarray, np.ndarray, slice]:
    """Return features float16 (n, d), the stages as rows of name, start and stop, and the columns to compare by."""
    batch = pickle.loads((cifar / "data_batch_1").read_bytes(), encoding="bytes")
    pixels = np.asarray(batch[b"data"]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    encoder = open_backbone(weights)
    size = encoder.preprocess

    def batches() -> Any:
        for start in range(0, N, encoder.batch_size):
            yield np.stack(
                [
                    resize(one, height_px=size.height_px, width_px=size.width_px, fit=size.fit)
                    for one in pixels[start : start + encoder.batch_size]
                ]
            )

    features = np.concatenate([made.astype(np.float16) for made in encoder.encode_batches(batches())])
    stages = np.array([(one.name, str(one.start), str(one.stop)) for one in encoder.stages])
    return features, stages, last_columns(encoder)


def judge(scores: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    """Return how well scores, the worst highest, put the wrong labels first."""
    order = np.argsort(-scores, kind="stable")
    return {
        "average_precision": float(average_precision_score(wrong, scores)),
        **{f"first_{n}": float(wrong[order[:n]].mean()) for n in (100, 500)},
        "first_as_many_as_wrong": float(wrong[order[: wrong.sum()]].mean()),
    }


def theirs(labels: np.ndarray, found: Suspicion, wrong: np.ndarray) -> dict[str, Any]:
    """Return cleanlab's rankings judged, and how many errors it counts, from the same out-of-fold probabilities."""
    p = found.probabilities
    ranked = {
        name: judge(-get_label_quality_scores(labels, p, method=name, adjust_pred_probs=False), wrong)
        for name in RANKINGS
    }
    ranked |= {
        f"{name}, adjusted": judge(
            -get_label_quality_scores(labels, p, method=name, adjust_pred_probs=True), wrong
        )
        for name in RANKINGS[:2]
    }
    counts = {name: int(find_label_issues(labels, p, filter_by=name, n_jobs=1).sum()) for name in FILTERS}
    for method in ("off_diagonal", "off_diagonal_calibrated"):
        counts[f"num_label_issues, {method}"] = int(num_label_issues(labels, p, estimation_method=method))
    return {"rankings": ranked, "counts": counts}


def measure(
    features: np.ndarray, stages: list[Stage], compared: slice, *, labels: np.ndarray, truth: np.ndarray
) -> dict[str, Any]:
    """Return what ours and cleanlab find in one set of noisy labels."""
    wrong = labels != truth
    begun = time.perf_counter()
    found = find_suspects(
        features,
        labels,
        compared=features[:, compared],
        units=np.arange(N),
        folds=fold_numbers(labels, units=np.arange(N), n_folds=5, seed=0),
        class_names=[str(k) for k in range(10)],
        stages=stages,
    )
    seconds = time.perf_counter() - begun
    return {
        "n_wrong": int(wrong.sum()),
        "seconds": seconds,
        "weight": found.weight,
        "ours": judge(found.doubts.doubt, wrong),
        "n_errors": found.expected.n_errors,
        "n_errors_interval": found.expected.n_errors_interval,
        "off_by": found.expected.n_errors / wrong.sum() - 1,
        "yields": [
            {
                "n": one.n,
                "precision": one.precision,
                "precision_interval": one.precision_interval,
                "true_precision": float(
                    wrong[np.argsort(-found.doubts.doubt, kind="stable")[: one.n]].mean()
                ),
                "recall": one.recall,
                "true_recall": float(
                    wrong[np.argsort(-found.doubts.doubt, kind="stable")[: one.n]].sum() / wrong.sum()
                ),
            }
            for one in found.expected.yields
        ],
        "cleanlab": theirs(labels, found, wrong),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cifar", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("--features", type=Path, default=Path("cifar10_features.npz"))
    parser.add_argument("--labels", nargs="+", default=["random_label1", "aggre_label", "worse_label"])
    options = parser.parse_args()
    if not options.features.exists():
        made, rows, columns = make_features(options.cifar, options.weights)
        np.savez(options.features, features=made, stages=rows, compared=[columns.start, columns.stop])
    saved, noisy = np.load(options.features), np.load(options.noisy)
    features = saved["features"].astype(np.float32)
    stages = [Stage(name, int(start), int(stop)) for name, start, stop in saved["stages"].tolist()]
    truth = noisy["clean_label"][:N].astype(np.int64)
    now = datetime.now(UTC)
    report: dict[str, Any] = {"machine": describe_machine(), "when": now.isoformat(timespec="seconds")}
    folder = Path(__file__).parent / "results"
    for name in options.labels:
        labels = noisy[name][:N].astype(np.int64)
        report[name] = measure(
            features, stages, slice(*saved["compared"].tolist()), labels=labels, truth=truth
        )
        print(name, json.dumps(report[name], indent=1), flush=True)
        (folder / f"label_errors-{now:%Y%m%d-%H%M}.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
