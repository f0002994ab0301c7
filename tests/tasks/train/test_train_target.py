"""What `train --target` promises: a number or labels learned, judged, saved, predicted and evaluated, end to end."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fovea
from fovea.errors import InputError
from fovea.manifest import read_manifest
from fovea.model import Estimator, LabelsPrediction, ValuePrediction
from fovea.tasks import predict
from fovea.tasks.train.train import Run, train

NAMES = ("blue", "green", "red")


def draw(folder: Path, number: int) -> tuple[Path, float, str]:
    """Draw a noisy picture; return it, its brightness in percent, and which of its channels are bright."""
    rng = np.random.default_rng(number)
    bright = rng.random(3) < [0.5, 0.3, 0.6]
    level = np.where(bright, rng.uniform(150, 230, 3), rng.uniform(10, 80, 3))
    pixels = (level + rng.normal(0, 10, (48, 48, 3))).clip(0, 255).astype(np.uint8)
    path = folder / f"{number:03d}.png"
    Image.fromarray(pixels).save(path)
    labels = [name for name, is_in in zip(("red", "green", "blue"), bright, strict=True) if is_in]
    return path, round(float(pixels.mean()) / 2.55, 2), ";".join(labels) or "none"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of 150 pictures with the columns path, brightness, label."""
    folder = tmp_path_factory.mktemp("drawn")
    with (folder / "table.csv").open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("path", "brightness", "label"))
        for number in range(150):
            path, brightness, labels = draw(folder, number)
            rows.writerow((path.name, brightness, labels))
    return folder / "table.csv"


@pytest.fixture(scope="module")
def runs(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Run]]:
    """Return a function that gives the finished run of a target."""
    folder = tmp_path_factory.mktemp("runs")
    made: dict[str, Run] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(folder / "cache"))

        def run(target: str) -> Run:
            if target not in made:
                named: dict[str, Any] = {"label_by": "brightness"} if target == "regression" else {}
                made[target] = train(table, out=folder / target, target=target, **named)
            return made[target]

        yield run


@pytest.mark.parametrize("target", ["regression", "labels"])
def test_a_run_holds_the_model_its_figures_and_its_evidence(runs: Callable[[str], Run], target: str) -> None:
    run = runs(target)
    assert {path.name for path in run.folder.iterdir()} == {
        "model.json", "head.safetensors", "backbone", "golden", "metrics.json", "report.html", "manifest.csv",
        "predictions.csv", "card.md",
    }  # fmt: skip
    assert json.loads((run.folder / "metrics.json").read_text()) == run.metrics
    assert run.metrics["target"] == target
    assert (run.metrics["protocol"], run.metrics["n_train"] + run.metrics["n_valid"]) == ("held-out", 150)


def test_brightness_is_learned_far_better_than_its_median(runs: Callable[[str], Run]) -> None:
    m = runs("regression").metrics
    assert m["mae"] < 0.3 * m["baseline_mae"]
    assert m["r2"] > 0.9
    assert m["mae_interval"][0] < m["mae"] < m["mae_interval"][1]


