"""A model trained with a network of the zoo: with the torch engine too it predicts without torch."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fovea

pytestmark = pytest.mark.usefixtures("needs_torch")
CODE = """
import sys
for name in ("torch", "torchvision", "timm"):
    sys.modules[name] = None
import fovea
(answer,) = fovea.load(sys.argv[1]).predict([sys.argv[2]])
print(answer.class_name, round(answer.probability, 2))
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of 12 reddish and 12 bluish pictures."""
    rng = np.random.default_rng(0)
    for name, colour in (("red", (200, 60, 60)), ("blue", (60, 60, 200))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = (rng.normal(0, 40, (48, 48, 3)) + colour).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize(("engine", "compute"), [("openvino", "f32"), ("torch", "auto")])
def test_what_was_trained_with_either_engine_predicts_without_torch(
    photos: Path, write_tensors: Callable[..., Path], tmp_path: Path, engine: str, compute: str
) -> None:
    weights = write_tensors("test_resnet")
    fovea.train(
        photos,
        out=tmp_path / "run",
        backbone="timm:test_resnet",
        weights=weights,
        engine=engine,
        compute=compute,
        threads=1,
    )
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        CODE,
        str(tmp_path / "run"),
        str(photos / "red" / "3.png"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("red ")
