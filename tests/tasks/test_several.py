"""Several processes: the first writes and tells, the others train beside it and end quietly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fovea.errors import InputError
from fovea.tasks.several import check_shared, end_follower, is_follower
from fovea.tasks.train.train import train

QUICK = "--method scratch --net lenet5 --epochs 2 --batch-size 16 --lr 0.01 --augment none --threads 1 --compute f32"


def launched(*arguments: str, folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run `fovea` in two processes of torchrun (gloo)."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "FOVEA_CACHE": str(cache)}
    command = [*torchrun, "-m", "fovea", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder, check=False)


def test_two_processes_write_one_run_that_is_as_one_process_trains_it(photos: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available():
        pytest.skip("this torch has no processes")
    told = launched(
        "train", str(photos), "--out", "two", *QUICK.split(), "--json", folder=tmp_path, cache=tmp_path / "c"
    )
    assert told.returncode == 0, told.stderr
    two = json.loads(told.stdout)  # one process alone printed
    assert told.stderr.count("epoch 2 of 2") == 1
    settings = {"method": "scratch", "net": "lenet5", "epochs": 2, "batch_size": 16, "lr": 0.01}
    one = train(photos, out=tmp_path / "one", augment="none", threads=1, compute="f32", **settings).metrics
    for key in ("train_loss", "valid_loss"):
        shared, alone = (
            [each[key] for each in m["training"]["attempts"][0]["history"]["records"]] for m in (two, one)
        )
        assert shared == pytest.approx(alone, rel=1e-4)
    assert two["accuracy"] == one["accuracy"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "two"))) == ["two"]


TUNED = {"epochs": 2, "batch_size": 16, "lr": 1e-3, "unfreeze": "2"}


@pytest.mark.parametrize("augment", ["none", "standard"])
def test_two_processes_tune_a_network_as_one_does(photos: Path, tmp_path: Path, augment: str) -> None:
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available():
        pytest.skip("this torch has no processes")
    words = [word for name, value in TUNED.items() for word in ("--" + name.replace("_", "-"), str(value))]
    words += ["--method", "finetune", "--augment", augment, "--threads", "1", "--compute", "f32", "--json"]
    told = launched("train", str(photos), "--out", "two", *words, folder=tmp_path, cache=tmp_path / "c")
    assert told.returncode == 0, told.stderr
    two = json.loads(told.stdout)
    named = {"method": "finetune", "augment": augment, "threads": 1, "compute": "f32", **TUNED}
    one = train(photos, out=tmp_path / "one", **named).metrics
    for key in ("train_loss", "valid_loss"):
        shared, alone = (
            [each[key] for each in m["training"]["attempts"][0]["history"]["records"]] for m in (two, one)
        )
        assert shared == pytest.approx(alone, rel=2e-3)  # values are stored as halves
    assert two["accuracy"] == one["accuracy"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "two"))) == ["two"]


def test_a_budget_too_small_for_two_processes_gives_the_probe_once(photos: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available():
        pytest.skip("this torch has no processes")
    words = ["--method", "finetune", "--budget", "1s", "--threads", "1", "--json"]
    told = launched("train", str(photos), "--out", "two", *words, folder=tmp_path, cache=tmp_path / "c")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["training"]["kept"] == "the probe"


def test_only_the_others_are_followers_and_end_with_success(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_follower()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    end_follower()
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit) as ended:
        end_follower()
    assert ended.value.code == 0


@pytest.mark.parametrize(
    ("method", "n", "said"), [("auto", 1, "--method auto"), ("finetune", 3, "--ensemble 3")]
)
def test_what_several_processes_cannot_share_is_refused(
    monkeypatch: pytest.MonkeyPatch, method: str, n: int, said: str
) -> None:
    check_shared(method, n_networks=n)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError) as caught:
        check_shared(method, n_networks=n)
    assert str(caught.value) == (
        f"2 processes were started, and {said} cannot be shared by several: only one network that is trained is. Start it "
        "without torchrun or accelerate launch, or give --method finetune or scratch."
    )
