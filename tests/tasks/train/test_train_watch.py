"""Watching a training: every epoch reaches the tracker and the notebook, and neither can spoil it."""

import re
import sys
import types
from pathlib import Path

import pytest

import fovea
from fovea.errors import InputError
from fovea.learn.training import EpochRecord, Looping, Training
from fovea.learn.training import trackers as tracking
from fovea.tasks.train.train import train
from fovea.tasks.train.watch import notebook_curves, track_folder, watched

SETTINGS = Training(looping=Looping(epochs=2))
RECORDS = [
    EpochRecord(k, 4, 1.5, 0.1, 0.7 - 0.1 * k, 0.5, valid_loss=0.6, valid_accuracy=0.5) for k in (0, 1)
]


class Handle:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, shown: str) -> None:
        self.shown.append(shown)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Handle:
    """Return what a display got in a notebook that is none."""
    handle = Handle()
    display = types.ModuleType("IPython.display")

    def show(shown: str, *, display_id: bool) -> Handle:
        assert display_id
        handle.shown.append(shown)
        return handle

    display.__dict__.update(HTML=str, display=show)
    ipython = types.ModuleType("IPython")
    ipython.__dict__["get_ipython"] = lambda: types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return handle


def test_a_notebook_shows_one_figure_drawn_anew_after_every_epoch(notebook: Handle, tmp_path: Path) -> None:
    with watched("lenet5", trackers=(), folder=tmp_path, announce=print) as tell:
        for record in RECORDS:
            tell(record, SETTINGS)
    assert [one.count('<circle class="curve train"') for one in notebook.shown] == [
        2,
        4,
    ]  # losses, accuracies
    assert "lenet5, epoch 2 of 2: training loss 0.60, 50.0 %; " in notebook.shown[1]


def test_a_notebook_marks_the_epoch_whose_weights_are_kept(notebook: Handle, tmp_path: Path) -> None:
    with watched("lenet5", trackers=(), folder=tmp_path, announce=print) as tell:
        for k, (loss, is_kept) in enumerate(((0.6, True), (0.5, True), (0.505, True), (0.9, False))):
            tell(EpochRecord(k, 4, 1.5, 0.1, 0.7, 0.5, loss, 0.5, is_kept=is_kept), SETTINGS)
    marks = [re.search(r'<path class="ideal" d="M([\d.]+) ', shown) for shown in notebook.shown]
    points = re.findall(r'<circle class="curve valid" cx="([\d.]+)"', notebook.shown[-1])
    assert (
        marks[-1] is not None and marks[-1][1] == points[2]
    )  # not the lowest loss: the last that is as good


def test_a_notebook_calls_what_is_told_of_numbers_by_its_name(notebook: Handle, tmp_path: Path) -> None:
    with watched("mlp", trackers=(), folder=tmp_path, announce=print, kind="values") as tell:
        tell(RECORDS[0], SETTINGS)
    assert "variance explained</text>" in notebook.shown[0]
    assert ", R2 0.500" in notebook.shown[0] and "50.0 %" not in notebook.shown[0]


def test_nothing_is_drawn_where_there_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert notebook_curves("lenet5") is None
    terminal = types.ModuleType("IPython")
    terminal.__dict__["get_ipython"] = object
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    assert notebook_curves("lenet5") is None


def test_every_epoch_goes_to_the_trackers_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    def opened(names, *, folder: Path, run: str, settings: Training) -> tracking.Tracker:
        told.append((tuple(names), folder, run, settings.looping.epochs))
        return tracking.Tracker(lambda figures, step: told.append(step), lambda: told.append("end"))

    monkeypatch.setattr(tracking, "open_trackers", opened)
    with watched("lenet5", trackers=("tensorboard",), folder=tmp_path / "t", announce=print) as tell:
        for record in RECORDS:
            tell(record, SETTINGS)
    assert told == [(("tensorboard",), tmp_path / "t", "lenet5", 2), 0, 1, "end"]


def test_a_tracker_that_fails_is_said_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_, **__) -> None:
        raise OSError("no route to host")

    said: list[str] = []
    monkeypatch.setattr(tracking, "open_trackers", fails)
    with watched("lenet5", trackers=("wandb",), folder=tmp_path, announce=said.append) as tell:
        for record in RECORDS:
            tell(record, SETTINGS)
    assert said == ["wandb: told no more (no route to host)."]


def test_a_tracker_that_cannot_be_closed_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise OSError("no space left")

    said: list[str] = []
    opened = tracking.Tracker(lambda figures, step: None, fails)
    monkeypatch.setattr(tracking, "open_trackers", lambda *_, **__: opened)
    with watched("lenet5", trackers=("tensorboard",), folder=tmp_path, announce=said.append) as tell:
        tell(RECORDS[0], SETTINGS)
    assert said[1:] == ["tensorboard: could not be closed (no space left)."]


def test_trackers_write_beside_the_run() -> None:
    assert track_folder(Path("runs/first")) == Path("runs/first.track")


QUICK = {"method": "scratch", "net": "lenet5", "epochs": 1, "batch_size": 16, "augment": "none", "threads": 1}


def test_a_run_whose_rate_was_found_says_so_and_shows_the_trial(photos: Path, tmp_path: Path) -> None:
    run = train(photos, out=tmp_path / "run", lr="find", **QUICK)
    attempt = run.metrics["training"]["attempts"][0]
    found = attempt["rate_search"]["suggestion"]
    assert attempt["settings"]["optimisation"]["lr"] == found
    assert len(attempt["rate_search"]["rates"]) == len(attempt["rate_search"]["losses"])
    assert (
        f"Loss by learning rate, which rises from step to step; {found:.2g} was taken"
        in run.report.read_text()
    )


def test_a_run_in_a_notebook_draws_its_curves(photos: Path, tmp_path: Path, notebook: Handle) -> None:
    train(photos, out=tmp_path / "run", lr=0.01, **QUICK)
    assert len(notebook.shown) == 1 and "lenet5 from scratch, epoch 1 of 1" in notebook.shown[0]


def test_a_fit_in_a_notebook_draws_its_curves(photos: Path, notebook: Handle) -> None:
    torch = pytest.importorskip("torch")
    loaders = fovea.torch.loaders(photos, size_px=16, augment="none")
    told: list[EpochRecord] = []
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 3))
    fovea.fit(module, loaders, epochs=2, on_epoch=told.append)
    assert len(told) == len(notebook.shown) == 2
    assert "Sequential, epoch 2 of 2" in notebook.shown[1]


def test_a_rate_must_be_a_number_or_find(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        train(photos, out=tmp_path / "run", **{**QUICK, "lr": "fast"})
    assert str(caught.value) == "--lr is 'fast'; it is a number, such as 0.001, or find."
