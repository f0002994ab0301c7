"""No socket, no child process, no file in the home: seen by Python's audit hooks and by the system calls."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
import os, sys
seen = []
WATCHED = ("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.exec", "os.system")
sys.addaudithook(lambda name, arguments: seen.append((name, arguments)) if name.startswith(WATCHED) else None)
import hashlib, threading
from pathlib import Path
from fovea.features import Item, extract, load_encoder, open_store
content = b"P6 2 2 255 " + bytes(12)
items = [Item(hashlib.sha256(content).hexdigest(), lambda: content)]
encoder = load_encoder(Path(sys.argv[1]))
with open_store(Path(sys.argv[2])) as store:
    found = extract(encoder, items, store=store)
assert found.n_decoded == 1 and found.features.any(), found
assert "openvino" in sys.modules and sys.modules["openvino_telemetry"] is None
assert not seen, seen
assert not os.listdir(os.environ["HOME"]), os.listdir(os.environ["HOME"])
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Take CI away, which hides the engine's telemetry; return an empty home."""
    monkeypatch.delenv("CI", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.mark.usefixtures("environment")
def test_extraction_opens_no_socket_starts_no_child_and_leaves_the_home_alone(
    small_folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "error", "-c", WORK, str(small_folder), str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.usefixtures("environment")
def test_the_system_calls_show_no_socket_and_no_child_process(small_folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "socket,connect,sendto,fork,vfork,clone,clone3,execve"
    command = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={calls}", sys.executable, "-c", WORK]
    done = subprocess.run(
        [*command, str(small_folder), str(tmp_path / "s")], capture_output=True, check=False
    )
    if b"ptrace" in done.stderr:
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    first, *others = [line for line in lines if "resumed" not in line]
    assert "execve(" in first
    assert [line for line in others if "CLONE_THREAD" not in line] == []