def test_the_range_is_that_of_the_held_out_errors_of_training(runs: Callable[[str], Run]) -> None:
    run = runs("regression")
    with (run.folder / "predictions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    errors = sorted(abs(float(row["label"]) - float(row["answer"])) for row in rows)
    rank = int(np.ceil(0.95 * (len(errors) + 1)))
    assert run.metrics["half_width"] == pytest.approx(errors[rank - 1], abs=1e-4)
    assert run.metrics["coverage_kept"]["n"] == run.metrics["n_valid"]


def test_bright_channels_are_found(runs: Callable[[str], Run]) -> None:
    m = runs("labels").metrics
    assert m["label_names"] == list(NAMES)
    assert m["all_right"] > m["baseline_all_right"] + 0.3
    assert m["mean_average_precision"] > 0.9
    assert m["per_label"]["red"]["recall"] > 0.8


def test_a_saved_number_is_predicted_for_new_pictures(runs: Callable[[str], Run], tmp_path: Path) -> None:
    new = [draw(tmp_path, 900 + k) for k in range(20)]
    model = fovea.load(runs("regression").folder)
    assert isinstance(model, Estimator)
    answers = model.predict([path for path, _, _ in new])
    inside = 0
    for (_, brightness, _), answer in zip(new, answers, strict=True):
        assert isinstance(answer, ValuePrediction)
        assert answer.low is not None
        assert answer.high is not None
        inside += answer.low <= brightness <= answer.high
    assert inside >= 17


def test_saved_labels_are_predicted_for_new_pictures(runs: Callable[[str], Run], tmp_path: Path) -> None:
    new = [draw(tmp_path, 900 + k) for k in range(20)]
    answers = fovea.load(runs("labels").folder).predict([path for path, _, _ in new])
    assert all(isinstance(answer, LabelsPrediction) for answer in answers)
    right = sum(
        set(answer.answer[0].split(";")) == set(labels.split(";"))
        for answer, (_, _, labels) in zip(answers, new, strict=True)
    )
    assert right >= 12


@pytest.mark.parametrize(
    ("target", "columns"),
    [
        ("regression", ["path", "value", "low", "high", "unlike", "problem"]),
        ("labels", ["path", "labels", "unlike", "problem", "p_blue", "p_green", "p_red"]),
    ],
)
def test_a_csv_has_the_columns_of_its_target_and_a_row_for_an_unreadable_file(
    runs: Callable[[str], Run], tmp_path: Path, target: str, columns: list[str]
) -> None:
    path = draw(tmp_path, 901)[0]
    (tmp_path / "bad.png").write_bytes(b"no picture")
    result = predict.run(
        predict.Config(runs(target).folder, [path, tmp_path / "bad.png"], csv=tmp_path / "out.csv")
    )
    with (tmp_path / "out.csv").open(newline="") as file:
        header, fine, broken = csv.reader(file)
    assert header == columns
    assert (fine[0], broken[0]) == (str(path), str(tmp_path / "bad.png"))
    assert broken[header.index("problem")] != ""
    assert (result.n_pictures, result.n_problems) == (2, 1)


@pytest.mark.parametrize("target", ["regression", "labels"])
def test_a_csv_tells_what_the_answers_were(
    runs: Callable[[str], Run], table: Path, tmp_path: Path, target: str
) -> None:
    told = predict.run(predict.Config(runs(target).folder, [table.parent]))
    written = predict.run(predict.Config(runs(target).folder, [table.parent], csv=tmp_path / "out.csv"))
    model = fovea.load(runs(target).folder)
    assert isinstance(model, Estimator)
    from fovea.tasks.predict_columns import estimator_columns

    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    again = [estimator_columns(model).prediction(row) for row in rows]
    assert [one.answer for one in again] == [one.answer for one in told.predictions]
    assert written.classes == told.classes


def test_labels_are_counted_one_by_one(runs: Callable[[str], Run], table: Path) -> None:
    result = predict.run(predict.Config(runs("labels").folder, [table.parent]))
    assert set(result.classes) <= {*NAMES, "none"}
    assert sum(result.classes.values()) > 150


@pytest.mark.parametrize("target", ["regression", "labels"])
def test_a_page_of_answers_is_written(
    runs: Callable[[str], Run], table: Path, tmp_path: Path, target: str
) -> None:
    predict.run(predict.Config(runs(target).folder, [table.parent], html=tmp_path / "page.html"))
    assert "150" in (tmp_path / "page.html").read_text()


def test_classes_cannot_be_asked_of_numbers(runs: Callable[[str], Run], table: Path) -> None:
    folder = runs("regression").folder
    with pytest.raises(InputError) as caught:
        predict.run(predict.Config(folder, [table.parent], top=3))
    assert str(caught.value) == (
        f"--top and --sure ask for classes, and the run in {str(folder)!r} tells numbers: leave them out."
    )


@pytest.mark.parametrize("target", ["regression", "labels"])
def test_evaluating_the_pictures_held_out_gives_the_figures_of_training(
    runs: Callable[[str], Run], table: Path, target: str
) -> None:
    run = runs(target)
    named = {"label_by": "brightness"} if target == "regression" else {}
    m = fovea.evaluate(run.folder, table, **named).metrics
    key = "mae" if target == "regression" else "micro_f1"
    assert m["n_leaked"] == run.metrics["n_train"]
    assert m["without_leaks"][key] == pytest.approx(run.metrics[key], rel=1e-3)
    assert m["without_leaks"]["n"] == run.metrics["n_valid"]


@pytest.mark.parametrize("target", ["regression", "labels"])
def test_the_report_opens_with_how_good_it_is(runs: Callable[[str], Run], target: str) -> None:
    text = (runs(target).folder / "report.html").read_text()
    opening = {"regression": "on average on", "labels": "All labels right on"}
    assert opening[target] in text
    assert ("<circle" in text) == (target == "regression")


def test_the_manifest_keeps_the_numbers(runs: Callable[[str], Run]) -> None:
    rows = read_manifest(runs("regression").folder / "manifest.csv").rows
    assert len(rows) == 150
    assert all(float(row.label or "") > 0 for row in rows)


def test_the_same_command_writes_the_same_head_byte_for_byte(
    runs: Callable[[str], Run], table: Path, tmp_path: Path
) -> None:
    again = train(table, out=tmp_path / "again", target="labels")
    for name in ("head.safetensors", "manifest.csv", "predictions.csv"):
        assert (again.folder / name).read_bytes() == (runs("labels").folder / name).read_bytes()


def test_a_private_run_holds_no_absolute_path(table: Path, tmp_path: Path) -> None:
    run = train(table, out=tmp_path / "run", target="labels", private=True)
    holding = [
        path.name
        for path in run.folder.rglob("*")
        if path.is_file() and str(table.parent).encode() in path.read_bytes()
    ]
    assert holding == []


@pytest.mark.parametrize(
    ("target", "settings", "said"),
    [
        ("regression", {"balance": True, "precision": 0.9}, "--balance, --precision"),
        ("labels", {"per_class": True, "precision": 0.9}, "--per-class"),
        ("regression", {"drop": ("a",)}, "--drop"),
        ("labels", {"method": "finetune", "ensemble": 2}, "--ensemble"),
    ],
)
def test_options_of_classes_are_refused(
    table: Path, tmp_path: Path, target: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        train(table, out=tmp_path / "run", target=target, **settings)
    assert str(caught.value) == f"{said} cannot go with --target {target} (yet): leave it out."


def test_smoothing_a_number_is_refused_before_pictures_are_read(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError) as caught:
        train(
            tmp_path / "nowhere", out=tmp_path / "run", target="regression", method="finetune", smoothing=0.1
        )
    assert str(caught.value) == (
        "--smoothing changes nothing of --target regression: it moves a share of each label to the other classes, and a "
        "number has none. Leave it out."
    )


def test_an_unknown_target_names_the_closest(table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        train(table, out=tmp_path / "run", target="label")
    assert str(caught.value) == (
        "--target is 'label' (did you mean 'labels'?); there are: classes, regression, labels."
    )


def test_numbers_taken_for_classes_name_the_option(table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="To learn the number: --target regression"):
        train(table, out=tmp_path / "run", label_by="brightness")


def test_several_labels_taken_for_classes_name_the_option(table: Path, tmp_path: Path) -> None:
    run = train(table, out=tmp_path / "run")
    assert any("To learn several labels a picture: --target labels." in note for note in run.metrics["notes"])


def test_a_precision_is_promised_for_each_label(table: Path, tmp_path: Path) -> None:
    run = train(table, out=tmp_path / "run", target="labels", precision=0.8)
    assert set(run.metrics["promises"]) == set(NAMES)
    assert run.metrics["promises"]["red"]["threshold"] is not None
    assert run.metrics["thresholds"]["red"] >= 0.5


def test_few_pictures_are_cross_validated(table: Path, tmp_path: Path) -> None:
    lines = table.read_text().splitlines()[:41]
    short = table.with_name("short.csv")
    short.write_text("\n".join(lines) + "\n")
    m = train(short, out=tmp_path / "run", target="regression", label_by="brightness").metrics
    assert (m["measured"], m["protocol"], m["n_measured"]) == ("out-of-fold", "cross-validated", 40)
    assert "coverage_kept" not in m


def test_the_test_split_is_read_once(table: Path, tmp_path: Path) -> None:
    header, *rows = table.read_text().splitlines()
    split = table.with_name("split.csv")
    split.write_text(
        "\n".join(
            [f"{header},split", *(f"{row},{'test' if k % 3 == 0 else ''}" for k, row in enumerate(rows))]
        )
    )
    m = train(split, out=tmp_path / "run", target="labels").metrics
    assert m["test"]["n"] == 50
    assert (m["n_test"], m["test"]["n_leaked"]) == (50, 0)
    assert "All right on the test split" in (tmp_path / "run" / "report.html").read_text()


def test_copies_across_given_splits_are_told_and_left_out_beside(table: Path, tmp_path: Path) -> None:
    header, *rows = table.read_text().splitlines()
    lines = [f"{row},{'valid' if k % 3 == 0 else 'train'}" for k, row in enumerate(rows)]
    (table.parent / "copy.png").write_bytes((table.parent / "001.png").read_bytes())
    lines.append(f"copy.png,{rows[1].partition(',')[2]},valid")
    given = table.with_name("given.csv")
    given.write_text("\n".join([f"{header},split", *lines]) + "\n")
    m = train(given, out=tmp_path / "run", target="regression", label_by="brightness").metrics
    assert (m["n_leaked"], m["leaked"]) == (1, ["copy.png"])
    assert m["without_leaks"]["n"] == m["n_measured"] - 1
    assert "Mean error without copies" in (tmp_path / "run" / "report.html").read_text()


def test_a_run_of_numbers_is_a_backbone_for_the_next(
    runs: Callable[[str], Run], table: Path, tmp_path: Path
) -> None:
    run = train(table, out=tmp_path / "run", target="labels", backbone=str(runs("regression").folder))
    assert run.metrics["mean_average_precision"] > 0.9


def test_labels_of_held_out_pictures_alone_are_named(table: Path, tmp_path: Path) -> None:
    header, *rows = table.read_text().splitlines()
    lines = [f"{row};odd,valid" if k % 3 == 0 else f"{row},train" for k, row in enumerate(rows)]
    given = table.with_name("odd.csv")
    given.write_text("\n".join([f"{header},split", *lines]) + "\n")
    m = train(given, out=tmp_path / "run", target="labels").metrics
    assert "No training picture has 'odd': it is left out of the figures." in m["notes"]
    assert m["label_names"] == list(NAMES)


def test_labels_that_look_like_formulas_come_back_from_the_csv() -> None:
    from fovea.tasks.predict_columns import LabelColumns

    columns = LabelColumns(("+b", "=a"))
    told = LabelsPrediction("x.png", ("+b", "=a"), {"+b": 0.5, "=a": 0.75}, None)
    assert columns.row(told)[1] == "'+b;=a"
    assert columns.prediction(columns.row(told)) == told
