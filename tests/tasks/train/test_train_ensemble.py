"""What `--ensemble` promises: networks that differ in their seed, averaged, each told of."""

from pathlib import Path
from typing import Any

import pytest

from fovea.errors import InputError
from fovea.tasks.train.train import Run, train

pytest.importorskip("torch")

from fovea.learn.scratch import making
from fovea.learn.training.planned import TooLittleTimeError

QUICK = {"method": "scratch", "net": "lenet5", "epochs": 2, "batch_size": 16, "augment": "none", "threads": 1}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, draw_class: Any) -> Run:
    """Return an ensemble of three, trained once."""
    folder = tmp_path_factory.mktemp("ensemble")
    for kind in ("stripes", "dots", "plain"):
        for number in range(40):
            draw_class(folder / "photos" / kind, kind, number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(folder / "cache"))
        return train(folder / "photos", out=folder / "run", ensemble=3, **QUICK)


def test_an_ensemble_tells_of_each_member_and_of_itself(three: Run) -> None:
    told = three.metrics["training"]
    names = [f"lenet5 from scratch, seed {seed}" for seed in range(3)]
    assert [one["name"] for one in told["standings"]] == [*names, "3 times lenet5 from scratch"]
    assert [one["name"] for one in told["attempts"]] == names
    assert told["kept"] == three.metrics["backbone"] == "3 times lenet5 from scratch"


def test_members_differ_by_their_seed(three: Run) -> None:
    losses = {one["history"]["records"][-1]["valid_loss"] for one in three.metrics["training"]["attempts"]}
    assert len(losses) == 3


def test_what_is_saved_is_the_average(three: Run) -> None:
    assert three.metrics["training"]["standings"][3]["n_right"] == three.metrics["n_right"]
    assert len(three.model.encoder.stages) == 6
    assert "seed 2" in three.report.read_text()


def test_nothing_of_the_members_is_left_beside_the_run(three: Run) -> None:
    assert sorted(path.name for path in three.folder.parent.iterdir()) == ["cache", "photos", "run"]


def test_a_fine_tuned_ensemble_stands_beside_the_probe(photos: Path, tmp_path: Path) -> None:
    settings = {"method": "finetune", "epochs": 1, "unfreeze": "1", "augment": "none", "threads": 1}
    run = train(photos, out=tmp_path / "run", ensemble=2, **settings)
    told = run.metrics["training"]
    assert [one["name"] for one in told["standings"]] == ["the probe", "2 times fovea-tiny fine-tuned"]
    assert [one["name"][-6:] for one in told["attempts"]] == ["seed 0", "seed 1"]


def test_members_that_no_longer_fit_a_budget_leave_those_that_do(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_begun = 0

    def plan(*given: Any, **named: Any) -> Any:
        nonlocal n_begun
        n_begun += 1
        if n_begun > 2:
            raise TooLittleTimeError("3 s are left, too few for one epoch. Raise --budget by 9 s or more.")
        return plan_training(*given, **named)

    plan_training = making.plan_training
    monkeypatch.setattr(making, "plan_training", plan)
    run = train(photos, out=tmp_path / "run", ensemble=4, budget=600, **QUICK)
    told = run.metrics["training"]
    assert told["kept"] == "2 times lenet5 from scratch"
    assert len(told["attempts"]) == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ensemble": 0}, "--ensemble is 0; it is how many networks are averaged, 1 or more."),
        (
            {"ensemble": 3},
            "--ensemble: these say how a network is trained, and the probe trains none. Add --method finetune, or "
            "--method scratch.",
        ),
    ],
)
def test_an_ensemble_of_nothing_is_refused(photos: Path, tmp_path: Path, settings: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        train(photos, out=tmp_path / "run", **settings)
    assert str(caught.value) == said
