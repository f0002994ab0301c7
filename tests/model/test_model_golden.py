"""Golden pictures: what they exercise, and how far answers may move."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from colour_model import colour_encoder, colour_parts
from PIL import Image

from fovea.errors import BackboneError, ModelError
from fovea.features import Encoder
from fovea.model import folder, load_model, write, write_model
from fovea.model.golden import check_golden, decode_golden, draw_golden, largest_difference


class Shifted:
    """The colour network at another precision: every feature a little higher."""

    def __init__(self, encoder: Encoder, *, shift: float, precision: str) -> None:
        self._encoder, self._shift, self.precision = encoder, shift, precision
        self.preprocess, self.n_features = encoder.preprocess, encoder.n_features

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        return self._encoder.encode(pixels) * np.array([1 + self._shift, 1, 1, 1], np.float32)


def test_drawn_pictures_are_the_same_every_time() -> None:
    assert draw_golden() == draw_golden()


def test_drawn_pictures_are_small() -> None:
    assert sum(map(len, draw_golden().values())) < 100_000


def test_drawn_pictures_exercise_turning_and_16_bit_reading() -> None:
    pictures = {name: Image.open(io.BytesIO(content)) for name, content in draw_golden().items()}
    assert pictures["portrait.jpg"].getexif()[0x0112] == 6
    assert pictures["portrait.jpg"].size == (640, 480)
    assert pictures["grey16.png"].mode == "I;16"


def test_drawn_pictures_are_all_different_to_the_network() -> None:
    pixels = decode_golden(draw_golden(), height_px=16, width_px=16, fit="crop")
    assert pixels.shape == (3, 16, 16, 3)
    assert len({picture.tobytes() for picture in pixels}) == 3


def test_largest_difference_is_over_all_numbers() -> None:
    assert largest_difference(np.array([[0.2, 0.8]]), np.array([[0.25, 0.75]])) == pytest.approx(0.05)


def test_answer_that_is_no_number_is_infinitely_far() -> None:
    assert largest_difference(np.array([[np.nan, 0.8]]), np.array([[0.2, 0.8]])) == float("inf")


@pytest.mark.parametrize(("difference", "precision"), [(0.0009, "f32"), (0.0309, "bf16")])
def test_small_difference_is_allowed(difference: float, precision: str) -> None:
    check_golden(difference, saved="f32", precision=precision, recorded={"bf16": 0.03}, folder="run")


def test_large_difference_is_refused_with_both_numbers() -> None:
    with pytest.raises(ModelError) as caught:
        check_golden(0.0421, saved="f32", precision="bf16", recorded={"bf16": 0.03}, folder="run")
    assert str(caught.value) == (
        "The model in 'run' answers differently here than where it was saved: the probabilities of its "
        "golden pictures differ by up to 0.0421, and at bf16 at most 0.0310 is allowed. Another version of "
        "Pillow or OpenVINO, or this processor, changes what it sees: run `fovea doctor`, or train it again "
        "here."
    )


def test_precision_that_was_never_measured_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        check_golden(0.0, saved="f32", precision="bf16", recorded={}, folder="run")
    assert str(caught.value) == (
        "The model in 'run' was saved at f32, and how far its answers move at bf16 could not be measured "
        "then. Load it without asking for a precision, or train it again on this machine."
    )


def save_with_other_precision(encoder: Encoder, target: Path, *, shift: float) -> Path:
    """Save a model whose network answers a little differently in bf16, whatever this processor has."""

    def load(place: Path, *, precision: str, threads: int | None) -> Encoder | Shifted:
        return Shifted(encoder, shift=shift, precision="bf16") if precision == "bf16" else encoder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "load_encoder", load)
        write_model(target, colour_parts(encoder))
    return target


def test_difference_at_the_other_precision_is_recorded(encoder: Encoder, tmp_path: Path) -> None:
    run = save_with_other_precision(encoder, tmp_path / "run", shift=0.04)
    answers = json.loads((run / "golden" / "answers.json").read_text())
    assert answers["precision"] == "f32"
    assert list(answers["largest_difference"]) == ["bf16"]
    assert 0.001 < answers["largest_difference"]["bf16"] < 0.04


def test_precision_that_this_processor_lacks_is_not_recorded(encoder: Encoder, tmp_path: Path) -> None:
    def load(place: Path, *, precision: str, threads: int | None) -> Encoder:
        if precision == "bf16":
            raise BackboneError("Precision 'bf16' was asked for, but this processor has none.")
        return encoder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "load_encoder", load)
        write_model(tmp_path / "run", colour_parts(encoder))
    answers = json.loads((tmp_path / "run" / "golden" / "answers.json").read_text())
    assert answers["largest_difference"] == {}


@pytest.mark.parametrize("shift", [0.04, 0.02])
def test_other_precision_within_the_record_is_taken(encoder: Encoder, tmp_path: Path, shift: float) -> None:
    run = save_with_other_precision(encoder, tmp_path / "run", shift=0.04)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "load_encoder", lambda *a, **k: Shifted(encoder, shift=shift, precision="bf16"))
        assert load_model(run).encoder.precision == "bf16"


def test_other_precision_beyond_the_record_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    run = save_with_other_precision(encoder, tmp_path / "run", shift=0.04)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ModelError, match=r"and at bf16 at most 0\.0"):
        patch.setattr(folder, "load_encoder", lambda *a, **k: Shifted(encoder, shift=0.2, precision="bf16"))
        load_model(run)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"probabilities": {}}, "golden/answers.json does not fit the golden pictures"),
        ({"probabilities": None}, "golden/answers.json does not fit the golden pictures"),
        ({"probabilities__discs.png": [0.5, 0.5]}, "golden/answers.json holds values that are not numbers"),
        (
            {"probabilities__discs.png": ["a", "b", "c"]},
            "golden/answers.json holds values that are not numbers",
        ),
        ({"largest_difference": {"bf16": "small"}}, "golden/answers.json holds values that are not numbers"),
    ],
)
def test_forged_answers_are_refused(copied: Path, edit, body: dict[str, object], reason: str) -> None:  # type: ignore[no-untyped-def]
    import hashlib

    answers = json.loads((copied / "golden" / "answers.json").read_text())
    for place, value in body.items():
        *groups, key = place.split("__")
        (answers[groups[0]] if groups else answers)[key] = value
    (copied / "golden" / "answers.json").write_text(json.dumps(answers))
    sha256 = json.loads((copied / "model.json").read_text())["sha256"]
    new = hashlib.sha256((copied / "golden" / "answers.json").read_bytes()).hexdigest()
    edit(sha256={**sha256, "golden/answers.json": new})
    with pytest.raises(ModelError, match=f"is refused: {reason}"):
        load_model(copied)


def test_real_network_at_both_precisions_of_this_machine(tmp_path: Path) -> None:
    encoder = colour_encoder(tmp_path / "backbone")
    write_model(tmp_path / "run", colour_parts(encoder))
    for precision in json.loads((tmp_path / "run/golden/answers.json").read_text())["largest_difference"]:
        assert load_model(tmp_path / "run", precision=precision).encoder.precision == precision
