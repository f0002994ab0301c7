"""Two processes of torchrun (gloo) end where one process ends that sees the same batches."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training_parts import shared_training, weights_of

from fovea.learn.training.processes import Processes


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no processes")
def test_two_processes_end_as_one_does(tmp_path: Path) -> None:
    program = str(Path(__file__).with_name("share_training.py"))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    told = subprocess.run(
        [*torchrun, program, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        check=False,
    )
    assert told.returncode == 0, told.stderr
    network, history = shared_training()
    losses = [value for record in history.records for value in (record.train_loss, record.valid_loss)]
    shared = [float(value) for value in (tmp_path / "losses.txt").read_text().split()]
    np.testing.assert_allclose(shared, losses, rtol=1e-5)
    for rank in (0, 1):
        held = np.load(tmp_path / f"weights{rank}.npz")
        for name, values in weights_of(network).items():
            np.testing.assert_allclose(held[name], values, atol=1e-6, err_msg=f"{name} of process {rank}")
    assert (tmp_path / "checkpoint").is_file()
    assert [(tmp_path / f"left{rank}.txt").read_text() for rank in (0, 1)] == ["True", "True"]
    refusals = [(tmp_path / f"refused{rank}.txt").read_text() for rank in (0, 1)]
    assert refusals[0] == refusals[1] and "not even one picture fits" in refusals[0]


def test_shares_cover_a_batch_without_overlap() -> None:
    rows = [list(range(10))[Processes(rank, 3).share(10)] for rank in range(3)]
    assert rows == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]


def test_a_batch_too_small_to_share_goes_to_everyone() -> None:
    assert [Processes(rank, 3).share(2) for rank in range(3)] == [slice(0, 2)] * 3
