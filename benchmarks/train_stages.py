"""`fovea train` as whole processes: the fit beside the extraction, a second run beside the first, the calibration.

    python benchmarks/train_stages.py ../shared/data/products --weights ../shared/weights/mobilenetv2_100.safetensors

Wanted: fitting with its cross-validation at most 1/4 of the extraction, a second run over stored features at most 1/4 of
the first, calibration error at most its floor and 1.5 points, peak memory under 1.2 GiB. Weights are converted before.
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
from datetime import UTC, datetime
from pathlib import Path

from machine import describe_machine


def train_once(told: argparse.Namespace, cache: Path) -> dict[str, float]:
    """Return what one process took, in seconds of the wall and peak bytes, and its figures."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "fovea",
            "train",
            str(told.photos),
            "--out",
            f"{folder}/run",
            "--json",
        ]
        command += ["--weights", str(told.weights)] if told.weights else []
        begun = time.perf_counter()
        child = subprocess.Popen(
            command,
            env={**os.environ, "FOVEA_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        text = child.stdout.read() if child.stdout else b""
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            sys.exit(f"{' '.join(command)} failed")
        wall = time.perf_counter() - begun
    metrics = json.loads(text)
    return {
        "wall": wall,
        "peak_bytes": usage.ru_maxrss * 1024,
        "accuracy": metrics["accuracy"],
        "ece": metrics["ece"],
        "ece_floor": metrics["ece_floor"],
        **metrics["seconds"],
    }


def main() -> None:
    """Run empty and full stores in turn, print medians and ratios, keep the raw numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    told = parser.parse_args()
    cache = Path(tempfile.mkdtemp())
    train_once(told, cache)  # converts the weights
    first, second = [], []
    for _ in range(told.runs):
        for file in cache.glob("features-*"):
            file.unlink()
        first.append(train_once(told, cache))
        second.append(train_once(told, cache))
    shutil.rmtree(cache)

    def median(runs: list[dict[str, float]], key: str) -> float:
        return statistics.median(run[key] for run in runs)

    summary = {
        "first_seconds": median(first, "wall"),
        "second_over_first": median(second, "wall") / median(first, "wall"),
        "fit_over_extract": statistics.median(run["fit"] / run["extract"] for run in first),
        "ece_minus_floor": median(first, "ece") - median(first, "ece_floor"),
        "accuracy": median(first, "accuracy"),
        "peak_mib": max(run["peak_bytes"] for run in first) / 2**20,
    }
    print(json.dumps(summary, indent=1))
    result = {"machine": describe_machine(), "summary": summary, "first": first, "second": second}
    out = Path(__file__).parent / "results" / f"train_stages-{datetime.now(UTC):%Y%m%d-%H%M}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
