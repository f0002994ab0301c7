"""Which places are taken: timm's own stages, the rule, what a user names; unknown ones get the closest."""

import pytest

from fovea.errors import BackboneError
from fovea.nets import places_of, stages_version

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
