"""Photos drawn for the tasks: three classes that a network tells apart."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from by_name import ByName
from PIL import Image


@pytest.fixture(scope="session")
def draw_class() -> Callable[..., Path]:
    """Return a function that draws picture `number` of a class: "stripes", "dots" or "plain", in noise."""

    def draw(folder: Path, kind: str, number: int, *, suffix: str = ".png") -> Path:
        rng = np.random.default_rng([number, len(kind), ord(kind[0])])
        y, x = np.mgrid[0:64, 0:64]
        shape = {
            "stripes": np.sin((x + 0.3 * y) * rng.uniform(0.5, 0.9) + rng.uniform(0, 6)),
            "dots": np.sign(np.sin(x * rng.uniform(0.4, 0.6)) * np.sin(y * rng.uniform(0.4, 0.6)) - 0.4),
            "plain": np.zeros((64, 64)),
        }[kind]
        colour = rng.uniform(60, 195, 3)
        pixels = colour + 60 * shape[..., None] + rng.normal(0, 12, (64, 64, 3))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{kind}_{number:03d}{suffix}"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        return path

    return draw


@pytest.fixture
def photos(tmp_path: Path, draw_class: Callable[..., Path]) -> Path:
    """Return a folder of 3 x 40 drawn pictures in class folders."""
    folder = tmp_path / "photos"
    for kind in ("stripes", "dots", "plain"):
        for number in range(40):
            draw_class(folder / kind, kind, number)
    return folder


@pytest.fixture(scope="session")
def imagenet_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a network of 1,000 classes to be worked out by hand.

    The logits of pug, beagle and tabby are 4 times the mean of the red, green and blue channel from 0 to 1, all others -30.
    """
    from fovea.features import BackboneCard, Preprocess, Stage
    from fovea.features.card import NETWORK, write_card
    from fovea.features.openvino import _import_openvino

    openvino = _import_openvino()
    from openvino import opset13 as ops

    folder = tmp_path_factory.mktemp("imagenet") / "network"
    folder.mkdir()
    weights, bias = np.zeros((3, 1000), np.float32), np.full((1, 1000), -30, np.float32)
    weights[[0, 1, 2], [254, 162, 281]], bias[0, [254, 162, 281]] = 4, 0
    pixels = ops.parameter([-1, -1, -1, 3], np.uint8, name="pixels")
    mean = ops.reduce_mean(ops.multiply(ops.convert(pixels, "f32"), np.float32(1 / 255)), np.array([1, 2]))
    answers = ops.softmax(ops.add(ops.matmul(mean, weights, False, False), bias), 1)
    rooted = ops.sqrt(ops.sqrt(answers))
    model = openvino.Model([ops.concat([mean, rooted], 1)], [pixels], "imagenet")
    openvino.save_model(model, folder / NETWORK, compress_to_fp16=False)
    card = BackboneCard(
        name="by hand",
        structure="by hand",
        weights_sha256="1" * 64,
        stages=(Stage("mean", 0, 3), Stage("head:softmax", 3, 1003)),
        preprocess=Preprocess(height_px=16, width_px=16),
        licence="CC0-1.0",
        precision="f32",
    )
    write_card(folder, card)
    return folder


@pytest.fixture
def answers_by_name(monkeypatch: pytest.MonkeyPatch) -> ByName:
    """Return the classifier that every model folder loads as: it answers by the files' names."""
    classifier = ByName()
    for name in ("load_model", "load_classifier"):
        monkeypatch.setattr(f"fovea.model.{name}", lambda folder, **named: classifier)
    return classifier


@pytest.fixture
def scraped(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    """Return a folder of four pictures with their answers in their names, and one that is broken."""
    for number, name in enumerate(["cat-0.9", "dog-0.8", "cat-0.55", "dog-0.95-far"]):
        draw_picture(tmp_path / "scraped" / f"{name}.png", seed=number)
    (tmp_path / "scraped" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path / "scraped"
