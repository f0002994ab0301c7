"""What `fovea pseudolabel` prints, and what it asks for."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fovea.learn import Round
from fovea.tasks import pseudolabel as task
from fovea.tasks.pseudolabel import Result

Fovea = Callable[..., Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[task.Config]:
    """Answer without any work; return what was asked."""
    configs: list[task.Config] = []
    rounds = (
        Round(0, 0, 0.8, 0.61, is_kept=True),
        Round(1, 1200, 0.85, 0.5, is_kept=True),
        Round(2, 1600, 0.84, 0.48, is_kept=False),
    )
    added = (("a.jpg", "cat", 0.97, 1), ("b.jpg", "dog", 0.9, 1))

    def answer(config: task.Config, *, progress: object) -> Result:
        configs.append(config)
        run: Any = SimpleNamespace(metrics={"notes": []}, folder=config.out)
        return Result(run, rounds, added, 2400, "added.csv", "added.html")

    monkeypatch.setattr(task, "_run", answer)
    monkeypatch.setattr("fovea.cli.train.lines", lambda run: [f"Report: {run.folder / 'report.html'}"])
    return configs


def test_what_came_of_it_every_round_and_the_run_are_told(fovea: Fovea, asked: list[task.Config]) -> None:
    said = fovea("pseudolabel", "runs/first", "scraped", "--out", "runs/second")
    assert said.out.splitlines() == [
        "2 of 2,400 unlabelled pictures were added as pseudo-labels in 1 round: accuracy on the labelled pictures went from "
        "80.0 % to 85.0 % (cross-validated).",
        "  round 1: 1,200 added, accuracy 85.0 %, log loss 0.500",
        "  round 2: 1,600 added, accuracy 84.0 %, log loss 0.480: not kept",
        "Added: added.csv",
        "Page: added.html",
        "Report: runs/second/report.html",
    ]


@pytest.mark.parametrize(("given", "seed"), [((), None), (("--seed", "0"), 0), (("--seed", "5"), 5)])
def test_the_seed_is_the_runs_unless_one_is_given(
    fovea: Fovea, asked: list[task.Config], given: tuple[str, ...], seed: int | None
) -> None:
    fovea("pseudolabel", "runs/first", "scraped", "--out", "runs/second", "--photos", "old", *given)
    (config,) = asked
    assert (config.run, config.unlabelled, config.out) == (
        Path("runs/first"),
        Path("scraped"),
        Path("runs/second"),
    )
    assert (config.photos, config.rounds, config.seed) == (Path("old"), 2, seed)


def test_rounds_out_of_reason_are_refused_in_one_paragraph(fovea: Fovea) -> None:
    said = fovea("pseudolabel", "runs/first", "scraped", "--out", "runs/second", "--rounds", "9")
    assert (said.code, said.out, said.err) == (1, "", "fovea: --rounds is 9; give 1 to 5.\n")
