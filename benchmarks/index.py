"""`fovea index`: the first time and the second, and the time of a row from first to last.

    python benchmarks/index.py [--photos ../shared/data/products/train] [--weights FILE] [--rows 100000]

Wanted: the second `index` over unchanged pictures at least 50 times faster than the first (the task's own time; that of whole
processes stands beside it), and time per row flat over 100,000 rows: names (hard links) of the 1,797 built-in digits, so that
rows cost what rows cost and the network little. Results go to benchmarks/results/.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from machine import describe_machine

SHARED = Path(__file__).resolve().parents[2] / "shared"
FOVEA = Path(sys.executable).with_name("fovea")


def give(*arguments: object) -> tuple[float, dict[str, float]]:
    """Run `fovea index`; return the process's seconds and what it printed."""
    begun = time.perf_counter()
    command = [str(FOVEA), "index", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - begun, json.loads(done.stdout)


def measure_again(photos: Path, *options: object, rounds: int = 5) -> dict[str, float]:
    """Index `photos` with an empty cache, then several times more."""
    first_process, first = give(photos, *options)
    again = [give(photos, *options) for _ in range(rounds)]
    second = statistics.median(told["seconds"] for _, told in again)
    return {
        "n_pictures": first["n_pictures"],
        "first_seconds": first["seconds"],
        "second_seconds": second,
        "times_faster": round(first["seconds"] / second, 1),
        "first_process_seconds": round(first_process, 3),
        "second_process_seconds": round(statistics.median(seconds for seconds, _ in again), 3),
        "second_us_a_row": round(1e6 * second / first["n_pictures"], 2),
    }


def link_digits(folder: Path, n: int) -> None:
    """Fill a folder with `n` names of the built-in digits, ten class folders of them."""
    from fovea.manifest import write_digits

    write_digits(folder / "digits")
    files = sorted((folder / "digits").rglob("*.png"))
    for number in range(10):
        (folder / "many" / str(number)).mkdir(parents=True)
    for number in range(n):
        os.link(files[number % len(files)], folder / "many" / str(number % 10) / f"{number:07d}.png")


def measure_rows(photos: Path) -> dict[str, float]:
    """Index many names in this process, noting when each chunk was done."""
    from fovea.tasks.index import index

    marks: list[tuple[int, float]] = []

    def note(stage: str, n_done: int, n_total: int) -> None:
        if stage == "index":
            marks.append((n_done, time.perf_counter()))

    told = index(photos, progress=note)
    steps = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(marks) if b[0] > a[0]]
    tenth = max(1, len(steps) // 10)
    again = index(photos)
    return {
        "n_pictures": told.n_pictures,
        "first_seconds": round(told.seconds, 3),
        "row_us_second_tenth": round(1e6 * statistics.median(steps[tenth : 2 * tenth] or steps), 2),
        "row_us_last_tenth": round(1e6 * statistics.median(steps[-tenth:]), 2),
        "second_seconds": round(again.seconds, 3),
        "second_us_a_row": round(1e6 * again.seconds / again.n_pictures, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, default=SHARED / "data" / "products" / "train")
    parser.add_argument("--weights", type=Path, default=SHARED / "weights" / "mobilenetv2_100.safetensors")
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    results: dict[str, object] = {"machine": describe_machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FOVEA_CACHE"] = str(folder / "cache")
        give(
            options.photos / "shorts" if (options.photos / "shorts").is_dir() else options.photos,
            "--weights",
            options.weights,
        )
        for one in (folder / "cache").glob("features-1.sqlite*"):
            one.unlink()  # the network stays converted
        results["photos"] = measure_again(options.photos, "--weights", options.weights)
        print(results["photos"], flush=True)
        os.environ["FOVEA_CACHE"] = str(folder / "rows")
        link_digits(folder, options.rows)
        time.sleep(3)  # files this young are looked at again
        results["rows"] = measure_rows(folder / "many")
        print(results["rows"], flush=True)
    file = Path(__file__).parent / "results" / f"index-{datetime.now(UTC):%Y%m%d-%H%M}.json"
    file.write_text(json.dumps(results, indent=1))
    print(file)


if __name__ == "__main__":
    main()
