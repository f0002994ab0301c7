"""Averaging over views inside the network."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fovea.features import card as cards
from fovea.features.convert import write_backbone
from fovea.features.encoder import Preprocess
from fovea.nets import Place, pooled_network
from fovea.nets.classic import MultiView, build_classic


@pytest.fixture
def network() -> "torch.nn.Module":
    torch.set_num_threads(1)
    network = build_classic("lenet5", n_classes=3, size_px=28)
    return network.eval()


def logits_of(network: "torch.nn.Module", x: "torch.Tensor") -> "torch.Tensor":
    with torch.no_grad():
        return network(x)


def test_mirrored_and_shifted_views_are_averaged_by_their_weights(network: "torch.nn.Module") -> None:
    x = torch.randn(2, 3, 28, 28)
    wide = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
    views = [(x, 0.5), (wide[:, :, :28, :28], 0.25), (wide[:, :, 2:, 2:], 0.25)]
    expected = sum(
        share / 2 * (logits_of(network, view) + logits_of(network, view.flip(3))) for view, share in views
    )
    torch.testing.assert_close(logits_of(MultiView(network, mirror=True).eval(), x), expected)


def test_without_mirroring_and_shifts_the_picture_alone_is_answered(network: "torch.nn.Module") -> None:
    x = torch.randn(2, 3, 28, 28)
    expected = logits_of(network, x)
    torch.testing.assert_close(logits_of(MultiView(network, mirror=False, shift_px=0).eval(), x), expected)


def test_while_training_the_network_answers_the_picture_alone(network: "torch.nn.Module") -> None:
    x = torch.randn(2, 3, 28, 28)
    expected = logits_of(network, x)
    torch.testing.assert_close(logits_of(MultiView(network, mirror=True).train(), x), expected)


def converted(network: "torch.nn.Module", folder: Path, *, size_px: int) -> cards.BackboneCard:
    """Write a network in the runtime's form, compared with torch on drawn pictures by the writing itself."""
    places = (Place("classifier", "input"), Place("classifier", "flat"))
    pooled = pooled_network(network, places=places, mean=(0.5,) * 3, std=(0.5,) * 3)
    preprocess = Preprocess(height_px=size_px, width_px=size_px)
    told = {"name": "a network", "structure": "", "weights_sha256": "", "stages": (), "licence": ""}
    return write_backbone(pooled, folder, card=cards.BackboneCard(**told, preprocess=preprocess))


def test_views_are_part_of_the_exported_network(network: "torch.nn.Module", tmp_path: Path) -> None:
    card = converted(MultiView(network, mirror=True).eval(), tmp_path, size_px=28)
    assert [(stage.name, stage.stop - stage.start) for stage in card.stages] == [
        ("classifier:input", 84),
        ("classifier:flat", 3),
    ]
    assert card.difference < 1e-4


@pytest.mark.parametrize("name", ["mlp", "highway", "lenet5-1998", "bncnn", "resnet8", "fast"])
def test_every_kind_of_classic_network_can_be_exported(name: str, tmp_path: Path) -> None:
    network = build_classic(name, n_classes=3, in_channels=1, size_px=12).eval()
    assert converted(network, tmp_path, size_px=12).difference < 1e-4


def test_a_network_with_views_is_built_by_name() -> None:
    viewing = build_classic("fast", n_classes=2, views={"mirror": True, "shift_px": 1})
    assert isinstance(viewing, MultiView)
    assert sorted(viewing.state_dict())[0] == "classifier.weight"
