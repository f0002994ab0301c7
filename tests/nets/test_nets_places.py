"""Which places are taken: timm's own stages, the rule, what a user names; unknown ones get the closest."""

import numpy as np
import pytest

from fovea.errors import BackboneError
from fovea.nets import places_of, pooled_network, run_pooled, stage_widths, stages_version

torch = pytest.importorskip("torch")


@pytest.fixture
def network() -> "torch.nn.Module":
    """Return a network with maps of 16, 8 and 4 px and three classes."""
    layers = [torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Conv2d(4, 5, 3, 2, 1), torch.nn.Conv2d(5, 6, 3, 2, 1)]
    return torch.nn.Sequential(
        *layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(6, 3)
    )


def test_timm_s_own_stages_are_taken_where_we_know_none(network: "torch.nn.Module") -> None:
    network.feature_info = [{"module": name} for name in ("0", "1")]
    found = places_of(network, library="timm", architecture="new", size_px=32)
    assert [place.name for place in found] == ["0:mean", "1:mean", "1:max", "5:input", "5:softmax"]


def test_without_them_the_last_module_of_each_resolution_is_taken(network: "torch.nn.Module") -> None:
    found = places_of(network, library="torchvision", architecture="new", size_px=32)
    assert [place.name for place in found] == ["0:mean", "1:mean", "2:mean", "2:max", "5:softmax"]


def test_a_network_without_any_place_is_refused() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten())
    with pytest.raises(BackboneError) as raised:
        places_of(network, library="torchvision", architecture="new", size_px=4)
    assert str(raised.value) == (
        "'torchvision/new' has no place to take features from: none of its modules puts out maps, tokens or "
        "classes. Name one: --stage NAME."
    )


def test_stages_are_taken_by_name_in_the_order_asked(network: "torch.nn.Module") -> None:
    found = places_of(network, library="timm", architecture="new", size_px=32, stages=("5", "1", "2:max"))
    assert [place.name for place in found] == ["5:flat", "1:mean", "2:max"]


def test_the_version_of_the_places_is_stable() -> None:
    assert stages_version() == stages_version()
    assert len(stages_version()) == 8


def vgg(architecture: str) -> "torch.nn.Module":
    """Return a VGG or AlexNet of torchvision without values, for its names and shapes."""
    from fovea.nets.weights import WeightsCard
    from fovea.nets.zoo import build_network

    mean = (0.5, 0.5, 0.5)
    card = WeightsCard("torchvision", architecture, size_px=224, mean=mean, std=mean)
    return build_network(card, shapes_only=True)


@pytest.mark.parametrize(
    ("architecture", "stage", "place"),
    [
        ("vgg16", "fc6", "classifier.1:flat"),
        ("vgg16", "fc7", "classifier.4:flat"),
        ("vgg16", "fc8", "classifier.6:flat"),
        ("vgg19_bn", "fc7", "classifier.4:flat"),
        ("alexnet", "fc6", "classifier.2:flat"),
        ("alexnet", "fc7", "classifier.5:flat"),
        ("vgg16", "fc8:softmax", "classifier.6:softmax"),
        ("vgg16", "features.22:max", "features.22:max"),
        ("vgg16", "features.22", "features.22:mean"),
        ("vgg16", "classifier.3", "classifier.3:flat"),
    ],
)
def test_fully_connected_stages_are_called_as_in_the_papers(
    needs_torch: None, architecture: str, stage: str, place: str
) -> None:
    network = vgg(architecture)
    (found,) = places_of(
        network, library="torchvision", architecture=architecture, size_px=224, stages=(stage,)
    )
    assert found.name == place


def test_fc7_of_vgg_16_is_its_4096_values_behind_the_second_relu(needs_torch: None) -> None:
    """Run all of VGG-16 with random weights; the expected values are torch's own, layer by layer."""
    network = vgg("vgg16").to_empty(device="cpu")
    torch.manual_seed(0)
    with torch.no_grad():
        for one in network.parameters():
            one.uniform_(-0.02, 0.03)
    places = places_of(
        network,
        library="torchvision",
        architecture="vgg16",
        size_px=224,
        stages=("fc7", "fc6", "features.30"),
    )
    pooled = pooled_network(network, places=places, mean=(0.5,) * 3, std=(0.25,) * 3)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    found = run_pooled(pooled, pixels)
    with torch.inference_mode():
        planes = torch.tensor(((pixels / 255 - 0.5) / 0.25).transpose(0, 3, 1, 2), dtype=torch.float32)
        maps = network.features(planes)
        fc6 = (network.classifier[0].weight @ maps.flatten() + network.classifier[0].bias).clamp(min=0)
        fc7 = (network.classifier[3].weight @ fc6 + network.classifier[3].bias).clamp(min=0)
    expected = torch.cat([fc7, fc6, maps.mean((2, 3))[0]]).numpy()
    np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-4 * expected.max())
    assert stage_widths(pooled) == [
        ("classifier.4:flat", 4096),
        ("classifier.1:flat", 4096),
        ("features.30:mean", 512),
    ]


def usual(spec: str) -> tuple[str, ...]:
    """Return what is taken of a network where nothing is said, as in `layer4:mean`."""
    from fovea.nets import list_stages

    return tuple(f"{one.name}:{pool}" for one in list_stages(spec) for pool in one.pools)


def test_tokens_give_blocks_at_half_and_three_quarters_and_what_the_classifier_takes(
    needs_torch: None,
) -> None:
    assert usual("torchvision:vit_b_16") == (
        "encoder.layers.encoder_layer_5:mean",
        "encoder.layers.encoder_layer_8:mean",
        "encoder:mean",
        "encoder:max",
        "heads.head:input",
        "heads:softmax",
    )


@pytest.mark.parametrize(
    ("spec", "last"),
    [
        ("torchvision:alexnet", "classifier:softmax"),
        ("torchvision:googlenet", "fc:softmax"),
        ("torchvision:inception_v3", "fc:softmax"),
        ("torchvision:resnet50", "fc:softmax"),
        ("torchvision:densenet121", "classifier:softmax"),
        ("torchvision:squeezenet1_1", "classifier:softmax"),
        ("torchvision:mobilenet_v2", "classifier:softmax"),
        ("torchvision:efficientnet_b0", "classifier:softmax"),
        ("torchvision:convnext_tiny", "classifier:softmax"),
        ("timm:vit_small_patch16_224", "head:softmax"),
        ("timm:mobilenetv2_100", "classifier:softmax"),
        ("torchvision:regnet_y_400mf", "fc:softmax"),
    ],
)
def test_networks_that_classify_give_their_answers_last(needs_torch: None, spec: str, last: str) -> None:
    assert usual(spec)[-1] == last


def test_a_network_that_answers_with_no_classes_gives_none(needs_torch: None) -> None:
    assert usual("timm:vit_small_patch14_dinov2")[-1] == "blocks.11:max"
