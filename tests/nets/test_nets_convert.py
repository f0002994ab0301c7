"""Weights to a backbone without torch: converted once, checked, cached; wrong weights named."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import BackboneError
from fovea.features import BackboneCard, Preprocess, cache_folder, convert, load_encoder, open_backbone
from fovea.nets import Place, pooled_network

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("needs_torch")
Write = Callable[..., Path]

WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "timm"):
    sys.modules[name] = None
from pathlib import Path
import numpy as np
from fovea.errors import FoveaError
from fovea.features import open_backbone
try:
    encoder = open_backbone(Path(sys.argv[1]), precision="f32")
    np.save(sys.argv[2], encoder.encode(np.load(sys.argv[3])))
except FoveaError as error:
    print(f"{type(error).__name__}: {error}")
"""


def run_without_torch(weights: Path, folder: Path) -> str:
    """Open and encode in a child without torch, into `answer.npy`; return what it prints."""
    np.save(folder / "pixels.npy", convert.example_pictures(height_px=64, width_px=64))
    files = [str(one) for one in (weights, folder / "answer.npy", folder / "pixels.npy")]
    command = [sys.executable, "-W", "error", "-c", WITHOUT_TORCH, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_converted_features_are_torch_s(write_weights: Write) -> None:
    weights = write_weights()
    import timm
    import torch
    from safetensors.torch import load_file

    network = timm.create_model("test_resnet", num_classes=5)
    network.load_state_dict(load_file(weights))
    pixels = convert.example_pictures(height_px=64, width_px=64)
    scaled = (pixels / 255.0 - [0.5, 0.4, 0.3]) / [0.2, 0.25, 0.3]
    with torch.inference_mode():
        last = (
            network.eval()
            .forward_features(torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32))
            .numpy()
        )
    encoder = open_backbone(weights, precision="f32")
    stage = encoder.stages[-2]
    found = encoder.encode(pixels)[:, stage.start : stage.stop]
    np.testing.assert_allclose(found, last.max((2, 3)), rtol=1e-3, atol=1e-4)
    assert encoder.card.difference < 1e-4


