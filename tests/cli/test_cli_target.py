"""What `fovea train --target`, `predict` and `evaluate` say of numbers and labels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Fovea = Callable[..., Any]


@pytest.fixture
def table(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    """Return a table of 40 plain pictures: how red they are, and whether they are red or blue."""
    lines = ["path,redness,label"]
    for number in range(40):
        red, blue = 6 * number, 250 if number % 2 else 0
        draw_picture(tmp_path / f"{number}.png", colour=(red, 20, blue))
        names = [name for name, is_in in (("red", red > 120), ("blue", blue > 0)) if is_in]
        lines.append(f"{number}.png,{red},{';'.join(names) or 'none'}")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "table.csv"


def test_a_number_is_trained_predicted_and_evaluated(fovea: Fovea, table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = fovea("train", table, "--target", "regression", "--label-by", "redness", "--out", run)
    assert trained.code == 0, trained.err
    assert trained.out.startswith("Off by ")
    assert "40 pictures, cross-validated (95 % interval " in trained.out
    assert "40 pictures learned from, the number 'redness', fovea-tiny on openvino" in trained.out
    told = fovea("predict", run, tmp_path / "3.png").out.split()
    assert told[0] == str(tmp_path / "3.png")
    assert float(told[1]) == pytest.approx(18, abs=60)
    summed = fovea("predict", run, tmp_path / "3.png", tmp_path / "4.png", "--csv", tmp_path / "out.csv").out
    assert summed.splitlines()[0] == "2 pictures"
    evaluated = fovea("evaluate", run, table, "--label-by", "redness").out
    assert "mean error " in evaluated
    assert "By class" not in evaluated


def test_labels_are_trained_predicted_and_evaluated(fovea: Fovea, table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = fovea("train", table, "--target", "labels", "--out", run)
    assert trained.code == 0, trained.err
    assert trained.out.startswith("All labels right on ")
    assert "40 pictures learned from, 2 labels, fovea-tiny on openvino" in trained.out
    rows = json.loads(fovea("predict", run, tmp_path / "39.png", tmp_path / "0.png", "--json").out)
    assert [row["labels"] for row in rows] == [["blue", "red"], []]
    assert set(rows[0]) == {"path", "labels", "probabilities", "unlike", "problem"}
    evaluated = fovea("evaluate", run, table).out
    assert "By label:" in evaluated


def test_an_unknown_target_is_wrong_usage(fovea: Fovea, table: Path, tmp_path: Path) -> None:
    said = fovea("train", table, "--target", "boxes", "--out", tmp_path / "run")
    assert said.code == 2
    assert "'boxes' is not one of 'classes', 'regression', 'labels'" in said.err


def test_where_no_network_can_be_judged_the_probe_is_given_and_said(
    fovea: Fovea, table: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    said = fovea("train", table, "--target", "labels", "--method", "finetune", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    assert (
        "There is no validation part by which a trained network could be judged: the probe is given."
        in said.out
    )
