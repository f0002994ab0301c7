"""Trackers: the figures they get, and what is said where their packages are missing."""

import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from fovea.errors import InputError, MissingExtraError
from fovea.learn.training import EpochRecord, Training
from fovea.learn.training.trackers import flat_figures, open_trackers

RECORD = EpochRecord(3, 4, 1.5, 0.1, 0.7, None, valid_loss=0.6, gradient_norms={"conv": 2.0})


def test_figures_by_layer_get_flat_names_and_none_is_left_out() -> None:
    assert flat_figures(RECORD) == {
        "steps": 4, "seconds": 1.5, "lr": 0.1, "train_loss": 0.7, "valid_loss": 0.6, "gradient_norms/conv": 2.0,
        "images_per_second": 0.0,
    }  # fmt: skip


def test_an_unknown_tracker_gets_the_closest_name(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_trackers(["tensorbord"], folder=tmp_path, run="r", settings=Training())
    assert str(caught.value) == (
        "There is no tracker 'tensorbord' (did you mean 'tensorboard'?). There are: tensorboard, wandb, mlflow."
    )


def test_missing_packages_are_named_with_the_line_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        open_trackers(["mlflow"], folder=tmp_path, run="r", settings=Training())
    assert str(caught.value) == (
        "Watching a training with mlflow needs accelerate and mlflow, not installed here. "
        'Install it: pip install "fovea-vision[track]" accelerate mlflow.'
    )


class Accelerator:
    """As much of accelerate's as is used; it writes down what it is told."""

    told: list[Any]

    def __init__(self, *, log_with: list[str], project_dir: str) -> None:
        Accelerator.told = [(log_with, project_dir)]

    def init_trackers(self, run: str, *, config: dict[str, Any]) -> None:
        self.told.append((run, config["optimisation/optimizer"], config["looping/epochs"]))

    def log(self, figures: dict[str, float], *, step: int) -> None:
        self.told.append((figures["valid_loss"], step))

    def end_training(self) -> None:
        self.told.append("end")


def test_every_epoch_is_told_with_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, held in (("accelerate", {"Accelerator": Accelerator}), ("tensorboard", {})):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__dict__.update(held)
        monkeypatch.setitem(sys.modules, name, module)
    tracker = open_trackers(["tensorboard"], folder=tmp_path, run="first", settings=Training())
    tracker(RECORD)
    tracker.close()
    assert Accelerator.told == [(["tensorboard"], str(tmp_path)), ("first", "adamw", "None"), (0.6, 3), "end"]
