"""The torch engine: its answers are OpenVINO's and torch's own; what it saves needs no torch; wrong wishes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import BackboneError, InputError
from fovea.features import Encoder, convert, load_encoder, open_backbone, torch_engine
from fovea.features.torch_engine import open_torch
from fovea.nets import TorchRunner, choose_device, has_bf16

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("needs_torch")
Write = Callable[..., Path]
PIXELS = convert.example_pictures(height_px=64, width_px=64, n_pictures=11)


def test_both_engines_give_the_same_features(write_weights: Write) -> None:
    weights = write_weights()
    ours = open_backbone(weights, engine="torch", precision="f32", threads=1)
    theirs = open_backbone(weights, engine="openvino", precision="f32", threads=1)
    assert ours.stages == theirs.stages
    np.testing.assert_allclose(ours.encode(PIXELS), theirs.encode(PIXELS), rtol=1e-3, atol=1e-5)


def test_the_encoder_tells_what_it_is(write_weights: Write) -> None:
    weights = write_weights()
    encoder: Encoder = open_torch(weights=weights, precision="f32", threads=1, device="cpu")
    same = open_backbone(weights, precision="f32")
    assert (encoder.name, encoder.engine, encoder.precision) == ("test_resnet", "torch", "f32")
    assert (encoder.n_features, encoder.threads, encoder.batch_size) == (same.n_features, 1, 8)
    assert (encoder.preprocess, encoder.licence) == (same.preprocess, "Apache-2.0")
    assert encoder.fingerprint != same.fingerprint


def test_an_answer_does_not_depend_on_the_other_pictures(write_weights: Write) -> None:
    encoder = open_backbone(write_weights(), engine="torch", precision="f32", threads=1)
    singly = np.concatenate([encoder.encode(one[None]) for one in PIXELS])
    np.testing.assert_array_equal(encoder.encode(PIXELS), singly)


def test_no_pictures_give_no_rows(write_weights: Write) -> None:
    encoder = open_backbone(write_weights(), engine="torch", threads=1)
    assert encoder.encode(PIXELS[:0]).shape == (0, encoder.n_features)


def test_what_it_saves_is_computed_without_torch(write_weights: Write, tmp_path: Path) -> None:
    encoder = open_backbone(write_weights(), engine="torch", precision="f32", threads=1)
    encoder.save(tmp_path / "saved")
    saved = load_encoder(tmp_path / "saved")
    assert (saved.engine, saved.precision) == ("openvino", "f32")
    np.testing.assert_allclose(saved.encode(PIXELS), encoder.encode(PIXELS), rtol=1e-3, atol=1e-5)


def test_bf16_stays_near_float32(write_weights: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "has_native_bf16", lambda: True)
    weights = write_weights()
    exact, half = (
        open_torch(weights=weights, precision=name, device="cpu", threads=1).encode(PIXELS)
        for name in ("f32", "bf16")
    )
    assert 0 < np.linalg.norm(half - exact) / np.linalg.norm(exact) < 0.03  # bf16 keeps 8 bits: 0.004 a step


@pytest.mark.parametrize(("native", "chosen"), [(True, "bf16"), (False, "f32")])
def test_bf16_is_taken_where_the_device_has_it(
    write_weights: Write, monkeypatch: pytest.MonkeyPatch, native: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch_engine, "has_native_bf16", lambda: native)
    assert open_torch(weights=write_weights(), device="cpu").precision == chosen


def test_bf16_by_force_is_refused_where_there_is_none(
    write_weights: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_engine, "has_native_bf16", lambda: False)
    with pytest.raises(BackboneError) as raised:
        open_torch(weights=write_weights(), precision="bf16", device="cpu")
    assert str(raised.value) == (
        "Precision 'bf16' was asked for, but torch's device 'cpu' has none here. Use 'f32'."
    )


def test_a_device_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(BackboneError) as raised:
        choose_device("cuda")
    assert str(raised.value) == "Torch has no device 'cuda' on this computer. There are: cpu."
    assert choose_device() == "cpu"


@pytest.mark.parametrize(("cuda", "mps", "device"), [(True, False, "cuda"), (False, True, "mps")])
def test_a_gpu_is_taken_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device() == device


@pytest.mark.parametrize("native", [True, False])
def test_cuda_has_bf16_where_its_hardware_does(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: native)
    assert has_bf16("cuda") is native
    assert not has_bf16("mps")


def test_the_network_runs_with_channels_last() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
    from fovea.nets import Place, pooled_network

    pooled = pooled_network(network, places=(Place("0", "mean"),), mean=(0.5,) * 3, std=(0.5,) * 3)
    TorchRunner(pooled, device="cpu", precision="f32", threads=1)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_backbones_that_are_no_torch_networks_are_refused() -> None:
    with pytest.raises(InputError) as raised:
        open_backbone(engine="torch")
    assert str(raised.value) == (
        "The torch engine computes networks of timm and torchvision, and 'fovea-tiny' is none. Name one, such as "
        "--backbone timm:mobilenetv2_100, or leave out --engine torch."
    )
