"""Training's options, said wrongly: one paragraph each, with the closest name or the size that fits."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

Fovea = Callable[..., Any]


@pytest.fixture
def many(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    """Return 2 x 60 drawn pictures, enough to hold some out."""
    for number in range(60):
        draw_picture(tmp_path / "many" / "red" / f"{number}.png", colour=(190 + number, 30, 40))
        draw_picture(tmp_path / "many" / "blue" / f"{number}.png", colour=(30, 40, 190 + number))
    return tmp_path / "many"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "--net lenet5 --optimizer adamn",
            "There is no optimizer 'adamn' (did you mean 'adam'?). There are: sgd, momentum, nesterov, adagrad, adadelta, rmsprop, "
            "adam, adamw, muon.",
        ),
        (
            "--net lenet5 --schedule cosin",
            "There is no schedule 'cosin' (did you mean 'cosine'?). There are: constant, step, linear, cosine, one-cycle.",
        ),
        (
            "--net lenet5 --track tensorbord",
            "There is no tracker 'tensorbord' (did you mean 'tensorboard'?). There are: tensorboard, wandb, mlflow.",
        ),
    ],
)
def test_an_unknown_word_gets_the_closest_name(fovea: Fovea, many: Path, options: str, said: str) -> None:
    told = fovea("train", many, "--out", many.parent / "run", "--method", "scratch", *options.split())
    assert (told.code, told.err) == (1, f"fovea: {said}\n")
    assert [path.name for path in many.parent.iterdir() if "run" in path.name] == []


def test_an_unknown_network_gets_the_closest_name(fovea: Fovea, many: Path) -> None:
    if not importlib.util.find_spec("timm"):
        pytest.skip("the extra torch is not installed")
    told = fovea("train", many, "--out", many.parent / "run", "--method", "scratch", "--net", "lenet55")
    assert told.code == 1
    assert told.err.startswith(
        "fovea: There is no network 'lenet55' (did you mean 'lenet5'?). Of our own there are mlp, "
    )


def test_an_unknown_stage_gets_the_closest_name(fovea: Fovea, many: Path) -> None:
    options = ["--method", "finetune", "--stage", "block3x"]
    told = fovea("train", many, "--out", many.parent / "run", *options)
    assert told.code == 1
    assert "block3x" in told.err and told.err.count("\n") == 1


def test_a_batch_that_memory_cannot_hold_is_refused_with_the_size_that_fits(
    fovea: Fovea, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.free_bytes", lambda device: 8_000_000)
    options = ["--method", "scratch", "--net", "lenet5", "--batch-size", "1000"]
    told = fovea("train", many, "--out", many.parent / "run", *options)
    assert told.code == 1
    # Of 120 pictures 24 are held out: a batch is never more than what there is.
    assert re.match(
        r"fovea: A batch of 96 pictures would need \d+ MB of memory, and 8 MB are free\. Use --batch-size ",
        told.err,
    )


def test_a_learning_rate_is_a_number_or_find(fovea: Fovea, many: Path) -> None:
    told = fovea("train", many, "--out", many.parent / "run", "--lr", "fast")
    assert told.code == 2
    assert "Invalid value for '--lr': 'fast': give a number, such as 0.001, or find." in told.err


def test_a_rate_to_be_found_is_no_business_of_the_probes(fovea: Fovea, many: Path) -> None:
    told = fovea("train", many, "--out", many.parent / "run", "--lr", "find")
    assert told.err == (
        "fovea: --lr: these say how a network is trained, and the probe trains none. Add --method finetune, or --method scratch.\n"
    )


def test_all_pictures_at_once_are_a_full_batch(fovea: Fovea, many: Path) -> None:
    options = [
        "--method",
        "scratch",
        "--net",
        "mlp",
        "--hidden",
        "7,5",
        "--batch-size",
        "full",
        "--epochs",
        "2",
    ]
    told = fovea("train", many, "--out", many.parent / "run", *options)
    assert told.code == 0
    assert "activation relu, hidden 7,5, init torch's own." in told.err
    assert "2 epochs with all 96 pictures a step;" in told.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "--batch-size some",
            "'--batch-size': 'some': give the pictures of a step, such as 64, or full for all at once.",
        ),
        (
            "--hidden 300;100",
            "'--hidden': '300;100': write widths of layers with commas between, such as 300,100.",
        ),
    ],
)
def test_a_word_that_is_no_number_is_wrong_usage(fovea: Fovea, many: Path, options: str, said: str) -> None:
    told = fovea("train", many, "--out", many.parent / "run", *options.split())
    assert told.code == 2
    assert f"Invalid value for {said}" in told.err
