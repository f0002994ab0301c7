"""A run's network as the backbone of another training: what is opened, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import BackboneError, MissingInputError, ModelError
from fovea.features import load_encoder, open_backbone
from fovea.features.runs import is_run, open_run_backbone
from fovea.features.sealed import digest_of

SAVED = Path(__file__).resolve().parents[1] / "model" / "format1"  # written once, by the first release
AGAIN = "Copy the whole run folder again from where it was made, or train it again with `fovea train`."


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAVED, tmp_path / "first"))


@pytest.fixture
def forge(run: Path) -> Callable[..., Path]:
    """Return a function that changes model.json and makes its digest right again."""

    def change(**values: object) -> Path:
        body = {**json.loads((run / "model.json").read_text()), **values}
        (run / "model.json").write_text(json.dumps({**body, "digest": digest_of(body)}))
        return run

    return change


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        open_run_backbone(folder)
    return str(caught.value)


def because(folder: Path, reason: str, cure: str = AGAIN) -> str:
    return f"The model in {str(folder)!r} is refused: {reason}. {cure}"


def test_a_run_s_network_is_opened_as_it_was_saved(run: Path) -> None:
    folder, card = open_run_backbone(run)
    assert folder == run / "backbone"
    assert (card.name, card.licence, card.preprocess.height_px) == ("colours", "CC0-1.0", 16)
    pixels = np.full((1, 16, 16, 3), (255, 0, 51), np.uint8)
    np.testing.assert_allclose(load_encoder(folder).encode(pixels), [[1, 0, 0.2, 1]], atol=1e-6)


def test_it_has_the_fingerprint_that_the_run_states(run: Path) -> None:
    folder, _ = open_run_backbone(run)
    said = json.loads((run / "model.json").read_text())["backbone"]["fingerprint"]
    assert load_encoder(folder).fingerprint == said


def test_a_run_is_told_from_other_folders_and_names(run: Path, tmp_path: Path) -> None:
    assert is_run(run)
    assert not any(is_run(path) for path in (tmp_path, tmp_path / "none", Path("resnet18"), Path("x" * 5000)))


def test_the_head_and_the_evidence_are_not_needed(run: Path) -> None:
    shutil.rmtree(run / "golden")
    (run / "head.safetensors").unlink()
    assert open_run_backbone(run)[1].name == "colours"


def test_a_run_that_is_not_there_names_the_closest(run: Path) -> None:
    wrong = run.with_name("frist")
    with pytest.raises(MissingInputError) as caught:
        open_run_backbone(wrong)
    assert str(caught.value) == (
        f"There is no model folder at {str(wrong)!r}; the closest is {str(run)!r}. "
        "Give the folder that `fovea train PHOTOS --out FOLDER` wrote."
    )


def test_a_folder_of_runs_is_no_run(run: Path, tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"{str(tmp_path)!r} is not a model folder: it holds the model folder 'first'. "
        "Give the folder that `fovea train PHOTOS --out FOLDER` wrote."
    )


@pytest.mark.parametrize("name", ["backbone.json", "network.xml", "network.bin"])
def test_a_missing_file_is_named(run: Path, name: str) -> None:
    (run / "backbone" / name).unlink()
    assert refusal(run) == because(run, f"the file 'backbone/{name}' is missing")


@pytest.mark.parametrize("name", ["backbone.json", "network.xml", "network.bin"])
def test_a_changed_file_is_named(run: Path, name: str) -> None:
    with (run / "backbone" / name).open("ab") as file:
        file.write(b" ")
    reason = f"the file 'backbone/{name}' was cut or changed after it was saved (its SHA-256 is another)"
    assert refusal(run) == because(run, reason)


def test_a_cut_document_is_refused(run: Path) -> None:
    (run / "model.json").write_bytes((run / "model.json").read_bytes()[:-40])
    assert refusal(run).startswith(f"The model in {str(run)!r} is refused: model.json is not valid JSON (")


def test_an_edited_document_is_refused(run: Path) -> None:
    text = (run / "model.json").read_text()
    (run / "model.json").write_text(text.replace('"seed": 7', '"seed": 8'))
    assert refusal(run) == because(run, "model.json was changed after it was saved")


def test_a_newer_run_is_refused(forge: Callable[..., Path]) -> None:
    run = forge(format=99)
    cure = "Update fovea (`pip install --upgrade fovea-vision`), or train the model again with this one."
    assert refusal(run) == because(run, "it is of format 99, and this fovea reads formats up to 1", cure)


def test_a_newer_network_is_refused(run: Path, forge: Callable[..., Path]) -> None:
    import hashlib

    card = run / "backbone" / "backbone.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "format": 99}))
    listed = json.loads((run / "model.json").read_text())["sha256"]
    forge(sha256={**listed, "backbone/backbone.json": hashlib.sha256(card.read_bytes()).hexdigest()})
    with pytest.raises(BackboneError) as caught:
        open_run_backbone(run)
    assert str(caught.value).startswith("The backbone has format 99; this fovea reads up to ")


@pytest.mark.parametrize("sha256", [None, [], {}, {"backbone/backbone.json": "short"}])
def test_a_document_without_hashes_is_refused(forge: Callable[..., Path], sha256: object) -> None:
    assert " is refused: model.json does not list the " in refusal(forge(sha256=sha256))


def test_a_document_that_points_outside_is_refused(run: Path, forge: Callable[..., Path]) -> None:
    listed = json.loads((run / "model.json").read_text())["sha256"]
    forge(sha256={**listed, "backbone/../../secret": "0" * 64})
    reason = "model.json names the file 'backbone/../../secret', which does not lie inside the folder"
    assert refusal(run) == because(run, reason)


def test_a_run_is_opened_by_its_folder_s_name_with_the_run_s_fingerprint(run: Path) -> None:
    encoder = open_backbone(backbone=str(run), precision="f32")
    said = json.loads((run / "model.json").read_text())["backbone"]["fingerprint"]
    assert (encoder.name, encoder.fingerprint) == ("colours", said)


def test_a_run_is_checked_when_it_is_opened_by_its_name(run: Path) -> None:
    (run / "backbone" / "network.bin").write_bytes(b"0")
    with pytest.raises(
        ModelError, match=r"^The model in .* is refused: the file 'backbone/network.bin' was cut"
    ):
        open_backbone(backbone=str(run))
    with pytest.raises(MissingInputError, match=r"^There is no model folder at .*; the closest is "):
        open_backbone(backbone=str(run.with_name("frist")))
