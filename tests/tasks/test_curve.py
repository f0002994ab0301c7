"""Accuracy by pictures learned from: judged as `train` would, in sentences, on a page, and from scratch beside it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fovea.errors import InputError
from fovea.judge import Forecast, Growth, Learning
from fovea.tasks import curve_scratch
from fovea.tasks.curve import curve
from fovea.tasks.curve_scratch import ScratchPoint, savings
from fovea.tasks.learning import MeasuredLearning, sentence
from fovea.tasks.train.train import train

Draw = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path, draw_class: Draw) -> Path:
    """Return a folder of 2 x 20 drawn pictures in class folders."""
    for kind in ("stripes", "dots"):
        for number in range(20):
            draw_class(tmp_path / "photos" / kind, kind, number)
    return tmp_path / "photos"


def measured(
    accuracies: tuple[float, ...], *, gain: float = 0.01, ends: tuple[float, float] = (0, 0.02)
) -> MeasuredLearning:
    sizes = tuple(10 * 2**k for k in range(len(accuracies)))
    ahead = Forecast(sizes[-1], sizes[-1], accuracies[-1] + gain, (0.8, 0.95), gain, ends)
    learning = Learning(
        sizes, accuracies, ((0.1, 0.9),) * len(sizes), Growth(1 - accuracies[-1], 0.0, 1.0), ahead
    )
    return MeasuredLearning(learning, (0.5,) * len(sizes), 50, 50, "held-out", ("cat", "dog"))


def test_a_curve_of_few_pictures_is_cross_validated(photos: Path, tmp_path: Path) -> None:
    found = curve(photos, html=tmp_path / "curve.html")
    told = found.to_json()
    assert (told["protocol"], told["n_judged"], told["n_classes"]) == ("cross-validated", 40, 2)
    assert [one["n_pictures"] for one in told["points"]] == [8, 11, 16, 23, 32]
    assert told["points"][-1]["accuracy"] > 0.9
    assert told["twice"]["n_pictures"] == 80
    assert "40 labelled pictures reach" in (tmp_path / "curve.html").read_text()


def test_given_splits_judge_the_curve(photos: Path, tmp_path: Path, draw_class: Draw) -> None:
    folder = tmp_path / "split"
    for kind in ("stripes", "dots"):
        for number in range(30):
            draw_class(folder / ("train" if number < 18 else "valid") / kind, kind, number)
    told = curve(folder).to_json()
    assert (told["protocol"], told["n_judged"], told["points"][-1]["n_pictures"]) == ("held-out", 24, 36)


def test_held_out_pictures_that_are_learned_from_too_judge_nothing(tmp_path: Path, draw_class: Draw) -> None:
    for kind in ("stripes", "dots"):
        for number in range(30):
            draw_class(tmp_path / "train" / kind, kind, number)
            if number < 12:
                draw_class(tmp_path / "valid" / kind, kind, 100 + number)
        shutil.copy(tmp_path / "train" / kind / f"{kind}_001.png", tmp_path / "valid" / kind / "again.png")
        with Image.open(tmp_path / "train" / kind / f"{kind}_002.png") as picture:
            picture.save(tmp_path / "valid" / kind / "pixels.bmp")
    told = curve(tmp_path).to_json()
    assert (told["protocol"], told["n_judged"]) == ("held-out", 24)


def test_from_scratch_a_name_that_no_table_can_hold_is_left_out_and_told(
    photos: Path, draw_class: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("stripes", "dots"):
        for number in range(20, 60):
            draw_class(photos / kind, kind, number)
    (photos / "dots" / "dots_001.png").rename(photos / "dots" / os.fsdecode(b"\xff.png"))
    monkeypatch.setattr(
        curve_scratch, "_train", lambda config, manifest, *, train, valid, progress: (train, valid)
    )
    monkeypatch.setattr(curve_scratch, "savings", lambda points, *_, **__: ())
    found = curve(photos, scratch="lenet5")
    assert found.notes[-1] == "1 picture whose name cannot be written in UTF-8 took no part from scratch."
    learned = [row.path for train, valid in found.scratch for row in (*train, *valid)]
    assert "dots/dots_002.png" in learned
    for path in learned:
        path.encode()


def test_packed_pictures_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    sizes = b"".join(n.to_bytes(4, "big") for n in (9, 28, 28))
    pixels = np.random.default_rng(0).integers(0, 256, 9 * 784, np.uint8).tobytes()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes + pixels)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(
        b"\0\0\x08\x01" + sizes[:4] + bytes(k % 3 for k in range(9))
    )
    with pytest.raises(InputError) as refused:
        curve(tmp_path, scratch="lenet5")
    assert str(refused.value) == (
        "--scratch takes pictures that are files of their own; these are packed. Write them out with `fovea data`, or leave "
        "--scratch out."
    )


def test_a_network_that_was_trained_on_the_pictures_is_refused(photos: Path, tmp_path: Path) -> None:
    run = train(photos, out=tmp_path / "run").folder
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "training": {"kept": "the last block"}}))
    with pytest.raises(InputError) as refused:
        curve(photos, backbone=str(run))
    assert str(refused.value) == (
        f"The network of the run {str(run)!r} was trained on 40 of the 40 pictures itself, so its curve would be flat and say "
        "nothing. Take a network that was not: --backbone mobilenetv2, for example."
    )


def test_a_private_page_names_no_absolute_path(photos: Path, tmp_path: Path) -> None:
    (photos / "dots" / "cut.png").write_bytes(b"no picture")
    found = curve(photos, html=tmp_path / "curve.html", private=True)
    assert [one["path"] for one in found.to_json()["quarantined"]] == ["dots/cut.png"]
    page = (tmp_path / "curve.html").read_text()
    assert "absolute paths are left out" in page
    assert str(tmp_path) not in page


def test_too_few_pictures_for_a_curve_are_refused(tmp_path: Path, draw_class: Draw) -> None:
    for kind in ("stripes", "dots"):
        for number in range(4):
            draw_class(tmp_path / "few" / kind, kind, number)
    with pytest.raises(InputError) as refused:
        curve(tmp_path / "few")
    assert str(refused.value) == (
        f"A curve takes 30 pictures or more to learn from, of two classes with two different pictures each, "
        f"and more than two a class; {str(tmp_path / 'few')!r} has 8 in 2 classes. Label more: `fovea next` says which."
    )


def test_epochs_without_scratch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        curve(tmp_path, epochs=3)
    assert str(refused.value) == (
        "--epochs says how long --scratch trains: give --scratch too, for example --scratch lenet5."
    )


@pytest.mark.parametrize(
    ("gain", "ends", "advice"),
    [
        (0.02, (0.01, 0.03), "More labels pay."),
        (
            0.001,
            (0.0, 0.005),
            "More labels hardly pay: look at the mistakes, at wrong labels (fovea suspects), or take another network.",
        ),
        (
            0.01,
            (0.0, 0.03),
            "Whether more labels pay cannot be told from these: the gain may be less than a point, or more.",
        ),
    ],
)
def test_the_sentence_says_what_twice_the_labels_bring(
    gain: float, ends: tuple[float, float], advice: str
) -> None:
    text = sentence(measured((0.7, 0.8), gain=gain, ends=ends))
    low, high = (100 * end for end in ends)
    assert text == (
        "By the law through the points, 20 labelled pictures reach 80.0 %; twice as many would reach some "
        f"{100 * (0.8 + gain):.1f} %: {100 * gain:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}). {advice}"
    )


def test_what_a_network_trained_before_saves_is_told_in_labels_and_seconds() -> None:
    points = (ScratchPoint(20, 0.5, (0.4, 0.6), 30.0), ScratchPoint(40, 0.72, (0.6, 0.8), 61.0))
    assert savings(points, measured((0.6, 0.75, 0.8)), net="lenet5", features_seconds=4.0) == (
        "lenet5 from scratch reaches 72.0 % with 40 pictures; the probe as much with 20.",
        "With 40 pictures: 61 s from scratch; the probe 0.5 s, and 4.0 s for its features (kept from then on).",
    )


def test_a_network_from_scratch_that_does_better_is_said_to() -> None:
    points = (ScratchPoint(40, 0.9, (0.8, 0.95), 61.0),)
    assert savings(points, measured((0.6, 0.8)), net="lenet5", features_seconds=4.0)[0] == (
        "lenet5 from scratch reaches 90.0 % with 40 pictures, more than the probe (80.0 %): these pictures are worth training "
        "a network."
    )


def test_from_scratch_beside_it_learns_from_nested_parts(
    photos: Path, tmp_path: Path, draw_class: Draw
) -> None:
    pytest.importorskip("torch")
    for kind in ("stripes", "dots"):
        for number in range(20, 60):
            draw_class(photos / kind, kind, number)
    found = curve(photos, scratch="mlp", epochs=1)
    assert [one.n for one in found.scratch] == [24, 48, 96]
    assert found.to_json()["net"] == "mlp"
    assert len(found.saved) == 2
