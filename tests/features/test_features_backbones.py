"""Opening backbones: identity, saving and loading, wrong wishes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.errors import BackboneError, MissingInputError, OutputError
from fovea.features import Encoder, backbones, finding, load_encoder, open_backbone
from fovea.features.backbones import NetworkEncoder
from fovea.features.card import CARD, NETWORK, WEIGHTS


@pytest.fixture(autouse=True)
def _small_is_embedded(monkeypatch: pytest.MonkeyPatch, small_folder: Path) -> None:
    monkeypatch.setattr(finding, "_EMBEDDED", small_folder)


@pytest.fixture
def _no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "has_native_bf16", lambda: False)


@pytest.fixture
def _bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "has_native_bf16", lambda: True)


def test_the_encoder_tells_what_it_is(encoder: NetworkEncoder) -> None:
    said: Encoder = encoder
    assert (said.name, said.engine, said.precision, said.licence) == (
        "small",
        "openvino",
        "f32",
        "Apache-2.0",
    )
    assert (said.n_features, said.threads, said.batch_size) == (16, 2, 8)
    assert [(stage.name, stage.start, stage.stop) for stage in said.stages] == [
        ("conv:mean", 0, 8),
        ("conv:max", 8, 16),
    ]


def test_shape_and_fit_are_the_network_s_own_unless_said() -> None:
    own, other = open_backbone(), open_backbone(shape_px=(48, 32), fit="pad")
    assert (own.preprocess.height_px, own.preprocess.width_px, own.preprocess.fit) == (32, 32, "crop")
    assert (other.preprocess.height_px, other.preprocess.width_px, other.preprocess.fit) == (48, 32, "pad")


@pytest.mark.usefixtures("_bf16")
def test_all_that_changes_the_numbers_changes_the_fingerprint() -> None:
    fingerprints = {
        open_backbone(precision="f32").fingerprint,
        open_backbone(precision="bf16").fingerprint,
        open_backbone(precision="f32", shape_px=(48, 32)).fingerprint,
        open_backbone(precision="f32", shape_px=(32, 48)).fingerprint,
        open_backbone(precision="f32", fit="squash").fingerprint,
    }
    assert len(fingerprints) == 5


def test_threads_do_not_change_the_fingerprint() -> None:
    assert open_backbone(threads=1).fingerprint == open_backbone(threads=5).fingerprint


def test_the_fingerprint_does_not_depend_on_the_network_s_text(small_folder: Path, tmp_path: Path) -> None:
    first = load_encoder(small_folder)
    first.save(tmp_path / "a")
    text = (tmp_path / "a" / NETWORK).read_text().replace('name="small"', 'name="other"')
    (tmp_path / "a" / NETWORK).write_text(text)
    backbones.write_card(tmp_path / "a", first.card)
    assert load_encoder(tmp_path / "a").fingerprint == first.fingerprint


@pytest.mark.usefixtures("_bf16")
def test_bf16_is_taken_where_the_processor_has_it() -> None:
    assert open_backbone().precision == "bf16"


@pytest.mark.usefixtures("_no_bf16")
def test_f32_is_taken_where_the_processor_has_no_bf16() -> None:
    assert open_backbone().precision == "f32"


@pytest.mark.usefixtures("_no_bf16")
def test_bf16_by_force_is_refused_where_the_processor_has_none() -> None:
    with pytest.raises(BackboneError) as raised:
        open_backbone(precision="bf16")
    assert str(raised.value) == (
        "Precision 'bf16' was asked for, but this processor has none. Use 'f32' or 'auto'."
    )


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(BackboneError) as raised:
        open_backbone(precision="f16")
    assert str(raised.value) == "Precision 'f16' is not known. Use 'auto', 'bf16' or 'f32'."


def test_a_saved_encoder_gives_the_same_answers(
    tmp_path: Path, noise: Callable[..., NDArray[np.uint8]]
) -> None:
    first = open_backbone(shape_px=(48, 32), fit="pad")
    first.save(tmp_path / "model" / "backbone")
    second = load_encoder(tmp_path / "model" / "backbone")
    assert (second.fingerprint, second.preprocess) == (first.fingerprint, first.preprocess)
    pixels = noise(9, height_px=48)
    np.testing.assert_array_equal(second.encode(pixels), first.encode(pixels))


def test_a_saved_encoder_is_three_files(tmp_path: Path) -> None:
    open_backbone().save(tmp_path / "backbone")
    assert {file.name for file in (tmp_path / "backbone").iterdir()} == {NETWORK, WEIGHTS, CARD}


def test_a_model_of_bf16_runs_in_f32_where_there_is_no_bf16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbones, "has_native_bf16", lambda: True)
    open_backbone(precision="bf16").save(tmp_path / "backbone")
    monkeypatch.setattr(backbones, "has_native_bf16", lambda: False)
    assert load_encoder(tmp_path / "backbone").precision == "f32"


@pytest.mark.usefixtures("_bf16")
def test_a_model_of_f32_stays_so_unless_said(small_folder: Path) -> None:
    assert load_encoder(small_folder).precision == "f32"
    assert load_encoder(small_folder, precision="bf16").precision == "bf16"


def test_saving_where_a_file_stands_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"^The backbone cannot be written to '.*file': "):
        open_backbone().save(tmp_path / "file")


def test_a_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as raised:
        open_backbone(tmp_path / "no.safetensors")
    assert str(raised.value) == (
        f"The weights file {str(tmp_path / 'no.safetensors')!r} cannot be read: No such file or directory. "
        "Check the path after --weights."
    )


def test_a_network_of_one_size_refuses_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: NetworkEncoder
) -> None:
    import dataclasses

    encoder.save(tmp_path / "fixed")
    backbones.write_card(tmp_path / "fixed", dataclasses.replace(encoder.card, any_shape=False))
    monkeypatch.setattr(finding, "_EMBEDDED", tmp_path / "fixed")
    with pytest.raises(BackboneError) as raised:
        open_backbone(shape_px=(48, 32))
    assert str(raised.value) == (
        "'small' takes pictures of 32 x 32 px only, not 48 x 32. Leave the size to it: give no --size."
    )


def test_without_an_embedded_backbone_weights_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_EMBEDDED", tmp_path / "none")
    with pytest.raises(BackboneError) as raised:
        open_backbone()
    assert str(raised.value) == (
        "This build holds no embedded backbone. Name another: --weights FILE.safetensors."
    )
