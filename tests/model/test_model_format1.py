"""Format 1 stays readable: a folder that fovea 0.1.0 wrote is loaded by whatever this is."""

import json
from pathlib import Path

import numpy as np
import pytest

from fovea.model import load_model

FORMAT1 = Path(__file__).parent / "format1"


def test_folder_of_format_1_is_loaded() -> None:
    assert json.loads((FORMAT1 / "model.json").read_text())["format"] == 1
    assert load_model(FORMAT1).class_names == ("blue", "green", "red")


@pytest.mark.parametrize(("channel", "name"), [(0, "red"), (1, "green"), (2, "blue")])
def test_folder_of_format_1_answers_as_it_did(channel: int, name: str) -> None:
    pixels = np.full((20, 30, 3), 51, np.uint8)
    pixels[..., channel] = 204  # 0.8 against 0.2: logits 1.2, -1.2, -1.2 over the temperature 1.5
    (one,) = load_model(FORMAT1).predict(pixels)
    assert one.class_name == name
    assert one.probability == pytest.approx(np.exp(0.8) / (np.exp(0.8) + 2 * np.exp(-0.8)), abs=1e-3)


def test_its_calibration_scores_are_there() -> None:
    scores = load_model(FORMAT1).calibration
    assert (len(scores.top), int((~scores.correct).sum())) == (120, 12)
