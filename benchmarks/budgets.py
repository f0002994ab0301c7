"""`fovea train --method finetune --budget ...` on the given split, and against the probe on seeded splits.

    python budgets.py PHOTOS WEIGHTS [--budgets 60 180 600] [--splits 5] [--split-budget 600] [--runs FOLDER]

The command as a user gives it, in a process of its own. The given split: the figure on the validation part, which also chose.
A seeded split draws a test part of the validation part's size from all labelled pictures; what is trained never sees it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine


def train(photos: Path, weights: Path, *arguments: str, keep: Path | None = None) -> dict[str, Any]:
    """Return the metrics of one run, kept under `keep`, and its seconds from the process's start to its end."""
    out = Path(tempfile.mkdtemp()) / "run"
    command = [
        *(sys.executable, "-m", "fovea", "train", str(photos), "--weights", str(weights)),
        *("--out", str(out), "--json", *arguments),
    ]
    begun = time.perf_counter()
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = time.perf_counter() - begun
    if keep is not None:
        name = f"{photos.name}-{arguments[-1] if arguments else 'probe'}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        shutil.copytree(out, keep / name)
    shutil.rmtree(out.parent)
    return {**json.loads(told), "wall_seconds": seconds}


def row_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared: accuracies, what was kept, seconds."""
    training = metrics.get("training") or {}
    return {
        "accuracy": metrics["accuracy"],
        "test": (metrics.get("test") or {}).get("accuracy"),
        "wall_seconds": round(metrics["wall_seconds"], 1),
        "kept": training.get("kept"),
        "why": training.get("text"),
        "plan": [one["plan"] for one in training.get("attempts", ())],
        "notes": [one["notes"] for one in training.get("attempts", ())],
    }


def seeded_splits(photos: Path, folder: Path, *, n: int) -> Iterator[Path]:
    """Yield folders of links: a test part as large as the validation part, of each class alike; the rest under train."""
    sides = [photos / name for name in ("train", "valid", "val") if (photos / name).is_dir()]
    files = {side: [file for file in side.rglob("*") if file.is_file()] for side in sides}
    share = len(files[sides[1]]) / sum(map(len, files.values()))
    kinds = sorted({file.parent.name for found in files.values() for file in found})
    for seed in range(n):
        rng, place = np.random.default_rng(seed), folder / f"seed{seed}"
        for kind in kinds:
            found = sorted(file for one in files.values() for file in one if file.parent.name == kind)
            n_test = round(len(found) * share)
            for k, at in enumerate(rng.permutation(len(found))):
                target = place / ("test" if k < n_test else "train") / kind
                target.mkdir(parents=True, exist_ok=True)
                (target / f"{k:05d}{found[at].suffix}").symlink_to(found[at].resolve())
        yield place


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--budgets", type=float, nargs="*", default=[60, 180, 600])
    parser.add_argument("--splits", type=int, default=0)
    parser.add_argument("--first-split", type=int, default=0)
    parser.add_argument("--split-budget", type=float, default=600)
    parser.add_argument("--runs", type=Path, help="folder in which all runs are kept")
    args = parser.parse_args()
    result: dict[str, Any] = {"photos": args.photos.name, "given": {}, "splits": {}}
    with tempfile.TemporaryDirectory() as place:
        os.environ["FOVEA_CACHE"] = str(Path(place) / "cache")

        def compare(photos: Path, budgets: list[float]) -> dict[str, Any]:
            told = {"probe": row_of(train(photos, args.weights, keep=args.runs))}
            for budget in budgets:
                for file in Path(os.environ["FOVEA_CACHE"]).glob("features-*"):
                    file.unlink()  # each budget pays for its features
                how = ("--method", "finetune", "--budget", f"{budget:g}s")
                told[f"{budget:g}"] = row_of(train(photos, args.weights, *how, keep=args.runs))
            for name, row in told.items():
                print(
                    photos.name,
                    name,
                    {key: value for key, value in row.items() if key != "plan"},
                    flush=True,
                )
            return told

        if args.budgets:
            result["given"] = compare(args.photos, args.budgets)
        for photos in list(seeded_splits(args.photos, Path(place), n=args.splits))[args.first_split :]:
            result["splits"][photos.name] = compare(photos, [args.split_budget])
    result["machine"] = describe_machine()
    file = (
        Path(__file__).parent / "results" / f"budgets-{args.photos.name}-{datetime.now(UTC):%Y%m%d-%H%M}.json"
    )
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(file)


if __name__ == "__main__":
    main()
