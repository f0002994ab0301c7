"""What `average` promises: one run of several, judged on what none of them learned from, torch not needed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fovea.errors import InputError
from fovea.judge import softmax
from fovea.manifest import read_manifest
from fovea.tasks.average import average
from fovea.tasks.train.train import Run, train


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, draw_class: Any) -> Path:
    """Return a folder with `photos` (3 x 40), and the runs `a` and `b`, trained on the same sides."""
    folder = tmp_path_factory.mktemp("average")
    for kind in ("stripes", "dots", "plain"):
        for number in range(40):
            draw_class(folder / "photos" / kind, kind, number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(folder / "cache"))
        train(folder / "photos", out=folder / "a", threads=1)
        train(
            folder / "photos", out=folder / "b", threads=1, since=folder / "a", views=2, balance=True, seed=3
        )
    return folder


@pytest.fixture(scope="module")
def mean(job: Path) -> Run:
    """Return the average of both runs, made in a process that has no torch."""
    code = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'timm'): sys.modules[name] = None\n"
        "from fovea.tasks.average import average\n"
        f"average([{str(job / 'a')!r}, {str(job / 'b')!r}], out={str(job / 'mean')!r}, threads=1)"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(job / "cache"))
        subprocess.run([sys.executable, "-c", code], check=True)
    return Run(job / "mean", json.loads((job / "mean" / "metrics.json").read_text()), page=None)  # type: ignore[arg-type]


def test_the_average_answers_with_the_mean_of_its_members(job: Path, mean: Run) -> None:
    from fovea.model import load_classifier

    picture = str(job / "photos" / "dots" / "dots_001.png")
    logs = []
    for name in ("a", "b"):
        told = load_classifier(job / name, needed_by="a test").predict([picture])[0].probabilities
        logs.append(np.log(np.maximum(list(told.values()), 1e-300)))
    hotter = softmax(np.mean(logs, axis=0)[None], mean.metrics["temperature"])[0]
    found = mean.model.predict([picture])[0].probabilities
    assert list(found) == ["dots", "plain", "stripes"]
    assert np.allclose(list(found.values()), hotter, atol=2e-3)


def test_each_member_stands_beside_the_average(job: Path, mean: Run) -> None:
    told = mean.metrics["training"]
    assert (told["method"], told["kept"]) == ("average", "average of 2")
    assert [one["name"] for one in told["standings"]] == [str(job / "a"), str(job / "b"), "average of 2"]
    assert [one["n"] for one in told["standings"]] == [24, 24, 24]
    assert told["standings"][2]["n_right"] == mean.metrics["n_right"]
    assert "average of 2" in mean.report.read_text()


def test_the_average_is_judged_by_what_all_held_out(job: Path, mean: Run) -> None:
    sides = [
        sorted(line for line in (job / name / "manifest.csv").read_text().splitlines() if ",valid," in line)
        for name in ("a", "mean")
    ]
    assert len(sides[0]) == 24
    assert sides[0] == sides[1]
    assert (mean.metrics["measured"], mean.metrics["n_valid"], mean.metrics["n_train"]) == ("valid", 24, 96)


def test_an_average_is_a_backbone_of_the_next_run(job: Path, mean: Run, tmp_path: Path) -> None:
    again = train(job / "photos", out=tmp_path / "next", backbone=str(mean.folder), threads=1)
    assert again.metrics["backbone"] == "average of 2"


def test_an_average_averages_again(job: Path, mean: Run, tmp_path: Path) -> None:
    again = average([mean.folder, job / "a"], out=tmp_path / "more", threads=1)
    assert again.metrics["training"]["standings"][0]["name"] == str(mean.folder)


def test_runs_that_learned_from_each_others_held_out_pictures_are_refused(job: Path, tmp_path: Path) -> None:
    train(job / "photos", out=tmp_path / "c", threads=1, seed=5)
    sides = {row.sha256: row.split for row in read_manifest(job / "a" / "manifest.csv").rows}
    rows = read_manifest(tmp_path / "c" / "manifest.csv").rows
    first = next(row for row in rows if sides[row.sha256] != row.split)
    learner, holder = sorted(
        [(first.split, tmp_path / "c"), (sides[first.sha256], job / "a")], key=lambda one: one[0]
    )
    with pytest.raises(InputError) as caught:
        average([job / "a", tmp_path / "c"], out=tmp_path / "mean")
    assert str(caught.value) == (
        f"{str(learner[1])!r} learned from {first.path!r}, which {str(holder[1])!r} held out (valid): their average cannot be "
        "judged on pictures that one of them knows. Train it again on the same sides: fovea train PHOTOS --since "
        f"{holder[1]} --out FOLDER."
    )


def write_table(folder: Path, photos: Path, *, given: bool, more: str = "") -> Path:
    """Write a table of the drawn pictures; with `given` 8 of each class are valid and 8 test, and `more` is a row."""
    rows = ["path,label,split" if given else "path,label"]
    for kind in ("stripes", "dots", "plain"):
        for k in range(40):
            side = {0: ",valid", 1: ",test"}.get(k % 5, ",train") if given else ""
            rows.append(f"{photos / kind / f'{kind}_{k:03d}.png'},{kind}{side}")
    table = folder / ("given.csv" if given else "plain.csv")
    table.write_text("\n".join([*rows, more]).strip() + "\n")
    return table


def sides_of(run: Run) -> tuple[int, int, int]:
    """Return how many pictures were learned from, judged by, and tested."""
    return run.metrics["n_train"], run.metrics["n_valid"], run.metrics["n_test"]


def test_what_is_a_test_for_one_and_validation_for_another_is_judged_by(job: Path, tmp_path: Path) -> None:
    first = train(write_table(tmp_path, job / "photos", given=True), out=tmp_path / "b", threads=1)
    train(
        write_table(tmp_path, job / "photos", given=False), out=tmp_path / "a", threads=1, since=first.folder
    )
    assert sides_of(first) == (72, 24, 24)
    for number, runs in enumerate((["b", "a"], ["a", "b"])):
        mean = average([tmp_path / name for name in runs], out=tmp_path / f"mean{number}", threads=1)
        assert sides_of(mean) == (72, 48, 0)


def test_what_is_a_test_for_all_stays_one_and_what_all_learned_from_is_no_leak(
    job: Path, tmp_path: Path
) -> None:
    held_out = job / "photos" / "dots" / "dots_000.png"
    shutil.copy(held_out, tmp_path / "copy.png")
    table = write_table(tmp_path, job / "photos", given=True, more=f"{tmp_path / 'copy.png'},dots,train")
    first = train(table, out=tmp_path / "b", threads=1)
    shutil.copytree(first.folder, tmp_path / "c")
    assert sides_of(first) == (73, 24, 24)
    mean = average([first.folder, tmp_path / "c"], out=tmp_path / "mean", threads=1)
    assert sides_of(mean) == (74, 23, 24)


def test_one_run_is_no_average(job: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        average([job / "a"], out=tmp_path / "mean")
    assert str(caught.value) == (
        "An average needs two runs or more: fovea average RUN RUN --out FOLDER. Several seeds of one network are trained by "
        "fovea train --ensemble 5."
    )


def test_runs_that_held_out_nothing_are_refused(tmp_path: Path, draw_class: Any) -> None:
    for kind in ("stripes", "dots"):
        for number in range(8):
            draw_class(tmp_path / "few" / kind, kind, number)
    for name in ("a", "b"):
        train(tmp_path / "few", out=tmp_path / name, threads=1)
    with pytest.raises(InputError) as caught:
        average([tmp_path / "a", tmp_path / "b"], out=tmp_path / "mean")
    assert str(caught.value) == (
        f"No run held out a picture, so their average cannot be judged: {str(tmp_path / 'a')!r} was cross-validated. Train them "
        "on more pictures, or on train/valid folders."
    )


def test_pictures_that_have_moved_are_named_anew(job: Path, tmp_path: Path) -> None:
    shutil.copytree(job / "photos", tmp_path / "moved")
    for file in (tmp_path / "moved" / "dots").iterdir():
        file.unlink()
    with pytest.raises(InputError) as caught:
        average([job / "a", job / "b"], out=tmp_path / "mean", photos=tmp_path / "moved")
    assert str(caught.value) == (
        f"The pictures in {str(tmp_path / 'moved')!r} are not those that the runs learned from (80 of 120 are there). Name the "
        "place where they lie now: --photos FOLDER."
    )
