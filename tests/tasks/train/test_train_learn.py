"""What learning says of classes that it cannot learn."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fovea.errors import BackboneError
from fovea.tasks.train.learn import _require_variety
from fovea.tasks.train.train import train


def test_a_class_of_which_nothing_can_be_read_is_named_in_the_notes(
    tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    for kind in ("dots", "stripes"):
        for number in range(6):
            draw_class(tmp_path / "photos" / kind, kind, number)
    (tmp_path / "photos" / "plain").mkdir()
    for number in range(3):
        (tmp_path / "photos" / "plain" / f"{number}.jpg").write_bytes(b"")
    metrics = train(tmp_path / "photos", out=tmp_path / "run").metrics
    assert metrics["class_names"] == ["dots", "stripes"]
    assert metrics["notes"][0] == (
        "Class 'plain' is left out: 0 of 3 files to learn from could be read as a picture: 3 x an empty file (0 bytes)."
    )


def test_a_network_that_sees_no_difference_between_pictures_is_refused() -> None:
    encoder = SimpleNamespace(name="nan.onnx")
    with pytest.raises(BackboneError) as caught:
        _require_variety(np.ones((1200, 4), np.float32), encoder=encoder)
    assert str(caught.value) == (
        "'nan.onnx' gives each of the 1,200 pictures the same features, so nothing can be learned from them: its weights "
        "may be damaged, or hold values that are no numbers. Take other weights, or another --backbone."
    )


def test_one_picture_that_differs_is_enough_to_go_on() -> None:
    features = np.ones((1200, 4), np.float32)
    features[-1, 3] = 2
    _require_variety(features, encoder=SimpleNamespace(name="any"))
