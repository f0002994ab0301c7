"""A training killed with SIGKILL in the middle of an epoch ends, run again, as the one that was left alone, bit for bit."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

PROGRAM = [sys.executable, str(Path(__file__).with_name("kill_training.py"))]


def train_until(folder: Path, step: int) -> None:
    """Kill a training as soon as it tells of this step (it is somewhere behind it by then)."""
    with subprocess.Popen([*PROGRAM, str(folder)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert any(int(line) >= step for line in child.stdout)
        child.kill()
    assert child.returncode == -signal.SIGKILL


def test_a_killed_training_ends_as_one_left_alone(tmp_path: Path) -> None:
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    subprocess.run([*PROGRAM, str(alone)], check=True, capture_output=True)
    train_until(killed, 6)
    train_until(killed, 18)
    assert not (killed / "weights.npz").exists()
    told = subprocess.run([*PROGRAM, str(killed)], check=True, capture_output=True, text=True).stdout.split()
    assert int(told[0]) >= 17  # it went on and did not begin anew
    expected, found = np.load(alone / "weights.npz"), np.load(killed / "weights.npz")
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
