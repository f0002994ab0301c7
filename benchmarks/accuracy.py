"""Accuracy of the defaults: products >= 0.93 (given split); over 10 splits 0.930, flowers 0.885, ants_bees 0.965.

    python benchmarks/accuracy.py ../shared/data --weights ../shared/weights/mobilenetv2_100.safetensors

What `fovea train` does for an answer (read, extract, split, folds, fit), without judging and writing. Splits: seeds 0 to
9, declared before any was run, stratified 80/20 of all labelled pictures, the same bytes on one side. Nothing is chosen
here: the seeds that design was chosen on are others (lab/LOG.md). Raw numbers go to benchmarks/results/.
"""

import argparse
import json
import statistics
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from machine import describe_machine

from fovea.features import Encoder, Item, extract, open_backbone, open_store
from fovea.learn import fit_probe
from fovea.manifest import Manifest, assign_splits, fold_numbers, join_units, read_source
from fovea.pictures import content_sha256
from fovea.tasks.train.learn import N_FOLDS

GOALS = {"products": 0.930, "flowers": 0.885, "ants_bees": 0.965}
GIVEN_GOAL = {"products": 0.93}
SEEDS = range(10)


def readable(
    root: Path, encoder: Encoder
) -> tuple[Manifest, np.ndarray[tuple[int, int], np.dtype[np.float32]], list[str]]:
    """Return the labelled readable rows of train and valid, their features, and the sha256 of each."""
    manifest = read_source(root)
    manifest = manifest.with_rows(r for r in manifest.rows if r.split != "test" and r.label and not r.problem)
    files = [manifest.file(row) for row in manifest.rows]
    shas = [content_sha256(file.read_bytes()) for file in files]
    with open_store() as store:
        items = [Item(sha, file.read_bytes) for sha, file in zip(shas, files, strict=True)]
        found = extract(encoder, items, store=store)
    good = [index for index, problem in enumerate(found.problems) if not problem]
    rows = [replace(manifest.rows[index], sha256=shas[index]) for index in good]
    return manifest.with_rows(rows), found.features[good], [shas[index] for index in good]


def measure(
    manifest: Manifest, features: np.ndarray, *, units: np.ndarray, seed: int, encoder: Encoder
) -> dict[str, float]:
    """Return the validation accuracy of one split, and what was chosen on its training part."""
    rows = assign_splits(manifest, units=units, seed=seed).manifest.rows
    names = manifest.class_names
    labels = np.array([names.index(row.label or "") for row in rows])
    train = np.flatnonzero([row.split == "train" for row in rows])
    valid = np.flatnonzero([row.split == "valid" for row in rows])
    folds = fold_numbers(labels[train], units=units[train], n_folds=N_FOLDS, seed=seed)
    fit = fit_probe(
        features[train], labels[train], folds=folds, class_names=names, stages=encoder.stages, seed=seed
    )
    right = fit.head.logits(features[valid]).argmax(1) == labels[valid]
    return {
        "seed": seed,
        "accuracy": float(right.mean()),
        "n_train": len(train),
        "n_valid": len(valid),
        "penalty": fit.head.penalty,
        "fit_seconds": fit.seconds,
    }


def run(data: Path, *, weights: Path | None, names: list[str]) -> dict[str, object]:
    """Measure the given split and the seeded ones of each set."""
    encoder = open_backbone(weights)
    report: dict[str, object] = {"backbone": encoder.name, "precision": encoder.precision}
    for name in names:
        manifest, features, shas = readable(data / name, encoder)
        numbers = np.unique(shas, return_inverse=True)[1]
        units = join_units(
            len(shas), *[[np.flatnonzero(numbers == n)] for n in np.flatnonzero(np.bincount(numbers) > 1)]
        )
        given = measure(manifest, features, units=units, seed=0, encoder=encoder)
        free = manifest.with_rows(replace(row, split="") for row in manifest.rows)
        splits = [measure(free, features, units=units, seed=seed, encoder=encoder) for seed in SEEDS]
        figures = [split["accuracy"] for split in splits]
        report[name] = {
            "n_pictures": len(shas),
            "given": given,
            "mean": statistics.mean(figures),
            "standard_deviation": statistics.stdev(figures),
            "goal": GOALS.get(name),
            "given_goal": GIVEN_GOAL.get(name),
            "splits": splits,
        }
        print(
            f"{name}: given {given['accuracy']:.4f}, {len(figures)} splits {statistics.mean(figures):.4f} "
            f"(sd {statistics.stdev(figures):.4f}), goal {GOALS.get(name)}",
            flush=True,
        )
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder that holds products, flowers, ants_bees")
    parser.add_argument("--weights", type=Path, help="safetensors of a backbone; the embedded one without it")
    parser.add_argument("--only", nargs="+", default=list(GOALS), help="names of sets")
    options = parser.parse_args()
    report = run(options.data, weights=options.weights, names=options.only)
    now = datetime.now(UTC)
    report |= {"machine": describe_machine(), "when": now.isoformat(timespec="seconds")}
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"accuracy-{report['backbone']}-{now:%Y%m%d-%H%M}.json").write_text(
        json.dumps(report, indent=1)
    )


if __name__ == "__main__":
    main()
