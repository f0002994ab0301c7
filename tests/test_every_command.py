"""Every command as a user starts it, over real digits: nothing beyond its work, and JSON as documented.

Each runs in a child process, CI unset, with an empty home and its own cache, under a trace of system calls.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fovea.manifest import write_digits

FOVEA = Path(sys.executable).with_name("fovea")
DOCS = Path(__file__).resolve().parents[1] / "docs"
STEPS = {
    "data": ("data", "digits", "--out", "all"),
    "check": ("check", "photos"),
    "cluster": ("cluster", "photos", "--csv", "groups.csv", "--html", "groups.html"),
    "map": ("map", "photos", "--html", "map.html"),
    "duplicates": ("duplicates", "photos", "--csv", "remove.csv", "--html", "duplicates.html"),
    "suspects": ("suspects", "photos", "--html", "suspects.html", "--fixes", "fixes.csv"),
    "train": ("train", "photos", "--out", "run"),
    "train --since": ("train", "photos", "--out", "second", "--since", "run", "--private"),
    "filter": (
        "filter",
        "photos",
        "--labels",
        "few.csv",
        "--wanted",
        "8",
        "--ask",
        "ask.csv",
        "--html",
        "filter.html",
    ),
    "pseudolabel": ("pseudolabel", "run", "others", "--out", "pseudo", "--photos", "photos"),
    "average": ("average", "run", "second", "--out", "mean", "--photos", "photos"),
    "distil": ("distil", "mean", "photos", "--net", "mlp", "--epochs", "1", "--out", "small"),
    "predict": ("predict", "run", "others"),
    "predict --csv": ("predict", "run", "others", "--csv", "out.csv"),
    "evaluate": ("evaluate", "run", "others"),
    "next": ("next", "run", "others", "-n", "5", "--csv", "next.csv", "--html", "next.html"),
    "next, before any label": ("next", "others", "-n", "5"),
    "curve": ("curve", "photos", "--html", "curve.html"),
    "sort": ("sort", "run", "others", "--into", "sorted", "--labelled", "others"),
    "sort --undo": ("sort", "--undo", "sorted"),
    "train --target regression": (
        "train",
        "table.csv",
        "--out",
        "numbers",
        "--target",
        "regression",
        "--label-by",
        "digit",
    ),
    "train --target labels": ("train", "table.csv", "--out", "labels", "--target", "labels"),
    "predict, of numbers": ("predict", "numbers", "others"),
    "predict, of labels": ("predict", "labels", "others"),
    "evaluate, of numbers": ("evaluate", "numbers", "table.csv", "--label-by", "digit"),
    "evaluate, of labels": ("evaluate", "labels", "table.csv"),
    "index": ("index", "photos"),
    "similar": ("similar", "others", "--in", "photos", "--html", "found.html"),
    "augment": ("augment", "photos", "--out", "grid.html", "--size", "8"),
    "backbones": ("backbones",),
    "cache": ("cache",),
    "doctor": ("doctor",),
}
WRITING = re.compile(r'open(?:at)?\((?:[^"]*, )?"([^"]+)", [^)]*O_(?:WRONLY|RDWR|CREAT)')
CHILD = re.compile(r"\b(?:fork|vfork|execve|clone3?)\(")


@dataclass(frozen=True)
class Job:
    """A folder with everything the commands wrote, and what each printed and asked of the system."""

    folder: Path
    printed: dict[str, str]
    traces: dict[str, list[str]]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    for name in ("home", "cache", "tmp"):
        (folder / name).mkdir()
    write_digits(folder / "digits")
    for class_folder in sorted((folder / "digits").iterdir()):
        pictures = sorted(class_folder.iterdir())
        for split, chosen in (("photos", pictures[:25]), ("others", pictures[25:30])):
            (folder / split / class_folder.name).mkdir(parents=True)
            for picture in chosen:
                shutil.copy(picture, folder / split / class_folder.name)
    write_table(folder)
    printed, traces = {}, {}
    for name, arguments in STEPS.items():
        printed[name], traces[name] = run_traced(folder, *arguments, "--json")
    return Job(folder, printed, traces)


def write_table(folder: Path) -> None:
    """Write a table of the digits with a number and labels for each."""
    rows = ["path,digit,label"]
    for picture in sorted((folder / "photos").glob("*/*")):
        digit = int(re.sub("[^0-9]", "", picture.parent.name))
        labels = [name for name, is_so in (("even", digit % 2 == 0), ("small", digit < 5)) if is_so]
        rows.append(f"{picture.relative_to(folder)},{digit},{';'.join(labels) or 'none'}")
    (folder / "table.csv").write_text("\n".join(rows))
    few = [
        f"{name}/{path.name},{name}"
        for name in "18"
        for path in sorted((folder / "photos" / name).iterdir())[:8]
    ]
    (folder / "few.csv").write_text("\n".join(["path,label", *few]))


def run_traced(folder: Path, *arguments: str) -> tuple[str, list[str]]:
    """Run a command under strace where it can be had; return its output and the lines of the trace."""
    log = folder / "trace"
    calls = "trace=socket,connect,fork,vfork,clone,clone3,execve,open,openat"
    strace = ["strace", "--follow-forks", "--seccomp-bpf", "-e", calls, "-o", str(log)]
    command = [*(strace if shutil.which("strace") else []), str(FOVEA), *arguments]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "FOVEA_CACHE": str(folder / "cache"),
        "OPENBLAS_NUM_THREADS": "1",  # its threads spin: minutes instead of seconds where others want the cores
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, log.read_text(errors="replace").splitlines() if log.exists() else []


@pytest.fixture
def traces(job: Job) -> dict[str, list[str]]:
    if not all(job.traces.values()):
        pytest.skip("strace is not here; scripts/wheel_test.py blocks sockets and children by an audit hook")
    return job.traces


@pytest.mark.parametrize("step", STEPS)
def test_no_command_opens_a_socket(traces: dict[str, list[str]], step: str) -> None:
    assert [line for line in traces[step] if "socket(" in line or "connect(" in line] == []


@pytest.mark.parametrize("step", STEPS)
def test_no_command_starts_a_child(traces: dict[str, list[str]], step: str) -> None:
    calls = [line for line in traces[step] if CHILD.search(line)]
    started = [line for line in calls if "CLONE_THREAD" not in line and "execve resumed" not in line]
    assert len(started) == 1, started  # the command itself
    assert "execve" in started[0]


@pytest.mark.parametrize("step", STEPS)
def test_no_command_writes_outside_its_output_and_its_cache(
    job: Job, traces: dict[str, list[str]], step: str
) -> None:
    written = [match[1] for line in traces[step] if (match := WRITING.search(line))]
    own = (str(job.folder), "/dev/", "/proc/self/")
    assert [path for path in written if path.startswith("/") and not path.startswith(own)] == []


def test_nothing_is_left_in_the_home_or_the_temporary_folder(job: Job) -> None:
    assert list((job.folder / "home").iterdir()) == []
    assert list((job.folder / "tmp").iterdir()) == []


def test_the_cache_is_where_the_user_said(job: Job) -> None:
    assert list((job.folder / "cache").iterdir()) != []


def test_private_runs_hold_no_absolute_path(job: Job) -> None:
    needle = str(job.folder).encode()
    holding = [
        path.name
        for path in (job.folder / "second").rglob("*")
        if path.is_file() and needle in path.read_bytes()
    ]
    assert holding == []


@pytest.mark.parametrize("step", STEPS)
def test_stdout_holds_nothing_but_json(job: Job, step: str) -> None:
    json.loads(job.printed[step])


@pytest.mark.parametrize("step", STEPS)
def test_json_holds_the_documented_keys_and_no_others(job: Job, step: str) -> None:
    documented = documented_keys(step)
    assert documented, f"docs/json.md has no table for fovea {step}"
    assert differences(json.loads(job.printed[step]), documented) == []


def documented_keys(step: str) -> list[str]:
    """Return the keys under `## fovea STEP` of docs/json.md: `a.b` is b in a, `a[].b` in each of a."""
    step = "train" if step in ("train --since", "average", "distil") else step
    section = (DOCS / "json.md").read_text().partition(f"## fovea {step}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)`", section, flags=re.MULTILINE)


def differences(value: Any, keys: list[str], path: str = "") -> list[str]:
    """Return what is in one and not in the other; a key with no keys under it may hold anything."""
    if isinstance(value, list):
        below = [key[3:] for key in keys if key.startswith("[].")]
        return (
            [problem for item in value[:3] for problem in differences(item, below, f"{path}[]")]
            if below
            else []
        )
    if value is None or not keys:
        return []
    tops = {re.split(r"\.|\[\]", key)[0] for key in keys}
    optional = {key.rstrip("?") for key in tops if key.endswith("?")}
    tops = {key.rstrip("?") for key in tops}
    found = [f"{path}.{key} is not documented" for key in value if key not in tops]
    found += [f"{path}.{key} is not there" for key in tops - optional if key not in value]
    for top in tops & set(value):
        below = [
            key.removeprefix(top).removeprefix("?") for key in keys if re.match(rf"{top}\??(\.|\[\])", key)
        ]
        found += differences(value[top], [key.removeprefix(".") for key in below], f"{path}.{top}")
    return found
