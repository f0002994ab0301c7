"""The classifier a user holds: what it takes, and one answer for every input in order."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fovea.errors import InputError
from fovea.features import open_store
from fovea.model import Classifier, chunks, load_model

RED, GREEN = (250, 10, 10), (10, 250, 10)


@pytest.fixture(scope="module")
def model(saved: Path) -> Classifier:
    return load_model(saved)


def png(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (24, 24), colour).save(out, "PNG")
    return out.getvalue()


def plain(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((24, 24, 3), colour, np.uint8)


def test_answer_is_the_hand_calculation(model: Classifier) -> None:
    """Red 250, green and blue 10 of 255: logits 4 (c / 255 - 0.5), over the temperature 1.5."""
    (one,) = model.predict(plain(RED))
    logits = 4 * (np.array([10, 10, 250]) / 255 - 0.5) / 1.5
    expected = np.exp(logits) / np.exp(logits).sum()
    assert list(one.probabilities.values()) == pytest.approx(
        expected.tolist(), abs=2e-3
    )  # features are float16
    assert (one.class_name, one.probability) == ("red", max(one.probabilities.values()))


def test_path_bytes_picture_and_array_get_the_same_answer(
    model: Classifier, tmp_path: Path, draw_picture: Callable[..., Path]
) -> None:
    path = draw_picture(tmp_path / "a.png", seed=5)
    pixels = np.asarray(Image.open(path))
    answers = model.predict([path, str(path), path.read_bytes(), Image.open(path), pixels])
    assert len({str(one.probabilities) for one in answers}) == 1


def test_memory_is_named_by_its_place_in_the_list(model: Classifier) -> None:
    assert [one.path for one in model.predict([png(RED), plain(GREEN)])] == ["input 1", "input 2"]


def test_folder_becomes_its_files_sorted(
    model: Classifier, tmp_path: Path, draw_picture: Callable[..., Path]
) -> None:
    for name in ("b.png", "a/z.png", "a/c.png"):
        draw_picture(tmp_path / name, colour=RED)
    names = [one.path for one in model.predict(tmp_path)]
    assert names == [str(tmp_path / name) for name in ("a/c.png", "a/z.png", "b.png")]


def test_unreadable_inputs_keep_their_place(model: Classifier, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no picture")
    answers = model.predict(
        [png(RED), tmp_path / "empty.jpg", tmp_path / "gone.jpg", tmp_path / "text.png", png(GREEN)]
    )
    assert [one.class_name for one in answers] == ["red", None, None, None, "green"]
    assert all(one.problem for one in answers[1:4])
    assert answers[2].problem == "there is no such file"


def test_pipe_is_not_waited_for(model: Classifier, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.jpg")
    assert model.predict(tmp_path / "pipe.jpg")[0].problem == "it is not a regular file"


def test_name_with_a_nul_is_a_problem_of_its_row(model: Classifier) -> None:
    assert model.predict("a\0.jpg")[0].problem == "cannot be read: embedded null byte"


def test_array_that_is_no_picture_is_the_callers_mistake(model: Classifier) -> None:
    with pytest.raises(InputError, match="An array of float64"):
        model.predict(np.zeros((4, 4, 3)))


def test_more_than_a_chunk_is_answered_as_one(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [plain((10 * n, 100, 120)) for n in range(21)]
    whole = model.predict(inputs)
    monkeypatch.setattr(chunks, "CHUNK", 5)
    assert model.predict(inputs) == whole


def test_progress_counts_the_pictures(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 2)
    told: list[tuple[str, int, int]] = []
    model.predict([png(RED)] * 3, progress=lambda *args: told.append(args))
    assert told == [("predict", 0, 3), ("predict", 2, 3), ("predict", 3, 3)]


def test_store_gives_the_same_answers_the_second_time(model: Classifier, tmp_path: Path) -> None:
    with open_store(tmp_path / "store.sqlite") as store:
        first = model.predict([png(RED), png(GREEN)], store=store)
        assert (
            model.predict([png(RED), png(GREEN)], store=store)
            == first
            == model.predict([png(RED), png(GREEN)])
        )


def test_picture_unlike_the_training_ones_is_marked(model: Classifier) -> None:
    """The distance score was fitted on uniform features in [0, 1]; its own limit decides."""
    assert model.novelty is not None
    features = np.array([[0.5, 0.5, 0.5, 0.5], [40.0, -30.0, 10.0, 90.0]], np.float32)
    expected = (model.novelty.score(features) > model.novelty.limit).tolist()
    assert [one.unlike for one in model.decide(features, ["a", "b"])] == expected


def test_notebook_shows_classes_and_backbone(model: Classifier) -> None:
    assert model._repr_html_() == (
        "<p><b>fovea classifier</b>: 3 classes (blue, green, red), backbone colours, trained on 120 "
        "pictures</p>"
    )