def test_the_second_use_needs_no_torch(write_weights: Write, tmp_path: Path) -> None:
    weights = write_weights()
    first = open_backbone(weights, precision="f32")
    assert run_without_torch(weights, tmp_path) == ""
    pixels = np.load(tmp_path / "pixels.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "answer.npy"), first.encode(pixels))


def test_the_first_use_without_torch_says_what_to_install(write_weights: Write, tmp_path: Path) -> None:
    said = run_without_torch(write_weights(), tmp_path)
    assert said.startswith("MissingExtraError: timm weights need torch once, to be converted (")
    assert said.endswith('Install it: pip install "fovea-vision[torch]".\n')


def test_renamed_weights_are_not_converted_again(write_weights: Write, tmp_path: Path) -> None:
    first = open_backbone(write_weights())
    (tmp_path / "weights.safetensors").rename(tmp_path / "renamed.safetensors")
    second = open_backbone(tmp_path / "renamed.safetensors")
    assert second.fingerprint == first.fingerprint
    assert second.folder == first.folder


def test_two_conversions_have_one_fingerprint(write_weights: Write) -> None:
    weights = write_weights()
    first = open_backbone(weights).fingerprint
    shutil.rmtree(cache_folder())
    assert open_backbone(weights).fingerprint == first


def test_a_damaged_conversion_is_made_again(write_weights: Write) -> None:
    weights = write_weights()
    file = open_backbone(weights).folder / "network.bin"
    file.write_bytes(file.read_bytes()[:100])
    assert open_backbone(weights, precision="f32").encode(np.zeros((1, 64, 64, 3), np.uint8)).any()


def test_without_a_cache_folder_it_is_converted_for_this_process(
    write_weights: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FOVEA_CACHE", str(tmp_path / "file"))
    encoder = open_backbone(write_weights(), precision="f32")
    assert encoder.encode(np.zeros((1, 64, 64, 3), np.uint8)).any()


def test_pictures_of_another_shape_can_enter_a_convolutional_network(write_weights: Write) -> None:
    encoder = open_backbone(write_weights(), shape_px=(96, 64), precision="f32")
    assert encoder.encode(np.zeros((1, 96, 64, 3), np.uint8)).shape == (1, encoder.n_features)


class Parting(torch.nn.Module):
    """A network whose third layer becomes another when it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 4, 3)
        self.second = torch.nn.ReLU()
        self.third = Changing()
        self.fourth = torch.nn.ReLU()

    def forward(self, pictures: "torch.Tensor") -> "torch.Tensor":
        return self.fourth(self.third(self.second(self.first(pictures))))


class Changing(torch.nn.Module):
    """Traced, it gives 1.5 times what it gives otherwise."""

    def forward(self, maps: "torch.Tensor") -> "torch.Tensor":
        return maps * 1.5 if torch.jit.is_tracing() else maps * 1.0


def test_a_network_that_answers_differently_is_refused_with_the_stage_where_they_part(tmp_path: Path) -> None:
    torch.manual_seed(0)
    places = tuple(Place(name, "mean") for name in ("first", "second", "third", "fourth"))
    network = pooled_network(Parting().eval(), places=places, mean=(0.5,) * 3, std=(0.5,) * 3)
    card = BackboneCard("parting", "", "", (), Preprocess(height_px=32, width_px=32), "none")
    with pytest.raises(BackboneError) as raised:
        convert.write_backbone(network, tmp_path, card=card)
    assert str(raised.value) == (
        "'parting' answers differently after conversion: by 0.5 of a stage's largest value, where 0.002 is allowed. The "
        "networks part at stage 'third:mean' (0.5); of 4 stages, up to 'second:mean' they agree. Use other weights."
    )


def test_nothing_is_left_of_a_network_that_answers_differently(
    write_weights: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(BackboneError, match=r"^'test_resnet' answers differently after conversion: by "):
        open_backbone(write_weights())
    assert list((cache_folder() / "backbones").iterdir()) == []


def test_a_network_that_cannot_be_traced_is_refused(tmp_path: Path) -> None:
    class Stuck(torch.nn.Module):
        def forward(self, pictures: "torch.Tensor") -> "torch.Tensor":
            if torch.jit.is_tracing():
                raise ValueError("no\nway")
            return pictures

    network = pooled_network(Stuck(), places=(), mean=(0.5,) * 3, std=(0.5,) * 3)
    card = BackboneCard("stuck", "", "", (), Preprocess(height_px=32, width_px=32), "none")
    with pytest.raises(
        BackboneError, match=r"^'stuck' cannot be written in the runtime's form \(.*no way.*\.$"
    ):
        convert.write_backbone(network, tmp_path, card=card)


def test_a_layer_s_values_are_taken_before_a_later_one_changes_them_in_place(tmp_path: Path) -> None:
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(inplace=True)]
    network = pooled_network(
        torch.nn.Sequential(*layers).eval(), places=(Place("0", "mean"),), mean=(0.5,) * 3, std=(0.5,) * 3
    )
    card = BackboneCard("in place", "", "", (), Preprocess(height_px=32, width_px=32), "none")
    convert.write_backbone(network, tmp_path, card=card)
    pixels = convert.example_pictures(height_px=32, width_px=32)
    with torch.inference_mode():
        planes = torch.tensor(pixels.transpose(0, 3, 1, 2) / 127.5 - 1, dtype=torch.float32)
        expected = layers[0](planes).mean((2, 3)).numpy()
    np.testing.assert_allclose(load_encoder(tmp_path, precision="f32").encode(pixels), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet", "test_vit4"])
def test_networks_of_all_kinds_are_converted_faithfully(
    write_tensors: Callable[..., Path], name: str
) -> None:
    encoder = open_backbone(write_tensors(name), backbone=f"timm:{name}", precision="f32")
    assert encoder.card.difference < 1e-4
    assert encoder.stages[-1].name in {"head:softmax", "classifier:softmax"}
    assert encoder.class_names[0] == "tench"
    assert encoder.preprocess.crop == pytest.approx(0.95)


def test_stages_by_name_are_columns_in_the_order_asked(write_tensors: Callable[..., Path]) -> None:
    weights = write_tensors("test_resnet")
    encoder = open_backbone(weights, backbone="timm:test_resnet", stages=("layer4.0:max", "fc", "layer2"))
    assert [(one.name, one.start, one.stop) for one in encoder.stages] == [
        ("layer4.0:max", 0, 96),
        ("fc:flat", 96, 1096),
        ("layer2:mean", 1096, 1144),
    ]


def test_stages_of_a_file_that_describes_itself_can_be_chosen(write_weights: Write) -> None:
    encoder = open_backbone(write_weights(), stages=("global_pool", "fc:softmax"))
    assert [one.name for one in encoder.stages] == ["global_pool:flat", "fc:softmax"]


def test_an_unknown_architecture_names_the_nearest(write_weights: Write) -> None:
    with pytest.raises(
        BackboneError, match=r"^timm has no architecture 'mobilenetv2_10'\. Nearest: mobilenetv2_1"
    ):
        open_backbone(_say(write_weights(), architecture="mobilenetv2_10"))


def test_an_unknown_library_is_named(write_weights: Write) -> None:
    with pytest.raises(BackboneError) as raised:
        open_backbone(write_weights(library="keras"))
    assert str(raised.value) == "The library 'keras' is not known. Known are timm, torchvision."


def test_wrong_kwargs_are_named(write_weights: Write) -> None:
    with pytest.raises(BackboneError, match=r"^timm cannot build 'test_resnet' with {'no_such': 1}: "):
        open_backbone(write_weights(kwargs={"no_such": 1}))


def test_tensors_that_do_not_fit_are_counted(write_weights: Write) -> None:
    weights = write_weights(drop=("conv1.0.weight", "bn1.weight"), kwargs={"num_classes": 7})
    with pytest.raises(BackboneError) as raised:
        open_backbone(weights)
    assert "2 missing (first: conv1.0.weight, bn1.weight); 2 of another shape (first: fc.weight (5," in str(
        raised.value
    )
    assert str(raised.value).startswith(f"The tensors in {str(weights)!r} do not fit 'test_resnet': ")


def _say(weights: Path, **changes: str) -> Path:
    """Change what a weights file says of itself."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(weights, framework="np") as content:
        told = {**json.loads(content.metadata()["backbone"]), **changes}
    save_file(load_file(weights), weights, metadata={"backbone": json.dumps(told)})
    return weights


@pytest.fixture(scope="module")
def mobilenet(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder in which the shared MobileNetV2 has been converted, once for this file."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(cache))
        open_backbone(shared / "weights" / "mobilenetv2_100.safetensors")
    return cache


def test_the_shared_mobilenet_is_converted_faithfully(
    shared: Path, mobilenet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(mobilenet))
    encoder = open_backbone(shared / "weights" / "mobilenetv2_100.safetensors")
    assert encoder.card.difference < 1e-4
    assert encoder.card.any_shape


def test_the_shared_mobilenet_s_answers_do_not_depend_on_the_batch(
    shared: Path, mobilenet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(mobilenet))
    weights = shared / "weights" / "mobilenetv2_100.safetensors"
    encoder, single = (open_backbone(weights, threads=threads) for threads in (2, 1))
    pixels = convert.example_pictures(height_px=224, width_px=224, n_pictures=11)
    together = encoder.encode(pixels)
    np.testing.assert_array_equal(np.concatenate([encoder.encode(one[None]) for one in pixels]), together)
    np.testing.assert_array_equal(single.encode(pixels[::-1])[::-1], together)
