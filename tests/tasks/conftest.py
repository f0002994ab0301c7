"""Photos drawn for the tasks: three classes that a network tells apart."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
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
