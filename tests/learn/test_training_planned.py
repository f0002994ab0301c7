"""Plans beside checkpoints: found again by the same training, whole or not there."""

from dataclasses import replace
from pathlib import Path

import pytest

from fovea.learn.training import Looping, Training
from fovea.learn.training.planned import PlanFile, job_of


def test_what_was_planned_is_found_again_and_added_to(tmp_path: Path) -> None:
    file = PlanFile(tmp_path / "plan.json", "a")
    assert file.read() == {}
    file.add(epochs=7)
    file.add(rate_search={"suggestion": 0.1})
    assert file.read() == {"epochs": 7, "rate_search": {"suggestion": 0.1}}
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_plan_of_another_training_is_none(tmp_path: Path) -> None:
    PlanFile(tmp_path / "plan.json", "a").add(epochs=7)
    assert PlanFile(tmp_path / "plan.json", "b").read() == {}


@pytest.mark.parametrize("text", ["", "[]", '{"job": "a"}', '{"job": "a", "planned": 3}'])
def test_a_damaged_plan_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    assert PlanFile(tmp_path / "plan.json", "a").read() == {}


def test_a_plan_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    PlanFile(tmp_path / "not there" / "plan.json", "a").add(epochs=7)
    assert list(tmp_path.iterdir()) == []


def test_the_seconds_left_are_no_part_of_the_job() -> None:
    whole = Training(looping=Looping(seconds=600.0))
    less = replace(whole, looping=replace(whole.looping, seconds=500.0))
    other = replace(whole, looping=replace(whole.looping, seed=1))
    assert job_of(whole, "lenet5") == job_of(less, "lenet5") != job_of(other, "lenet5")
    assert job_of(whole, "lenet5") != job_of(whole, "mlp")
