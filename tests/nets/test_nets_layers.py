"""What modules put out, against shapes counted by hand; where channels stand; what the network's own answer is."""

import pytest

from fovea.errors import BackboneError
from fovea.nets.layers import Layer, observe

torch = pytest.importorskip("torch")


class Odd(torch.nn.Module):
    """Maps with channels last, tokens, windows counted as pictures, several outputs, one layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 5, 2, 2)
        self.last = torch.nn.Identity()
        self.windows = torch.nn.Identity()
        self.tokens = torch.nn.Identity()
        self.attention = torch.nn.MultiheadAttention(5, 1, batch_first=True)
        self.relu = torch.nn.ReLU(inplace=True)
        self.unused = torch.nn.Identity()
        self.fc = torch.nn.Linear(5, 4)

    def forward(self, pictures: "torch.Tensor") -> "torch.Tensor":
        maps = self.relu(self.conv(pictures))
        self.windows(maps.reshape(-1, 5, 2, 2))
        tokens = self.tokens(self.last(maps.permute(0, 2, 3, 1)).flatten(1, 2))
        attended, _ = self.attention(tokens, tokens, tokens)
        return self.fc(self.relu(attended).mean(1))


@pytest.fixture
def layers() -> dict[str, Layer]:
    torch.manual_seed(0)
    return {layer.name: layer for layer in observe(Odd(), size_px=8)}


def test_shapes_are_those_of_one_picture(layers: dict[str, Layer]) -> None:
    assert {name: layer.shape for name, layer in layers.items()} == {
        "conv": (5, 4, 4),
        "last": (4, 4, 5),
        "tokens": (16, 5),
        "attention": (16, 5),
        "relu": (16, 5),
        "fc": (4,),
    }


def test_channels_are_found_wherever_they_stand(layers: dict[str, Layer]) -> None:
    assert {name: (layer.n_channels, layer.map_px) for name, layer in layers.items()} == {
        "conv": (5, (4, 4)),
        "last": (5, (4, 4)),
        "tokens": (5, None),
        "attention": (5, None),
        "relu": (5, None),
        "fc": (4, None),
    }


def test_layers_stand_in_the_order_of_running(layers: dict[str, Layer]) -> None:
    assert list(layers) == ["conv", "last", "tokens", "attention", "relu", "fc"]


def test_the_answer_s_own_layer_is_told(layers: dict[str, Layer]) -> None:
    assert [name for name, layer in layers.items() if layer.answers] == ["fc"]


def test_without_values_shapes_and_answer_are_the_same(layers: dict[str, Layer]) -> None:
    with torch.device("meta"):
        network = Odd()
    assert {layer.name: layer for layer in observe(network, size_px=8)} == layers


def test_the_network_is_left_without_hooks() -> None:
    network = Odd()
    observe(network, size_px=8)
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_that_takes_no_such_pictures_is_refused() -> None:
    with pytest.raises(BackboneError) as raised:
        observe(torch.nn.Linear(5, 2), size_px=8)
    assert str(raised.value) == (
        "The network cannot be run on pictures of 8 x 8 px (RuntimeError: mat1 and mat2 shapes cannot be multiplied (48x8 "
        "and 5x2)). Take another network, or correct the size that its weights name."
    )
