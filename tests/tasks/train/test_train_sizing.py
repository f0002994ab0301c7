"""Larger pictures are taken where the probe says that they show more, and only where a budget has room for them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fovea
from fovea.features import open_backbone
from fovea.manifest import Row
from fovea.tasks.train.input_size import larger_shape

torch = pytest.importorskip("torch")

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


def test_what_only_larger_pictures_show_is_seen_where_a_budget_has_room(weave: Path, tmp_path: Path) -> None:
    told: list[str] = []
    run = fovea.train(weave, out=tmp_path / "run", announce=told.append, **BUDGET)
    (note,) = [one for one in run.metrics["notes"] if one.startswith("Pictures enter")]
    said = re.fullmatch(
        r"Pictures enter at 160x208 px: cross-validated on the 96 training pictures, the probe is right on (\d+) at 128x128 px "
        r"and on (\d+) at 160x208 px\.",
        note,
    )
    assert said is not None and int(said[1]) < int(said[2])
    assert note in told and note in run.report.read_text()
    preprocess = fovea.load(tmp_path / "run").encoder.preprocess
    assert (preprocess.height_px, preprocess.width_px) == (160, 208)


@pytest.mark.parametrize("settings", [{**BUDGET, "size": 128}, {**BUDGET, "budget": None}, {}])
def test_a_size_that_was_given_or_no_budget_leaves_pictures_as_they_are(
    weave: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    run = fovea.train(weave, out=tmp_path / "run", **settings)
    assert run.model.encoder.preprocess.height_px == OWN_PX
    assert not [one for one in run.metrics["notes"] if one.startswith("Pictures enter")]


def test_larger_pictures_that_show_no_more_are_not_taken(photos: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    for file in photos.rglob("*.png"):
        there = large / file.relative_to(photos)
        there.parent.mkdir(parents=True, exist_ok=True)
        Image.open(file).resize((256, 256)).save(there)
    run = fovea.train(large, out=tmp_path / "run", **BUDGET)
    (note,) = [one for one in run.metrics["notes"] if one.startswith("Pictures enter")]
    assert note.startswith("Pictures enter at 128x128 px: ")
    assert note.endswith(" at 176x176 px, which is not better by more than noise.")
    assert run.model.encoder.preprocess.height_px == OWN_PX


@pytest.mark.parametrize(
    ("height", "width", "shape"),
    [
        (432, 300, (224, 144)),  # 128 x 128 x 2 pixels, 1.44 times as high as wide
        (300, 432, (144, 224)),
        (4000, 4000, (176, 176)),
        (4000, 500, (256, 128)),  # no narrower than 1 to 2
        (128, 128, None),
        (160, 160, None),  # would be blown up
    ],
)
def test_a_larger_input_is_twice_the_own_and_as_pictures_usually_are(
    height: int, width: int, shape: tuple[int, int] | None
) -> None:
    encoder = open_backbone()
    assert larger_shape((row(height, width), row(0, 0), row(height, width)), encoder=encoder) == shape
    assert larger_shape((row(0, 0),), encoder=encoder) is None
