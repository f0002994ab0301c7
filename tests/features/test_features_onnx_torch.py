"""Networks that torch writes as ONNX, cut at blocks and fully connected layers: torch's own values at these places."""

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.features import list_backbone_stages, open_backbone
from fovea.features.convert import example_pictures

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("torch", "torchvision", "timm")),
    reason="the extra 'torch' is not installed",
)
Export = Callable[..., Path]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(autouse=True)
def _torchvision() -> None:
    from fovea.nets import import_torchvision

    import_torchvision()


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Return a function that writes a network as ONNX for one picture."""

    def write(network: Any, *, size_px: int) -> Path:
        import torch

        file = tmp_path / "network.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(network.eval(), (torch.zeros(1, 3, size_px, size_px),), file, dynamo=False)
        return file

    return write


def seeded(network: Any) -> Any:
    """Give a network random weights whose maps neither die nor blow up, and batch statistics as after training."""
    import torch

    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight)
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2.0)
            module.running_mean.normal_()
    return network.eval()


def enter(pixels: NDArray[np.uint8]) -> Any:
    import torch

    scaled = (pixels / 255.0 - MEAN) / STD
    return torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32)


def thin_vgg() -> Any:
    """Return VGG with thin convolutions and the whole classifier: 4,096, 4,096 and 1,000 values."""
    import torch
    from torchvision.models import vgg

    widths = [8, "M", 8, "M", 16, 16, "M", 16, 16, "M", 16, 16, "M"]
    network = vgg.VGG(vgg.make_layers(widths), init_weights=False)
    network.classifier[0] = torch.nn.Linear(16 * 7 * 7, 4096)
    return seeded(network)


def test_vgg_cut_at_its_fully_connected_layers_gives_torch_s_values(export: Export) -> None:
    import torch

    network = thin_vgg()
    encoder = open_backbone(export(network, size_px=224), stages=("fc6", "fc7", "fc8"), precision="f32")
    pixels = example_pictures(height_px=224, width_px=224, n_pictures=3)
    with torch.inference_mode():
        flat = network.avgpool(network.features(enter(pixels))).flatten(1)
        expected = [network.classifier[:last](flat).numpy() for last in (2, 5, 7)]
    assert [one.stop - one.start for one in encoder.stages] == [4096, 4096, 1000]
    for stage, values in zip(encoder.stages, expected, strict=True):
        found = encoder.encode(pixels)[:, stage.start : stage.stop]
        np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-4 * np.abs(values).max())


def test_the_stages_of_vgg_are_listed_with_sizes_and_what_people_call_them(export: Export) -> None:
    listed = {one.name: one for one in list_backbone_stages(str(export(thin_vgg(), size_px=224)))}
    names = {alias: one.n_channels for one in listed.values() for alias in one.aliases}
    assert names == {"fc6": 4096, "fc7": 4096, "fc8": 1000, "logits": 1000}
    conv5 = listed["/features/features.19/Relu"]
    assert (conv5.n_channels, conv5.size_px, conv5.is_usual) == (16, (14, 14), True)


def test_a_block_of_resnet_is_named_as_in_torch(export: Export) -> None:
    import torch
    from torchvision.models import resnet18

    network = seeded(resnet18(weights=None))
    encoder = open_backbone(export(network, size_px=64), stages=("layer4.0", "layer3.1:max"), precision="f32")
    pixels = example_pictures(height_px=64, width_px=64, n_pictures=3)
    kept: dict[str, Any] = {}
    network.layer4[0].register_forward_hook(lambda module, inputs, output: kept.update(mean=output))
    network.layer3[1].register_forward_hook(lambda module, inputs, output: kept.update(largest=output))
    with torch.inference_mode():
        network(enter(pixels))
    expected = torch.cat([kept["mean"].mean((2, 3)), kept["largest"].amax((2, 3))], 1).numpy()
    np.testing.assert_allclose(
        encoder.encode(pixels), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )


def test_what_is_taken_of_a_resnet_when_nothing_is_said(export: Export) -> None:
    from torchvision.models import resnet18

    encoder = open_backbone(export(seeded(resnet18(weights=None)), size_px=64))
    assert [one.name.removeprefix("/") for one in encoder.stages[:-1]] == [
        "layer2/layer2.1/relu_1/Relu:mean",
        "layer3/layer3.1/relu_1/Relu:mean",
        "layer4/layer4.0/relu_1/Relu:mean",
        "layer4/layer4.1/relu_1/Relu:mean",
        "layer4/layer4.1/relu_1/Relu:max",
    ]
    assert (encoder.stages[-1].name.rpartition(":")[2], encoder.n_features) == ("softmax", 1920 + 1000)


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "squeezenet1_1", "mobilenet_v3_small"])
def test_answers_of_many_pictures_at_once_are_torch_s(export: Export, name: str) -> None:
    import torch
    from torchvision import models

    network = seeded(models.get_model(name, weights=None))
    encoder = open_backbone(export(network, size_px=64), stages=("logits",), precision="f32")
    pixels = example_pictures(height_px=64, width_px=64, n_pictures=5)
    with torch.inference_mode():
        expected = network(enter(pixels)).numpy()
    np.testing.assert_allclose(
        encoder.encode(pixels), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )


def test_a_network_of_tokens_takes_many_pictures_at_once(export: Export) -> None:
    import timm
    import torch

    network = timm.create_model(
        "vit_tiny_patch16_224", img_size=64, depth=2, embed_dim=48, num_heads=3, num_classes=20
    )
    encoder = open_backbone(export(network, size_px=64), stages=("norm", "logits"), precision="f32")
    pixels = example_pictures(height_px=64, width_px=64, n_pictures=5)
    with torch.inference_mode():
        tokens = network.forward_features(enter(pixels))
        expected = torch.cat([tokens.mean(1), network.forward_head(tokens)], 1).numpy()
    np.testing.assert_allclose(encoder.encode(pixels), expected, rtol=1e-3, atol=1e-4)
