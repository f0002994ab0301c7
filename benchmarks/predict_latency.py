"""Claim: `fovea predict RUN PICTURE` from a fresh process, model used before, takes under 1 s (median wall, 2 cores).

python benchmarks/predict_latency.py RUN PICTURE [runs]

Each run starts a new process with an empty store of features, so that the picture is decoded and encoded each time;
the first run is not counted. Processor seconds stand beside the wall's: on a loaded machine they bound what a quiet
one would take. Exits with 1 where the median is over the limit, or torch or scipy was imported.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_SECONDS = 1.0
WATCHED = ("torch", "scipy")
CODE = (
    "import sys; from fovea.cli import main\n"
    "try: main()\n"
    f"finally: sys.stderr.write(' '.join(name for name in {WATCHED!r} if name in sys.modules))"
)


def main() -> None:
    run, picture = sys.argv[1:3]
    n_runs = int(sys.argv[3]) if len(sys.argv) > 3 else 11
    fovea = [str(Path(sys.executable).with_name("fovea")), "predict", run, picture]
    wall, cpu = zip(*(measure(fovea) for _ in range(n_runs + 1)), strict=True)
    imported = subprocess.run(
        [sys.executable, "-c", CODE, *fovea[1:]], check=True, capture_output=True, text=True
    ).stderr.split()
    median = statistics.median(wall[1:])
    told = {
        "wall_seconds": {"median": median, "min": min(wall[1:]), "max": max(wall[1:]), "all": wall[1:]},
        "processor_seconds": {"median": statistics.median(cpu[1:]), "all": cpu[1:]},
        "limit_seconds": LIMIT_SECONDS,
        "imported": imported,
        "load_average": os.getloadavg(),
        "n_cores": len(os.sched_getaffinity(0)),
    }
    print(json.dumps(told, indent=1))
    sys.exit(median >= LIMIT_SECONDS or bool(imported))


def measure(command: list[str]) -> tuple[float, float]:
    """Return wall and processor seconds of one fresh process."""
    with tempfile.TemporaryDirectory() as cache:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "FOVEA_CACHE": cache})
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return round(wall, 3), round(cpu, 3)


if __name__ == "__main__":
    main()
