"""Reading a model folder: what comes back, and every refusal by its words."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from colour_model import CLASS_NAMES
from safetensors.numpy import load, save

from fovea.errors import MissingInputError, ModelError
from fovea.features import Encoder
from fovea.features.sealed import RefusedError
from fovea.judge import fit_novelty
from fovea.model import ModelParts, load_model, write_model
from fovea.model.document import parse_document
from fovea.model.folder import read_evidence

CURE = "Copy the whole run folder again from where it was made, or train it again with `fovea train`."
GIVE = "Give the folder that `fovea train PHOTOS --out FOLDER` wrote."


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    return str(caught.value)


def because(folder: Path, reason: str, cure: str = CURE) -> str:
    return f"The model in {str(folder)!r} is refused: {reason}. {cure}"


def test_head_calibration_and_thresholds_come_back_as_saved(saved: Path, parts: ModelParts) -> None:
    model = load_model(saved)
    assert model.class_names == CLASS_NAMES
    assert model.temperature == 1.5
    assert model.thresholds == parts.thresholds
    np.testing.assert_array_equal(model.head.weights, parts.head.weights)
    np.testing.assert_array_equal(model.calibration.top, parts.calibration.top)
    np.testing.assert_array_equal(model.calibration.correct, parts.calibration.correct)


def test_distance_score_comes_back_as_saved(saved: Path, parts: ModelParts) -> None:
    features = np.random.default_rng(3).uniform(0, 1, (5, 4)).astype(np.float32)
    again, before = load_model(saved).novelty, parts.novelty
    assert again is not None and before is not None
    np.testing.assert_array_equal(again.score(features), before.score(features))
    assert again.limit == before.limit


def test_model_without_distance_score_comes_back_without(encoder: Encoder, tmp_path: Path) -> None:
    from colour_model import colour_parts

    write_model(tmp_path / "run", colour_parts(encoder, novelty=False))
    assert load_model(tmp_path / "run").novelty is None


def test_what_it_was_trained_on_comes_back(saved: Path, parts: ModelParts) -> None:
    document = load_model(saved).document
    assert document.data == parts.data
    assert document.seed == 7
    assert document.settings == {"valid_share": 0.2}


def test_two_models_have_two_fingerprints(saved: Path, edit: Callable[..., Path]) -> None:
    assert load_model(saved).fingerprint != load_model(edit(seed=8)).fingerprint


def test_loading_reads_no_pickle(saved: Path) -> None:
    seen = []
    on = [True]
    sys.addaudithook(
        lambda event, _: seen.append(event) if on[0] and event.startswith(("pickle", "marshal")) else None
    )
    load_model(saved)
    on[0] = False
    assert "pickle.find_class" not in seen


@pytest.mark.parametrize(
    "name", ["head.safetensors", "golden/answers.json", "backbone/network.bin", "golden/discs.png"]
)
def test_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    assert refusal(copied) == because(copied, f"the file {name!r} is missing")


@pytest.mark.parametrize(
    "name", ["head.safetensors", "golden/answers.json", "backbone/network.xml", "golden/portrait.jpg"]
)
def test_cut_file_is_named(copied: Path, name: str) -> None:
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content[: len(content) // 2])
    assert refusal(copied) == because(
        copied, f"the file {name!r} was cut or changed after it was saved (its SHA-256 is another)"
    )


def test_one_flipped_bit_in_the_head_is_seen(copied: Path) -> None:
    content = bytearray((copied / "head.safetensors").read_bytes())
    content[-1] ^= 1
    (copied / "head.safetensors").write_bytes(content)
    assert "'head.safetensors' was cut or changed" in refusal(copied)


def test_edited_document_is_refused(copied: Path) -> None:
    body = json.loads((copied / "model.json").read_text())
    (copied / "model.json").write_text(json.dumps({**body, "temperature": 1.0}))
    assert refusal(copied) == because(copied, "model.json was changed after it was saved")


def test_document_cut_anywhere_is_refused(copied: Path) -> None:
    content = (copied / "model.json").read_bytes()
    for n_bytes in range(0, len(content) - 2, 97):
        (copied / "model.json").write_bytes(content[:n_bytes])
        assert "model.json is not valid JSON" in refusal(copied)


def test_newer_format_asks_for_a_newer_fovea(edit: Callable[..., Path]) -> None:
    folder = edit(format=2, something_new=1)
    assert refusal(folder) == because(
        folder,
        "it is of format 2, and this fovea reads formats up to 1",
        "Update fovea (`pip install --upgrade fovea-vision`), or train the model again with this one.",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "1"}, "model.json has '1' where the number of its format stands"),
        ({"format": True}, "model.json has True where the number of its format stands"),
        ({"temperature": ...}, "model.json lacks the key 'temperature'"),
        ({"colour": 1}, "model.json has the unknown key 'colour'"),
        ({"temperature": 0}, "'temperature' in model.json is 0, not a number above 0"),
        ({"temperature": "warm"}, "'temperature' in model.json is 'warm', not a number above 0"),
        ({"seed": 1.5}, "'seed' in model.json is 1.5, not a whole number"),
        (
            {"class_names": ["a"]},
            "'class_names' in model.json is ['a'], not a list of at least two different names",
        ),
        ({"thresholds__unsure": 2}, "'unsure' in 'thresholds' of model.json is 2, not a number from 0 to 1"),
        ({"thresholds__mood": 1}, "'thresholds' of model.json has the unknown key 'mood'"),
        (
            {"preprocessing__height_px": 0},
            "'height_px' in 'preprocessing' of model.json is 0, not a side of 1 to 4096 px",
        ),
        (
            {"preprocessing__fit": "bend"},
            "'fit' in 'preprocessing' of model.json is 'bend', not 'crop', 'pad' or 'squash'",
        ),
        ({"head__transform": "magic"}, "the head's transform 'magic' is not known"),
        (
            {"preprocessing__height_px": 32},
            "backbone.json and model.json disagree on the size of the pictures",
        ),
    ],
)
def test_wrong_value_is_named(edit: Callable[..., Path], changes: dict[str, object], reason: str) -> None:
    folder = edit(**changes)
    assert refusal(folder) == because(folder, reason)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "golden/../../x", "a\\b", "golden//x", "."])
def test_name_outside_the_folder_is_refused(copied: Path, edit: Callable[..., Path], name: str) -> None:
    sha256 = json.loads((copied / "model.json").read_text())["sha256"]
    folder = edit(sha256={**sha256, name: "0" * 64})
    assert refusal(folder) == because(
        folder, f"model.json names the file {name!r}, which does not lie inside the folder"
    )


def test_unlisted_head_is_refused(copied: Path, edit: Callable[..., Path]) -> None:
    sha256 = json.loads((copied / "model.json").read_text())["sha256"]
    del sha256["head.safetensors"]
    folder = edit(sha256=sha256)
    assert refusal(folder) == because(folder, "model.json does not list the file 'head.safetensors'")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000, "model.json is not valid JSON (it is nested too deeply)"),
        (b'{"format": 1, "format": 1}', "model.json is not valid JSON (a key stands there twice)"),
        (b'{"format": NaN}', "model.json is not valid JSON (NaN is not a number)"),
        (b"[1]", "model.json does not hold a JSON object"),
    ],
)
def test_hostile_json_is_refused(copied: Path, content: bytes, reason: str) -> None:
    (copied / "model.json").write_bytes(content)
    assert refusal(copied) == because(copied, reason)


def test_number_of_a_million_digits_is_refused(copied: Path) -> None:
    (copied / "model.json").write_bytes(b'{"format": 1' + b"0" * 1_000_000 + b"}")
    assert "model.json is not valid JSON" in refusal(copied)


def test_huge_document_is_not_read(copied: Path) -> None:
    with (copied / "model.json").open("wb") as file:
        file.truncate(33 << 20)
    assert refusal(copied) == because(
        copied, "the file 'model.json' has 34,603,008 bytes, and at most 33,554,432 are read"
    )


def test_pipe_in_place_of_a_file_is_not_waited_for(copied: Path) -> None:
    (copied / "head.safetensors").unlink()
    os.mkfifo(copied / "head.safetensors")
    assert refusal(copied) == because(copied, "the file 'head.safetensors' is missing")


def test_unreadable_file_is_named(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert refusal(copied) == because(copied, "the file 'model.json' cannot be read (Permission denied)")


def forge_head(folder: Path, edit: Callable[..., Path], **arrays: np.ndarray | None) -> Path:
    """Replace arrays of head.safetensors ("head_bias" for head.bias) and make every sum right again."""
    import hashlib

    content = load((folder / "head.safetensors").read_bytes())
    for name, array in arrays.items():
        content.pop(name.replace("head_", "head.")) if array is None else content.update(
            {name.replace("head_", "head."): array}
        )
    (folder / "head.safetensors").write_bytes(save(content))
    sha256 = json.loads((folder / "model.json").read_text())["sha256"]
    new = hashlib.sha256((folder / "head.safetensors").read_bytes()).hexdigest()
    return edit(sha256={**sha256, "head.safetensors": new})


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"head_bias": None}, "head.safetensors lacks 'head.bias'"),
        (
            {"head_bias": np.zeros(4, np.float32)},
            "'head.bias' is float32 4, and model.json asks for float32 3",
        ),
        (
            {"head_bias": np.zeros(3, np.float64)},
            "'head.bias' is float64 3, and model.json asks for float32 3",
        ),
        (
            {"head_weights": np.zeros((3, 5), np.float32)},
            "'head.weights' is float32 3 x 5, and model.json asks for float32 3 x 4",
        ),
        ({"head_mean": np.full(4, np.nan, np.float32)}, "'head.mean' holds values that are not numbers"),
        (
            {"calibration_predicted": np.full(120, 3)},
            "the calibration scores in head.safetensors do not fit 3 classes",
        ),
        (
            {"calibration_top": np.full(120, np.nan)},
            "the calibration scores in head.safetensors do not fit 3 classes",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    copied: Path, edit: Callable[..., Path], arrays: dict[str, np.ndarray | None], reason: str
) -> None:
    folder = forge_head(copied, edit, **arrays)
    assert refusal(folder) == because(folder, reason)


def test_class_missing_from_the_names_is_refused(edit: Callable[..., Path]) -> None:
    folder = edit(class_names=["blue", "green"])
    assert refusal(folder) == because(
        folder, "'head.weights' is float32 3 x 4, and model.json asks for float32 2 x 4"
    )


def test_distance_score_of_other_features_is_refused(copied: Path, edit: Callable[..., Path]) -> None:
    features, number = np.random.default_rng(0).uniform(0, 1, (60, 9)), np.arange(60)
    other = fit_novelty(features.astype(np.float32), number % 3, folds=number % 2)
    folder = forge_head(copied, edit, **other.to_arrays())
    assert "the distance score in head.safetensors " in refusal(folder)


def test_other_answers_to_the_golden_pictures_are_refused(copied: Path, edit: Callable[..., Path]) -> None:
    folder = forge_head(copied, edit, head_bias=np.array([1, 0, 0], np.float32))
    text = refusal(folder)
    assert text.startswith(
        f"The model in {str(folder)!r} answers differently here than where it was saved: the probabilities "
        "of its golden pictures differ by up to 0."
    )
    assert text.endswith(
        ", and at f32 at most 0.0010 is allowed. Another version of Pillow or OpenVINO, or this processor, "
        "changes what it sees: run `fovea doctor`, or train it again here."
    )


def test_folder_that_may_not_be_opened_is_said(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", fail)
    assert refusal(copied) == f"{str(copied)!r} cannot be opened (Permission denied). Check its permissions."


@pytest.mark.parametrize(
    "name", ["model.json", "head.safetensors", "golden/answers.json", "backbone/backbone.json"]
)
def test_any_changed_byte_is_refused_and_nothing_else_happens(copied: Path, name: str) -> None:
    rng = np.random.default_rng(5)
    content = (copied / name).read_bytes()
    for place in rng.integers(0, len(content) - 1, 40):
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        (copied / name).write_bytes(changed)
        with pytest.raises(ModelError):
            load_model(copied)


def test_any_value_in_any_place_is_taken_or_refused(copied: Path, edit: Callable[..., Path]) -> None:
    """A forger with the right digest: whatever stands there, it is a refusal, never another error."""
    body = json.loads((copied / "model.json").read_text())
    inner = [f"{key}__{name}" for key, value in body.items() if isinstance(value, dict) for name in value]
    for place in [*(key for key in body if key != "digest"), *inner]:
        for value in (
            None,
            -1,
            1e308,
            2**63,
            "",
            "x" * 20_000,
            [],
            {},
            [[[]]],
            {"a": {"b": 1}},
            [0, 0],
            ["a", 1],
        ):
            edit(**{place: value})
            with contextlib.suppress(RefusedError):
                parse_document((copied / "model.json").read_bytes())
        (copied / "model.json").write_text(json.dumps(body))


def test_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        load_model(tmp_path / "first")
    assert str(caught.value) == f"There is no model folder at {str(tmp_path / 'first')!r}. {GIVE}"


def test_misspelt_folder_gets_the_closest_model(copied: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        load_model(copied.parent / "frist")
    asked = str(copied.parent / "frist")
    assert (
        str(caught.value) == f"There is no model folder at {asked!r}; the closest is {str(copied)!r}. {GIVE}"
    )


def make_pictures(folder: Path) -> None:
    (folder / "cat").mkdir()
    (folder / "cat" / "1.JPG").touch()


@pytest.mark.parametrize(
    ("fill", "looks"),
    [
        (lambda folder: None, "it is empty"),
        (make_pictures, "this looks like a folder of pictures"),
        (lambda folder: (folder / "a.png").touch(), "this looks like a folder of pictures"),
        (lambda folder: (folder / "notes.txt").touch(), "it has no model.json"),
        (lambda folder: (folder / "head.safetensors").touch(), "its model.json is missing"),
    ],
    ids=["empty", "class folders", "pictures", "other files", "without model.json"],
)
def test_other_folder_is_told_from_a_model(tmp_path: Path, fill: Callable[[Path], None], looks: str) -> None:
    fill(tmp_path)
    assert refusal(tmp_path) == f"{str(tmp_path)!r} is not a model folder: {looks}. {GIVE}"


def test_folder_above_a_model_names_it(copied: Path) -> None:
    above = copied.parent
    assert (
        refusal(above) == f"{str(above)!r} is not a model folder: it holds the model folder 'first'. {GIVE}"
    )


def test_file_of_a_model_names_its_folder(copied: Path) -> None:
    file = copied / "model.json"
    reason = f"it is a file of the model folder {str(copied)!r}"
    assert refusal(file) == f"{str(file)!r} is not a model folder: {reason}. {GIVE}"


def test_evidence_is_read_where_it_is_unchanged(saved: Path) -> None:
    assert read_evidence(saved, "manifest.csv", document=load_model(saved).document) == b"path\r\n"


def test_evidence_that_is_gone_is_none(copied: Path) -> None:
    document = load_model(copied).document
    (copied / "manifest.csv").unlink()
    assert read_evidence(copied, "manifest.csv", document=document) is None
    assert read_evidence(copied, "other.csv", document=document) is None


def test_changed_evidence_is_refused(copied: Path) -> None:
    document = load_model(copied).document
    (copied / "manifest.csv").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"'manifest\.csv' was cut or changed after it was saved"):
        read_evidence(copied, "manifest.csv", document=document)


def test_model_without_its_evidence_still_predicts(copied: Path) -> None:
    for name in ("manifest.csv", "metrics.json", "card.md"):
        (copied / name).unlink()
    assert load_model(copied).class_names == CLASS_NAMES


def test_model_predicts_where_it_was_copied_to(copied: Path, tmp_path: Path) -> None:
    moved = Path(shutil.move(copied, tmp_path / "elsewhere"))
    assert load_model(moved).predict(np.full((20, 20, 3), (250, 0, 0), np.uint8))[0].class_name == "red"
