"""What `fovea suspects` says: how many labels are likely wrong, what lists of them hold, and the most doubtful ones."""

from pathlib import Path

import pytest

from fovea.cli import suspects
from fovea.judge.planted import Expected, Yield
from fovea.tasks.suspects import ClassSummary, Outlier, Result, SuspectLabel


def result(
    *, n_suspects: int, yields: tuple[Yield, ...] = (), outliers: int = 0, fixes: str | None = None
) -> Result:
    one = SuspectLabel("cat/1.jpg", "cat", "dog", 0.9, (0.1, 0.9), (0.2, 0.8), (), ())
    return Result(
        suspects=(one,) * n_suspects,
        outliers=(Outlier("cat/odd.jpg", "cat", 0.8),) * outliers,
        classes=(ClassSummary("cat", 600, 20), ClassSummary("dog", 600, 5)),
        expected=Expected(17.6, (8.2, 31.4), 120, yields),
        vote_weight=0.5,
        n_pictures=1200,
        quarantined=(),
        html=None,
        fixes=fixes,
        seconds=1.0,
        notes=("a note",),
    )


def lines(found: Result) -> list[str]:
    return suspects.lines(found, photos=Path("my photos"))


def test_what_to_expect_comes_first_and_then_the_doubtful_ones() -> None:
    yields = (Yield(10, 0.9, (0.7, 1.0), 0.51, (0.3, 0.7)), Yield(25, 0.6, (0.4, 0.8), 0.85, (0.7, 0.9)))
    assert lines(result(n_suspects=25, yields=yields))[:4] == [
        "1,200 labelled pictures in 2 classes: some 18 labels are likely wrong (95 % interval 8 to 31). Of the most doubtful "
        "(120 planted errors say what to expect):",
        "  the first 10: 90 % wrong (70 % to 100 %), 51 % of all wrong ones",
        "  all 25: 60 % wrong (40 % to 80 %), 85 % of all wrong ones",
        "cat/1.jpg: 'cat', looks like 'dog'",
    ]


def test_a_long_list_is_cut() -> None:
    said = lines(result(n_suspects=25))
    assert "... and 5 more; --html shows them with their evidence, --json lists them all." in said


def test_no_doubt_and_too_few_are_said() -> None:
    assert lines(result(n_suspects=0))[0] == "1,200 labelled pictures in 2 classes: no label is doubted."
    assert lines(result(n_suspects=1))[0] == (
        "1,200 labelled pictures in 2 classes: 1 label doubted. Too few to tell how many of them are wrong."
    )


def test_outliers_and_the_next_step_are_said() -> None:
    said = lines(result(n_suspects=1, outliers=1, fixes="my fixes.csv"))
    assert said[2:] == [
        "1 picture unlike all others, perhaps of no class:",
        "  cat/odd.jpg: 'cat'",
        "Note: a note",
        "Fixes: my fixes.csv: fill its column label, then fovea train 'my photos' --fixes 'my fixes.csv' --out FOLDER",
    ]


@pytest.mark.parametrize("command", [("suspects", "--after"), ("train", "--out", "run", "--fixes")])
def test_of_two_tables_of_answers_none_is_lost_without_a_word(fovea, command: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    name, *options = command
    said = fovea(name, "photos", *options, "fixes.csv", options[-1], "more.csv")
    assert (said.code, said.out) == (2, "")
    assert "2 tables were given, and one is taken." in " ".join(said.err.split())


def test_the_command_takes_what_its_help_says(fovea, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    said = fovea("suspects", tmp_path / "nowhere")
    assert (said.code, said.out) == (1, "")
    assert str(tmp_path / "nowhere") in said.err
