"""A model folder of numbers, and one of labels: worked out by hand on the network that averages colours."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from colour_model import colour_parts

from fovea.errors import InputError, ModelError
from fovea.features import Encoder
from fovea.learn import Head
from fovea.model import (
    DataFacts,
    Estimator,
    Labels,
    LabelsPrediction,
    ValuePrediction,
    Values,
    load_classifier,
    load_model,
    write_model,
)

VALUES = Values(coverage=0.95, half_width=1.5, spread=2.0, median=5.0, mean=4.0, lowest=0.0, highest=10.0)
LABELS = Labels(
    thresholds=(0.5, 0.9, 0.1), precisions=(0.98, None, None), confidence=0.95, commonest=("red",)
)


def write(encoder: Encoder, folder: Path, target: Values | Labels) -> Path:
    """Save the model that tells 10 times the mean red, or each channel as a label."""
    parts = colour_parts(encoder)
    head = parts.head
    if isinstance(target, Values):
        weights = np.array([[10, 0, 0, 0]], np.float32)
        head = Head(weights, np.array([5], np.float32), head.mean, head.scale, ("redness",), penalty=1.0)
    data = DataFacts(fingerprint="f" * 64, n_train=120, classes={"blue": 40})
    write_model(folder, replace(parts, head=head, target=target, calibration=None, data=data))
    return folder


def plain(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((16, 16, 3), (red, green, blue), np.uint8)


def test_a_saved_number_comes_back_with_its_range(encoder: Encoder, tmp_path: Path) -> None:
    model = load_model(write(encoder, tmp_path / "run", VALUES))
    assert isinstance(model, Estimator)
    one = model.predict(plain(255, 0, 51))[0]  # red 1: 10 x 1
    assert isinstance(one, ValuePrediction)
    assert (one.value, one.low, one.high) == pytest.approx((10.0, 8.5, 11.5))
    assert one.answer == ("10 (8.5 to 11.5)", None)


def test_saved_labels_come_back_each_with_its_threshold(encoder: Encoder, tmp_path: Path) -> None:
    model = load_model(write(encoder, tmp_path / "run", LABELS))
    assert isinstance(model, Estimator)
    # the logit of a channel at 0 is -2, at 1 it is 2; the temperature is 1.5: probabilities 0.209 and 0.791
    one, none = model.predict([plain(255, 255, 255), plain(255, 0, 0)])
    assert isinstance(one, LabelsPrediction)
    assert one.labels == ("blue", "red")
    assert one.probabilities == pytest.approx(
        dict.fromkeys(("blue", "green", "red"), 1 / (1 + np.exp(-2 / 1.5)))
    )
    assert none.answer == ("red", None)


def test_none_of_the_labels_is_an_answer(encoder: Encoder, tmp_path: Path) -> None:
    high = replace(LABELS, thresholds=(0.95, 0.95, 0.95))
    model = load_model(write(encoder, tmp_path / "run", high))
    one = model.predict(plain(255, 0, 0))[0]
    assert isinstance(one, LabelsPrediction)
    assert (one.labels, one.answer, one.answered) == ((), ("none", None), ("none",))


def test_an_unreadable_picture_has_a_problem_and_no_number(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"not a picture")
    model = load_model(write(encoder, tmp_path / "run", VALUES))
    one = model.predict(tmp_path / "bad.jpg")[0]
    assert isinstance(one, ValuePrediction)
    assert one.value is None
    assert one.problem != ""
    assert one.to_json()["value"] is None


@pytest.mark.parametrize("target", [VALUES, LABELS], ids=["number", "labels"])
def test_the_target_is_read_back_as_it_was(encoder: Encoder, tmp_path: Path, target: Values | Labels) -> None:
    model = load_model(write(encoder, tmp_path / "run", target))
    assert isinstance(model, Estimator)
    assert model.target == target
    assert model.document.target == target


def test_what_needs_classes_refuses_a_model_of_numbers(encoder: Encoder, tmp_path: Path) -> None:
    folder = write(encoder, tmp_path / "run", VALUES)
    with pytest.raises(InputError) as caught:
        load_classifier(folder, needed_by="`fovea sort`")
    assert str(caught.value) == (
        f"The run in {str(folder)!r} tells numbers, and `fovea sort` needs one of classes. Name another run, or use this one "
        "with `fovea predict` and `fovea evaluate`."
    )


def test_a_target_that_does_not_fit_the_head_is_refused(edit: Callable[..., Path]) -> None:
    folder = edit(
        target={
            "kind": "labels",
            "thresholds": [0.5],
            "precisions": [None],
            "confidence": None,
            "commonest": [],
        }
    )
    with pytest.raises(ModelError, match=r"'target' in model\.json does not fit 3 names"):
        load_model(folder)


@pytest.mark.parametrize("target", [{"kind": "boxes"}, {"kind": "regression", "coverage": 2}, []])
def test_an_unknown_or_broken_target_is_refused(edit: Callable[..., Path], target: object) -> None:
    with pytest.raises(ModelError):
        load_model(edit(target=target))


def test_golden_numbers_are_kept_in_training_deviations(encoder: Encoder, tmp_path: Path) -> None:
    import json

    folder = write(encoder, tmp_path / "run", VALUES)
    answers = json.loads((folder / "golden" / "answers.json").read_text())
    # in training deviations: red over 2
    assert all(0 <= row[0] <= 5 for row in answers["probabilities"].values())


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            VALUES,
            "Tells a number of each picture, redness; in training from 0 to 10. The true number lies within 1.5 of",
        ),
        (LABELS, "Tells which of 3 labels a picture has, any number of them or none."),
    ],
)
def test_the_card_says_what_is_told(
    encoder: Encoder, tmp_path: Path, target: Values | Labels, sentence: str
) -> None:
    assert sentence in (write(encoder, tmp_path / "run", target) / "card.md").read_text()
