"""`fovea train` against fastai's `fine_tune(3)`: the same pictures, split and weights, one after the other.

    python versus_fastai.py PHOTOS WEIGHTS --fastai-python /path/to/python [--runs 3] [--out FILE.json]

PHOTOS has train/ and valid/. fovea runs `--runs` times as a whole process with an empty store (the weights already
converted, which is done once a file); fastai once. Printed: both times and accuracies, and the ratio of the times.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe_machine

HERE = Path(__file__).parent
WANTED = 70.0


def fovea_once(photos: Path, weights: Path, cache: Path) -> dict[str, float]:
    """Return seconds of the whole process, and accuracy, with nothing stored."""
    for file in cache.glob("features-*"):
        file.unlink()
    out = Path(tempfile.mkdtemp()) / "run"
    command = [
        sys.executable,
        "-m",
        "fovea",
        "train",
        str(photos),
        "--weights",
        str(weights),
        "--out",
        str(out),
        "--json",
    ]
    begun = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, "FOVEA_CACHE": str(cache)}, check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - begun
    metrics = json.loads(done.stdout)
    shutil.rmtree(out.parent)
    return {"wall_seconds": seconds, "accuracy": metrics["accuracy"], **metrics["seconds"]}


def main() -> None:
    """Run both and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--fastai-python", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "versus_fastai.json")
    args = parser.parse_args()
    cache = Path(tempfile.mkdtemp())
    fovea_once(args.photos, args.weights, cache)  # converts the weights
    ours = [fovea_once(args.photos, args.weights, cache) for _ in range(args.runs)]
    print(json.dumps(ours), flush=True)
    command = [str(args.fastai_python), str(HERE / "fastai_side.py"), str(args.photos), str(args.weights)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    theirs = json.loads(told.splitlines()[-1])
    ratio = theirs["seconds"] / statistics.median(run["wall_seconds"] for run in ours)
    result = {
        "machine": describe_machine(),
        "fovea": ours,
        "fastai": theirs,
        "ratio": ratio,
        "wanted": WANTED,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"fastai {theirs['seconds']:.0f} s to {theirs['accuracy']:.4f}; fovea to {ours[0]['accuracy']:.4f}")
    print(f"ratio of the times {ratio:.0f}, wanted {WANTED:.0f}")
    shutil.rmtree(cache)


if __name__ == "__main__":
    main()
