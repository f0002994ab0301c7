"""What `train --target` promises where a network is trained: the better one is kept, in the user's unit, without torch."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fovea.judge import sigmoid
from fovea.learn.trained import Meaning
from fovea.manifest import Manifest
from fovea.tasks.train import target_method as train_target_method
from fovea.tasks.train.choose import Choice
from fovea.tasks.train.goal import Goal
from fovea.tasks.train.target_method import losses_of
from fovea.tasks.train.train import Run, train

pytest.importorskip("torch")

METHODS: dict[str, dict[str, Any]] = {
    "scratch": {"net": "lenet5", "epochs": 6, "batch_size": 16, "lr": 0.003, "augment": "none"},
    "finetune": {"epochs": 1, "unfreeze": "1", "augment": "none"},
}
TRIED = [(target, method) for target in ("regression", "labels") for method in METHODS]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of 120 pictures with their brightness, less 5,000 and in thousandths, and their bright channels."""
    folder, rng = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    with (folder / "table.csv").open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("path", "level", "label"))
        for number in range(120):
            bright = rng.random(2) < 0.5
            level = [*np.where(bright, 190, 60), 100]
            pixels = (
                (level + rng.normal(0, 12, (32, 32, 3)) + rng.normal(0, 12)).clip(0, 255).astype(np.uint8)
            )
            Image.fromarray(pixels).save(folder / f"{number}.png")
            labels = [name for name, is_in in zip(("red", "green"), bright, strict=True) if is_in]
            rows.writerow((f"{number}.png", f"{1000 * pixels.mean() - 5000:.1f}", ";".join(labels) or "none"))
    return folder / "table.csv"


@pytest.fixture(scope="module")
def runs(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Run]:
    """Return a function that gives the finished run of a target and a method; a fine-tuned network is kept."""
    folder, made = tmp_path_factory.mktemp("runs"), {}

    def run(target: str, method: str) -> Run:
        if (target, method) not in made:
            named = {"label_by": "level"} if target == "regression" else {}
            wish = {**METHODS[method], "method": method, "threads": 1, **named}
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("FOVEA_CACHE", str(folder / "cache"))
                patch.setattr(train_target_method, "choose_by_loss", lambda *_, **__: Choice(1, (), "Kept."))
                made[target, method] = train(table, out=folder / (target + method), target=target, **wish)
        return made[target, method]

    return run


@pytest.mark.parametrize(("target", "method"), TRIED)
def test_a_trained_network_is_a_run_like_any_other(runs: Any, target: str, method: str) -> None:
    run = runs(target, method)
    told = json.loads((run.folder / "metrics.json").read_text())["training"]
    assert told["method"] == method
    assert told["kept"] == run.metrics["backbone"] != "the probe"
    assert told["attempts"][0]["export"]["agreement"] >= 0.98
    assert run.metrics["measured"] == "valid"
    assert "What was trained" in run.report.read_text()
    assert [path for path in run.folder.parent.iterdir() if path.name.endswith(".training")] == []


@pytest.mark.parametrize("method", METHODS)
def test_the_plan_of_numbers_tells_of_no_smoothing(runs: Any, method: str) -> None:
    (attempt,) = runs("regression", method).metrics["training"]["attempts"]
    assert "smoothing" not in " ".join(attempt["plan"])


def test_numbers_far_from_zero_are_learned_in_their_unit(runs: Any) -> None:
    for method in METHODS:
        m = runs("regression", method).metrics
        assert m["mae"] < 0.4 * m["baseline_mae"]
        assert 0 < m["half_width"] < m["spread"]


def test_labels_are_learned_far_better_than_the_commonest_set(runs: Any) -> None:
    for method in METHODS:
        m = runs("labels", method).metrics
        assert m["all_right"] > 0.9 > m["baseline_all_right"]


def test_the_report_says_that_nothing_checks_the_range_of_a_trained_network(runs: Any) -> None:
    assert (
        "pictures set aside, which nothing else checks." in runs("regression", "scratch").report.read_text()
    )


@pytest.mark.parametrize(("target", "method"), TRIED)
def test_predictions_hold_the_held_out_pictures_alone(runs: Any, target: str, method: str) -> None:
    run = runs(target, method)
    with (run.folder / "predictions.csv").open(newline="") as table:
        splits = [row["split"] for row in csv.DictReader(table)]
    assert splits == ["valid"] * run.metrics["n_valid"]


@pytest.mark.parametrize(("target", "method"), TRIED)
def test_what_was_trained_with_torch_predicts_without_it(
    runs: Any, table: Path, target: str, method: str
) -> None:
    run, picture = runs(target, method), str(table.parent / "7.png")
    expected = run.model.predict([picture])[0]
    code = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'timm'): sys.modules[name] = None\n"
        f"import fovea; print(repr(fovea.load({str(run.folder)!r}).predict([{picture!r}])[0]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(expected)


def test_the_probe_stays_where_the_network_is_no_better(table: Path, tmp_path: Path) -> None:
    wish = {**METHODS["finetune"], "lr": 1e-12, "method": "finetune", "threads": 1}
    run = train(table, out=tmp_path / "run", target="regression", label_by="level", **wish)
    told = run.metrics["training"]
    assert told["kept"] == "the probe"
    assert [one["name"] for one in told["standings"]] == ["the probe", "fovea-tiny fine-tuned"]
    assert told["standings"][0]["loss"] == pytest.approx(run.metrics["rmse"] ** 2, rel=1e-3)
    assert "Root mean square error" in run.report.read_text()


def test_a_budget_too_small_for_training_gives_the_probe(table: Path, tmp_path: Path) -> None:
    run = train(table, out=tmp_path / "run", target="labels", budget=2.0)
    assert run.metrics["training"]["kept"] == "the probe"
    assert run.metrics["training"]["text"].startswith("The budget of 2 s is too small")


def goal(labels: Any, **meaning: Any) -> Goal:
    """Return a goal of which only the validation part matters."""
    found, rows = np.array(labels, np.float32), np.arange(len(labels))
    return Goal(Manifest((), ""), rows, rows, ("a", "b"), found, found, Meaning(**meaning))


def test_the_loss_of_numbers_is_in_their_unit() -> None:
    told = goal([[1.0], [-1.0]], kind="values", centre=100.0, deviation=10.0)  # 110 and 90
    assert losses_of(np.float32([[113], [90]]), told, seed=0) == pytest.approx([9, 0], abs=1e-3)


def test_the_loss_of_labels_is_that_of_calibrated_probabilities() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 2))
    has = rng.random(logits.shape) < sigmoid(logits)
    expected = -np.log(np.where(has, sigmoid(logits), 1 - sigmoid(logits))).mean()
    found = losses_of((5 * logits).astype(np.float32), goal(has, kind="labels"), seed=0)
    assert found.shape == (4000,)
    assert found.mean() == pytest.approx(expected, rel=0.01)
