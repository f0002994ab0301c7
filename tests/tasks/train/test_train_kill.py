"""A training killed with SIGKILL in the middle of an epoch ends, run again, as the one left alone."""

import json
import os
import re
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
ALL = "--batch-size 16 --augment none --threads 1 --seed 3"
SCRATCH = f"--method scratch --net mlp --epochs 4 {ALL}"
TUNED = f"--method finetune --unfreeze 2 --epochs 4 {ALL}"
AVERAGED = f"--method finetune --unfreeze 2 --epochs 2 --budget 10m --size 128 {ALL}"


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that trains on 2 x 60 pictures of 12 px, in the end killed at a step."""
    rng = np.random.default_rng(0)
    for name, level in (("bright", 140), ("dark", 110)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(60):
            pixels = rng.normal(level, 40, (12, 12, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")

    def run(out: str, options: str, *, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, str(tmp_path / "photos"), "--out", str(tmp_path / out), *shlex.split(options)]
        environment = {**os.environ, "KILL_AT": str(kill_at), "FOVEA_CACHE": str(tmp_path / "cache")}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def told(run: Path) -> tuple[Any, ...]:
    """Return what a run came to: its figures, the losses of every epoch, its answers."""
    metrics = json.loads((run / "metrics.json").read_text())
    losses = [
        (record["train_loss"], record["valid_loss"])
        for one in metrics["training"]["attempts"]
        for record in one["history"]["records"]
    ]
    figures = [metrics[name] for name in ("accuracy", "log_loss", "ece", "n_right", "data_fingerprint")]
    return figures, losses, (run / "predictions.csv").read_text()


@pytest.mark.parametrize(
    ("options", "kill_at", "said"),
    [
        (SCRATCH, 9, ["epoch 2 of 4", "epoch 3 of 4", "epoch 4 of 4"]),  # 6 steps an epoch
        (TUNED, 9, ["epoch 2 of 4", "epoch 3 of 4", "epoch 4 of 4"]),
        (
            AVERAGED,
            15,
            ["epoch 1 of 2", "epoch 2 of 2"],
        ),  # of the second training: the first is not told again
    ],
)
def test_a_killed_run_ends_as_one_left_alone(
    train: Any, tmp_path: Path, options: str, kill_at: int, said: list[str]
) -> None:
    alone = train("alone", options)
    assert alone.returncode == 0, alone.stderr
    assert train("killed", options, kill_at=kill_at).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    again = train("killed", options)
    assert again.returncode == 0, again.stderr
    assert re.findall(r"epoch \d of \d", again.stderr) == said  # it went on and did not begin anew
    assert told(tmp_path / "killed") == told(tmp_path / "alone")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["alone", "cache", "killed", "photos"]
