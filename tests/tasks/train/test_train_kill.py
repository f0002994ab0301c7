"""`fovea train --method scratch` killed with SIGKILL in the middle of an epoch ends, run again, as the one left alone."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

PROGRAM = [sys.executable, str(Path(__file__).with_name("kill_train.py")), "train"]
OPTIONS = shlex.split(
    "--method scratch --net mlp --epochs 4 --batch-size 16 --augment none --threads 1 --seed 3"
)


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that trains on 2 x 60 pictures of 12 px, in the end killed at a step."""
    rng = np.random.default_rng(0)
    for name, level in (("bright", 140), ("dark", 110)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(60):
            pixels = rng.normal(level, 40, (12, 12, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")

    def run(out: str, *, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, str(tmp_path / "photos"), "--out", str(tmp_path / out), *OPTIONS]
        environment = {**os.environ, "KILL_AT": str(kill_at)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def told(run: Path) -> tuple[Any, ...]:
    """Return what a run came to: its figures, the losses of every epoch, its answers."""
    metrics = json.loads((run / "metrics.json").read_text())
    records = metrics["training"]["attempts"][0]["history"]["records"]
    losses = [(record["train_loss"], record["valid_loss"]) for record in records]
    figures = [metrics[name] for name in ("accuracy", "log_loss", "ece", "n_right", "data_fingerprint")]
    return figures, losses, (run / "predictions.csv").read_text()


def test_a_killed_run_ends_as_one_left_alone(train: Any, tmp_path: Path) -> None:
    assert train("alone").returncode == 0  # 6 steps an epoch
    assert train("killed", kill_at=9).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    again = train("killed")
    assert again.returncode == 0, again.stderr
    assert "epoch 1 of 4" not in again.stderr  # it went on and did not begin anew
    assert "epoch 2 of 4" in again.stderr
    assert told(tmp_path / "killed") == told(tmp_path / "alone")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["alone", "killed", "photos"]
