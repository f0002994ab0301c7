from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.errors import BackboneError, InputError
from fovea.features import open_backbone
from fovea.features.convert import example_pictures
from fovea.learn.finetune import open_trainable
from fovea.learn.finetune.opening import fill
from fovea.nets.tiny import Tiny
from fovea.nets.trainable import add_head
from fovea.nets.zoo import build_network


def test_the_embedded_network_is_read_back_with_its_answers() -> None:
    trainable = open_trainable()
    pixels = example_pictures(height_px=128, width_px=128, n_pictures=2)
    headed, _ = add_head(trainable, class_names=("a", "b"))
    with torch.no_grad():
        found = headed.eval().features(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1).numpy()
    expected = open_backbone(precision="f32", threads=1).encode(pixels)
    # float16 weights: the roots of small means move most
    assert float(np.abs(found - expected).max()) < 0.04 * float(np.abs(expected).max())
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9999


def test_the_embedded_network_is_built_again_by_its_card() -> None:
    trainable = open_trainable("fovea-tiny")
    again = build_network(trainable.card)
    again.load_state_dict(trainable.network.state_dict())
    assert trainable.blocks[-2:] == (("blocks.6",), ("head", "classifier"))


def test_stages_of_the_embedded_network_can_be_named() -> None:
    (place,) = open_trainable(stages=("head:root",)).places
    assert place.name == "head:root"


def test_an_onnx_file_cannot_be_trained_further() -> None:
    with pytest.raises(InputError) as caught:
        open_trainable(weights=Path("a.onnx"))
    assert str(caught.value) == (
        "'a.onnx' is an ONNX file, which predicts but cannot be trained further. Name the same network of a library, such as "
        "--backbone torchvision:resnet18, or leave out --backbone."
    )


def test_another_network_is_not_taken_for_the_embedded_one(tmp_path: Path) -> None:
    from fovea.features.openvino import convert_network
    from fovea.nets import example_pixels

    class Other(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(3, 7)

        def forward(self, pixels: "torch.Tensor") -> "torch.Tensor":
            return self.fc(pixels.float().mean((1, 2)))

    convert_network(Other(), tmp_path / "n.xml", example=example_pixels(height_px=8, width_px=8))
    with pytest.raises(BackboneError, match="is not the one that this version knows"):
        fill(Tiny(), tmp_path / "n.xml")


def test_a_file_that_describes_itself_has_the_places_of_its_encoder(shared: Path) -> None:
    weights = shared / "weights" / "mobilenetv2_100.safetensors"
    trainable = open_trainable(weights=weights)
    assert [place.name for place in trainable.places] == [one.name for one in open_backbone(weights).stages]
