"""`fovea next` and `fovea curve`: what they print, and which places they take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fovea.judge import Forecast, Growth, Learning
from fovea.tasks import curve as curve_task
from fovea.tasks import next as next_task
from fovea.tasks.curve import Result as CurveResult
from fovea.tasks.curve_scratch import ScratchPoint
from fovea.tasks.learning import MeasuredLearning
from fovea.tasks.next import Question, Result

Fovea = Callable[..., Any]


@pytest.fixture
def learning() -> MeasuredLearning:
    ahead = Forecast(40, 40, 0.85, (0.78, 0.9), 0.05, (0.03, 0.08))
    curve = Learning((20, 40), (0.65, 0.8), ((0.5, 0.8), (0.7, 0.9)), Growth(0.2, 0.0, 1.0), ahead)
    return MeasuredLearning(curve, (0.2, 0.31), 50, 50, "held-out", ("cat", "dog"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, learning: MeasuredLearning) -> dict[str, Any]:
    """Answer `next` without any work; return what it was asked."""
    told: dict[str, Any] = {}

    def answer(config: next_task.Config, *, progress: object) -> Result:
        told.update(photos=config.photos, run=config.run, n=config.n, csv=config.csv, config=config)
        questions = (
            Question("a.jpg", "unsure", 3, ("cat", "dog"), (0.5, 0.4)),
            Question("sub/b.jpg", "unsure", 2, ("dog", "cat"), (0.6, 0.3)),
        )
        return Result(
            questions, "unsure", 30, 1, 40, ("cat", "dog"), learning, csv="list.csv", notes=("Seen.",)
        )

    monkeypatch.setattr(next_task, "_run", answer)
    return told


ADVICE = (
    "By the law through the points, 40 labelled pictures reach 80.0 %; twice as many would reach some 85.0 %: +5.0 points (95 % "
    "interval +3.0 to +8.0). More labels pay."
)


def test_one_place_is_the_pictures(fovea: Fovea, asked: dict[str, Any], tmp_path: Path) -> None:
    fovea("next", tmp_path, "-n", "7")
    assert (asked["photos"], asked["run"], asked["n"]) == (tmp_path, None, 7)


def test_two_places_are_a_run_and_the_pictures(fovea: Fovea, asked: dict[str, Any], tmp_path: Path) -> None:
    said = fovea("next", tmp_path / "run", tmp_path)
    assert (asked["photos"], asked["run"], asked["n"]) == (tmp_path, tmp_path / "run", 50)
    assert said.out.splitlines() == [
        "2 of 30 unlabelled pictures to label next: those it is least sure of, each of another kind; 40 are labelled.",
        "  a.jpg      unsure between cat and dog",
        "  sub/b.jpg  unsure between dog and cat",
        ADVICE,
        "List to fill in: list.csv",
        "Note: Seen.",
    ]


SHARED = ("--private", "--group-by", "burst", "--group-pattern", "x", "--fixes", "fixes.csv")


def test_where_the_run_lies_now_groups_and_fixes_are_taken(
    fovea: Fovea, asked: dict[str, Any], tmp_path: Path
) -> None:
    fovea("next", tmp_path / "run", tmp_path, "--photos", "old", *SHARED)
    config = asked["config"]
    assert (config.photos, config.run_photos, config.private) == (tmp_path, Path("old"), True)
    assert (config.source.group_by, config.source.group_pattern) == ("burst", "x")
    assert config.source.fixes == Path("fixes.csv")


def test_a_curve_takes_groups_and_fixes_too(
    fovea: Fovea, monkeypatch: pytest.MonkeyPatch, learning: MeasuredLearning
) -> None:
    asked: list[curve_task.Config] = []

    def answer(config: curve_task.Config, *, progress: object) -> CurveResult:
        asked.append(config)
        return CurveResult(learning)

    monkeypatch.setattr(curve_task, "run", answer)
    fovea("curve", "photos", *SHARED)
    (config,) = asked
    assert (config.source.group_by, config.source.group_pattern, config.private) == ("burst", "x", True)
    assert config.source.fixes == Path("fixes.csv")


def test_a_run_alone_is_asked_for_its_pictures(fovea: Fovea, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    said = fovea("next", tmp_path)
    assert said.code == 2
    assert (
        f"Error: {str(tmp_path)!r} is a run. Name the unlabelled pictures behind it: `fovea next {tmp_path} photos`."
        in said.err
    )


def test_more_than_two_places_are_refused(fovea: Fovea) -> None:
    said = fovea("next", "a", "b", "c")
    assert said.code == 2
    assert "3 places were named: a run and one folder or table of pictures are what is taken." in said.err


def test_a_curve_is_a_table_with_its_advice(
    fovea: Fovea, monkeypatch: pytest.MonkeyPatch, learning: MeasuredLearning
) -> None:
    scratch = (ScratchPoint(40, 0.5, (0.37, 0.63), 61.4),)
    bad = (("cat/cut.jpg", "an empty file (0 bytes)"),)
    result = CurveResult(learning, "lenet5", scratch, ("It saves.",), quarantined=bad)
    monkeypatch.setattr(curve_task, "run", lambda config, *, progress: result)
    assert fovea("curve", "photos").out.splitlines() == [
        ADVICE,
        "Judged on 50 pictures, held out:",
        "  pictures  a class  accuracy  95 % interval        seconds",
        "        20     10.0    65.0 %   50.0 % to  80.0 %      0.20",
        "        40     20.0    80.0 %   70.0 % to  90.0 %      0.31",
        "        80     40.0    85.0 %   78.0 % to  90.0 %  expected",
        "        40     20.0    50.0 %   37.0 % to  63.0 %       61 lenet5 from scratch",
        "It saves.",
        "1 file left out that cannot be used; --json lists them.",
    ]
