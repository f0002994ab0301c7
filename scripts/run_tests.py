"""Run the tests in several processes, two at a time, and judge their coverage together.

Not in one: thousands of compiled networks in one process end in a segmentation fault once torch is used beside them.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ROOT / ".coverage_parts"
FIRST = (  # the longest, so that the others fill up the end
    ["tests/tasks", "--ignore=tests/tasks/train"],
    ["tests/learn"],
    ["tests/tasks/train"],
    ["tests/features"],
)


def groups() -> list[list[str]]:
    """Return the tests' folders, the longest by themselves and first, and the files beside them."""
    folders = sorted(f"tests/{one.parent.name}" for one in (ROOT / "tests").glob("*/test_*.py"))
    rest = [name for name in dict.fromkeys(folders) if not any(name in names for names in FIRST)]
    files = sorted(f"tests/{one.name}" for one in (ROOT / "tests").glob("test_*.py"))
    return [*FIRST, files, rest[::2], rest[1::2]]


def run(number: int, names: list[str]) -> int:
    """Run one group, print what it said when it ends, and return its status."""
    environment = {
        **os.environ,
        "COVERAGE_FILE": str(PARTS / f"part{number}"),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", "--cov", "--cov-report=", "--cov-fail-under=0", *names]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"{' '.join(names)}\n{done.stdout}", flush=True)
    return done.returncode


def main() -> int:
    """Run all groups; return 0 where every one passed and the coverage's floor holds."""
    shutil.rmtree(PARTS, ignore_errors=True)
    PARTS.mkdir()
    chosen = groups()
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        codes = list(pool.map(run, range(len(chosen)), chosen))
    failed = [" ".join(names) for names, code in zip(chosen, codes, strict=True) if code]
    if failed:
        print(f"failed: {'; '.join(failed)}")
        return 1
    coverage = [sys.executable, "-m", "coverage"]
    files = [str(file) for file in PARTS.iterdir()]
    subprocess.run([*coverage, "combine", *files], cwd=ROOT, check=True)
    return subprocess.run([*coverage, "report"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
