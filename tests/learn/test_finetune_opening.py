from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.errors import BackboneError, InputError
from fovea.features import Preprocess, open_backbone
from fovea.features.card import read_card
from fovea.features.convert import example_pictures
from fovea.learn.finetune import open_trainable
from fovea.learn.finetune.opening import _of_run, fill
from fovea.learn.trained import Trained
from fovea.model.export import export_trained
from fovea.nets.blocks import find_blocks
from fovea.nets.stages import Place
from fovea.nets.tiny import Tiny
from fovea.nets.trainable import Trainable, add_head
from fovea.nets.weights import WeightsCard
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


def lenet(hidden: tuple[int, ...] | None) -> Trained:
    """Return LeNet-5 with random weights; not None: under a head of these dense layers on two of its places."""
    torch.manual_seed(0)
    card = WeightsCard("fovea", "lenet5", 32, (0.5,) * 3, (0.5,) * 3, class_names=("a", "b"))
    network, name = build_network(card), "classifier"
    if hidden is not None:
        blocks, places = find_blocks(network, size_px=32), (Place("classifier", "input"), Place("", "flat"))
        inside = Trainable(network, card, name, blocks, places)
        network, card = add_head(inside, class_names=("a", "b"), hidden=hidden)
        torch.nn.init.normal_(network.head[-1].weight)
        name = f"head.{len(network.head) - 1}"
    return Trained(network.eval(), card, name, None, np.zeros((0, 2), np.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize("hidden", [None, (), (16,)])
@pytest.mark.parametrize("stages", [(), ("net:flat",)])
def test_a_network_that_a_run_trained_begins_with_what_its_encoder_gives(
    tmp_path: Path, hidden: tuple[int, ...] | None, stages: tuple[str, ...]
) -> None:
    pixels = example_pictures(height_px=32, width_px=32)
    made = export_trained(
        lenet(hidden), tmp_path, name="run", preprocess=Preprocess(32, 32), examples=pixels, precision="f32"
    )
    trainable = _of_run(tmp_path, read_card(tmp_path), stages=stages)
    headed, card = add_head(trainable, class_names=("a", "b"))
    build_network(card).load_state_dict(headed.state_dict())
    with torch.no_grad():
        found = headed.eval().features(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1).numpy()
    taken = [one for one in made.encoder.stages if not stages or one.name in stages]
    expected = np.hstack([made.encoder.encode(pixels)[:, one.start : one.stop] for one in taken])
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
