"""The wheel in an empty environment without extras: check, train, predict, sort, evaluate; offline, no torch.

The environment is kept in .make/ as long as pyproject.toml and constraints.txt stay as they are; the wheel is
built and installed anew each time. Every step runs with sockets blocked and with an empty home.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".make" / "wheel"
PYTHON = ENVIRONMENT / "bin" / "python"
BLOCK_SOCKETS = """
import sys
def block(event, arguments):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
        raise RuntimeError(f"the core opened a connection or started a child: {event} {arguments}")
sys.addaudithook(block)
"""


def main() -> None:
    started = time.monotonic()
    install(build())
    subprocess.run([sys.executable, str(ROOT / "scripts" / "installed_size.py"), str(PYTHON)], check=True)
    with tempfile.TemporaryDirectory() as folder:
        use(Path(folder))
    print(f"The wheel works without extras, torch or network ({time.monotonic() - started:.0f} s).")


def build() -> Path:
    out = ROOT / ".make" / "dist"
    shutil.rmtree(out, ignore_errors=True)
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out)
    return next(out.glob("*.whl"))


def install(wheel: Path) -> None:
    stamp = ENVIRONMENT / "stamp"
    declared = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    wanted = hashlib.sha256(b"".join(declared) + sys.version.encode()).hexdigest()
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        run(sys.executable, "-m", "venv", ENVIRONMENT)
        run(*pip, wheel)
        stamp.write_text(wanted)
    run(*pip, "--no-deps", "--force-reinstall", wheel)


def use(folder: Path) -> None:
    """Run the whole job on a few digits and check what each command says."""
    (folder / "block").mkdir()
    (folder / "block" / "sitecustomize.py").write_text(BLOCK_SOCKETS)
    fovea(folder, "data", "digits", "--out", "all")
    for split, wanted in (("photos", range(40)), ("others", range(40, 50))):
        for class_folder in sorted((folder / "all").iterdir()):
            (folder / split / class_folder.name).mkdir(parents=True)
            pictures = sorted(class_folder.iterdir())
            for number in wanted:
                shutil.copy(pictures[number], folder / split / class_folder.name)
    checked = fovea(folder, "check", "photos")
    expect(checked["n_pictures"] == 400, "check counts 400 pictures")
    trained = fovea(folder, "train", "photos", "--out", "run")
    expect(trained["accuracy"] > 0.7, f"train reaches more than 0.7: {trained['accuracy']}")
    expect((folder / "run" / "report.html").stat().st_size > 1000, "train writes a report")
    predicted = fovea(folder, "predict", "run", "others")
    expect(len(predicted) == 100, "predict answers for every picture")
    done = fovea(folder, "sort", "run", "others", "--into", "sorted")
    expect(done["n_sorted"] + done["n_unsure"] == 100, "sort puts every picture somewhere")
    undone = fovea(folder, "sort", "--undo", "sorted")
    expect(undone["n_removed"] == 100, "sort --undo takes every copy away")
    evaluated = fovea(folder, "evaluate", "run", "others")
    expect(evaluated["accuracy"] > 0.7, f"evaluate reaches more than 0.7: {evaluated['accuracy']}")
    expect(not any((folder / "home").iterdir()), "nothing is written into the home")
    absent = (
        "import importlib.util as u, sys; sys.exit(any(u.find_spec(n) for n in ('torch', 'sklearn', 'timm')))"
    )
    run(PYTHON, "-c", absent)


def fovea(folder: Path, *arguments: str) -> Any:
    """Run a command as a user would, offline, and return its JSON."""
    (folder / "home").mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "FOVEA_CACHE": str(folder / "cache"),
        "OPENBLAS_NUM_THREADS": "1",  # its threads spin: minutes instead of seconds where others want the cores
        "PYTHONPATH": str(folder / "block"),
    }
    command = [ENVIRONMENT / "bin" / "fovea", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"fovea {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"The wheel test failed: {what}.")


def run(*command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
