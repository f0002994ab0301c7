"""Larger pictures are taken where the probe says that they show more, and only where a budget has room for them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fovea
from fovea.features import finding, open_backbone
from fovea.features.card import read_card, write_card
from fovea.manifest import Row
from fovea.tasks.train import sizing
from fovea.tasks.train.input_size import larger_shape
from fovea.tasks.train.train import Run

pytest.importorskip("torch")

from fovea.learn.training.planned import PlanFile

BUDGET = {"method": "finetune", "budget": "60s", "epochs": 1, "unfreeze": "1", "threads": 1}
OWN_PX = 128  # fovea-tiny's


def row(height: int, width: int) -> Row:
    return Row("a.jpg", "a", width=width, height=height)


@pytest.fixture
def weave(tmp_path: Path) -> Path:
    """Draw 2 x 60 pictures of 216 x 288 px: threads so fine and faint that at 128 px they are hardly there, and none."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:216, 0:288]
    for number in range(120):
        kind = ("plain", "weave")[number % 2]
        scene = 128 + 40 * np.sin(x / rng.uniform(30, 90)) * np.cos(y / rng.uniform(30, 90))
        if kind == "weave":
            scene = scene + 8 * np.where((x // 2 + y // 2) % 2, 1, -1)
        grey = (scene + rng.normal(0, 30, scene.shape)).clip(0, 255).astype(np.uint8)
        folder = tmp_path / "photos" / kind
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.stack([grey] * 3, axis=2)).save(folder / f"{number:03d}.png")
    return tmp_path / "photos"


def sizes_told(run: Run) -> list[str]:
    return [one for one in run.metrics["notes"] if one.startswith("Pictures enter")]


def test_what_only_larger_pictures_show_is_seen_where_a_budget_has_room(weave: Path, tmp_path: Path) -> None:
    told: list[str] = []
    fovea.train(weave, out=tmp_path / "probe")  # what is stored already changes nothing
    run = fovea.train(weave, out=tmp_path / "run", announce=told.append, **BUDGET)
    (note,) = sizes_told(run)
    said = re.fullmatch(
        r"Pictures enter at 192x192 px: cross-validated on the 96 training pictures, the probe has a Brier score of (\S+) at "
        r"192x192 px and of (\S+) at 128x128 px \(0 is best\), and is right on (\d+) and (\d+)\. An answer takes about 2 times "
        r"as long\.",
        note,
    )
    assert said is not None and float(said[1]) < float(said[2]) and int(said[3]) > int(said[4])
    before = (
        "Pictures hold more than the 128x128 px of the network's input shows: it is tried at 192x192 px too."
    )
    assert told[:2] == [before, note] and note in run.report.read_text()
    preprocess = fovea.load(tmp_path / "run").encoder.preprocess
    assert (preprocess.height_px, preprocess.width_px) == (192, 192)


def test_a_network_of_one_size_keeps_it(weave: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_backbone().save(tmp_path / "fixed")
    write_card(tmp_path / "fixed", replace(read_card(tmp_path / "fixed"), any_shape=False))
    monkeypatch.setattr(finding, "_EMBEDDED", tmp_path / "fixed")
    run = fovea.train(weave, out=tmp_path / "run", **BUDGET)
    assert not sizes_told(run) and run.metrics["training"]["attempts"]


def test_where_reading_again_takes_a_large_share_of_the_budget_nothing_is_tried(
    weave: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizing, "MOST_SHARE", 1e-6)
    assert not sizes_told(fovea.train(weave, out=tmp_path / "run", **BUDGET))


def test_an_interrupted_run_goes_on_as_was_told_once(weave: Path, tmp_path: Path) -> None:
    def stop(sentence: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fovea.train(weave, out=tmp_path / "run", announce=stop, **BUDGET)
    kept = PlanFile(tmp_path / ".run.training" / "size.json", job="192x192")
    assert kept.read() == {"has_time": True}
    kept.add(has_time=False)  # as on a machine that was busy then
    assert not sizes_told(fovea.train(weave, out=tmp_path / "run", **BUDGET))


@pytest.mark.parametrize("settings", [{**BUDGET, "size": 128}, {**BUDGET, "budget": None}, {}])
def test_a_size_that_was_given_or_no_budget_leaves_pictures_as_they_are(
    weave: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    run = fovea.train(weave, out=tmp_path / "run", **settings)
    assert run.model.encoder.preprocess.height_px == OWN_PX
    assert not sizes_told(run)


def test_larger_pictures_that_show_no_more_are_not_taken(photos: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    for file in photos.rglob("*.png"):
        there = large / file.relative_to(photos)
        there.parent.mkdir(parents=True, exist_ok=True)
        Image.open(file).resize((256, 256)).save(there)
    run = fovea.train(large, out=tmp_path / "run", **BUDGET)
    (note,) = sizes_told(run)
    assert note.startswith("Pictures enter at 128x128 px: ") and " at 192x192 px and of " in note
    assert run.model.encoder.preprocess.height_px == OWN_PX


@pytest.mark.parametrize(
    ("height", "width", "shape"),
    [
        (432, 300, (192, 192)),  # some 128 x 128 x 2 pixels
        (4000, 500, (192, 192)),
        (300, 180, (192, 192)),
        (300, 150, None),  # would be blown up by a quarter
        (128, 128, None),
        (160, 160, None),  # would be blown up
    ],
)
def test_a_larger_input_is_twice_the_own_and_of_its_shape(
    height: int, width: int, shape: tuple[int, int] | None
) -> None:
    encoder = open_backbone()
    assert larger_shape((row(height, width), row(0, 0), row(height, width)), encoder=encoder) == shape
    assert larger_shape((row(0, 0),), encoder=encoder) is None
