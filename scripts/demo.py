"""`make demo`: the main job on the built-in digits, or on one's own pictures (`make demo PHOTOS=folder`)."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / ".make" / "digits"
RUNS = ROOT / "runs"


def main() -> None:
    photos = Path(sys.argv[1]).expanduser().resolve()
    if photos == DIGITS.resolve() and not DIGITS.exists():
        fovea("data", "digits", "--out", DIGITS)
    fovea("train", photos, "--out", fresh_run())


def fresh_run() -> Path:
    """Return runs/demo, or runs/demo-2 and so on: a finished run is never written over."""
    number = 1
    while True:
        run = RUNS / ("demo" if number == 1 else f"demo-{number}")
        if not (run / "model.json").exists():
            return run
        number += 1


def fovea(*arguments: object) -> None:
    command = [str(Path(sys.executable).with_name("fovea")), *map(str, arguments)]
    shown = [str(Path(a).relative_to(ROOT)) if a.startswith(str(ROOT)) else a for a in command[1:]]
    print("$ fovea", *shown, flush=True)
    environment = {"FOVEA_CACHE": str(ROOT / ".make" / "cache"), **os.environ}  # nothing outside the clone
    if code := subprocess.run(command, check=False, cwd=ROOT, env=environment).returncode:
        sys.exit(code)


if __name__ == "__main__":
    main()
