"""Stopped in the middle by force, by a full disk, by another process: nothing is lost, the same comes out."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fovea.features import open_store

EXTRACT = """
import sys, time, hashlib
from pathlib import Path
import numpy as np
from fovea.features import Item, extract, load_encoder, open_store

def item(number, seconds):
    pixels = np.random.default_rng(number).integers(0, 256, (36, 40, 3), dtype=np.uint8)
    content = b"P6 40 36 255 " + pixels.tobytes()
    def read():
        time.sleep(seconds)
        return content
    return Item(hashlib.sha256(content).hexdigest(), read)

backbone, store, out, n, seconds = sys.argv[1:]
encoder = load_encoder(Path(backbone))
with open_store(Path(store)) as opened:
    found = extract(encoder, [item(k, float(seconds)) for k in range(int(n))], store=opened)
    np.save(out, found.features)
    print(found.n_decoded, len(set(found.problems)), *opened.notes)
"""


def command(
    backbone: Path, folder: Path, *, name: str = "s", n: int = 300, seconds: float = 0.0
) -> list[str]:
    out = folder / f"{name}-{time.monotonic_ns()}.npy"
    return [
        *(sys.executable, "-W", "error", "-c", EXTRACT),
        *(str(backbone), str(folder / name), str(out), str(n), str(seconds)),
    ]


def run(arguments: list[str]) -> tuple[int, str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Run to the end; return the number decoded, what was said, and the features."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    n_decoded, _, said = done.stdout.strip().partition(" 1")
    return int(n_decoded), said.strip(), np.load(arguments[7])


def n_stored(file: Path) -> int:
    with open_store(file) as store:
        encoders = store.encoders()
    return encoders[0][2] if encoders else 0


def test_killed_at_random_moments_it_resumes_to_the_same_rows(small_folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng()
    for _ in range(3):
        before = n_stored(tmp_path / "s")
        child = subprocess.Popen(command(small_folder, tmp_path, seconds=0.02))
        while n_stored(tmp_path / "s") <= before:  # at least one commit, then anywhere up to the next
            assert child.poll() is None
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1))
        child.send_signal(signal.SIGKILL)
        child.wait()
    kept = n_stored(tmp_path / "s")
    n_decoded, said, features = run(command(small_folder, tmp_path, n=600))
    _, _, expected = run(command(small_folder, tmp_path, name="unbroken", n=600))
    assert (n_decoded, said) == (600 - kept, "")
    assert features.tobytes() == expected.tobytes()


def test_two_processes_on_one_store_both_finish(small_folder: Path, tmp_path: Path) -> None:
    arguments = [command(small_folder, tmp_path, seconds=0.002) for _ in range(2)]
    children = [subprocess.Popen(one, stdout=subprocess.PIPE, text=True) for one in arguments]
    said = [child.communicate()[0].split(maxsplit=2)[2:] for child in children]
    assert ([child.returncode for child in children], said) == ([0, 0], [[], []])
    first, second = (np.load(one[7]) for one in arguments)
    assert first.tobytes() == second.tobytes()
    assert n_stored(tmp_path / "s") == 300


def test_on_a_full_disk_all_features_come_back_and_it_is_said(small_folder: Path, tmp_path: Path) -> None:
    script = "mount -t tmpfs -o size=400k none {folder} && exec {command}"
    (tmp_path / "full").mkdir()
    arguments = command(small_folder, tmp_path / "full", n=1500)
    arguments[7] = str(tmp_path / "out.npy")
    quoted = " ".join(f"'{one}'" for one in arguments)
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script.format(folder=tmp_path / "full", command=quoted)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip("needs user name spaces")
    assert "1500 1 Features are no longer stored: " in done.stdout, done.stderr
    assert "database or disk is full" in done.stdout
    expected = run(command(small_folder, tmp_path, n=1500))[2]
    assert np.load(tmp_path / "out.npy").tobytes() == expected.tobytes()
