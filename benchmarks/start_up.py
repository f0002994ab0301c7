"""Claim: `fovea --help` answers in under 0.3 s (median of fresh processes, after one to warm the disk cache).

python benchmarks/start_up.py [runs]
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

LIMIT_SECONDS = 0.3


def main() -> None:
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    fovea = Path(sys.executable).with_name("fovea")
    bare = measure([sys.executable, "-c", "pass"], n_runs=n_runs)
    ours = measure([str(fovea), "--help"], n_runs=n_runs)
    print(json.dumps({"seconds": ours, "bare_python_seconds": bare, "limit_seconds": LIMIT_SECONDS}))
    sys.exit(ours["median"] >= LIMIT_SECONDS)


def measure(command: list[str], *, n_runs: int) -> dict[str, float]:
    """Return median, minimum and maximum wall seconds of a command."""
    seconds = []
    for _ in range(n_runs + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    kept = seconds[1:]
    return {
        "median": round(statistics.median(kept), 3),
        "min": round(min(kept), 3),
        "max": round(max(kept), 3),
    }


if __name__ == "__main__":
    main()
