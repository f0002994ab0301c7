import pytest

torch = pytest.importorskip("torch")

from fovea.nets import quick
from fovea.nets.quick import quickened


class Small(torch.nn.Module):
    """A convolution and its norm, a strided depthwise one, a norm that follows no convolution."""

    def __init__(self, *, padding: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(8)
        self.deep = torch.nn.Conv2d(8, 8, 3, 2, padding, groups=8)
        self.last = torch.nn.BatchNorm2d(8)
        for norm in (self.norm, self.last):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            norm.weight.data.uniform_(0.5, 2)
            norm.bias.data.normal_()
        self.eval()

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return self.last(self.deep(self.norm(self.conv(x)).relu()).relu()).mean((2, 3))


def picture(side: int = 9) -> "torch.Tensor":
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


def gradients(network: "torch.nn.Module", x: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    network.zero_grad()
    x = x.clone().requires_grad_(True)
    network(x).square().sum().backward()
    return x.grad, network.deep.weight.grad.clone()


def test_inside_the_block_answers_are_the_same_and_no_norm_is_computed() -> None:
    network = Small()
    expected = network(picture())
    with quickened(network, example=picture()):
        torch.testing.assert_close(network(picture()), expected)
        network.norm.running_mean.fill_(99)  # would change them if it were read
        torch.testing.assert_close(network(picture()), expected)


def test_behind_the_block_the_network_has_its_own_form_and_what_it_learned() -> None:
    network, other = Small(), Small()
    with quickened(network, example=picture()):
        network.conv.bias.data.add_(0.25)
        network.conv.weight.data.mul_(0.5)
        expected = network(picture())
    torch.testing.assert_close(network(picture()), expected)
    assert network.state_dict().keys() == other.state_dict().keys()
    assert type(network.norm) is torch.nn.BatchNorm2d


def test_a_network_that_uses_the_convolution_twice_keeps_its_norm() -> None:
    network = Small()
    plain = network.forward
    network.forward = lambda x: plain(x) + network.conv(x).mean((2, 3))  # type: ignore[method-assign]
    expected = network(picture())
    with quickened(network, example=picture()):
        torch.testing.assert_close(network(picture()), expected)
        assert type(network.norm) is torch.nn.BatchNorm2d


@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize("padding", [0, 1])
def test_gradients_of_strided_depthwise_convolutions_are_torchs_own(side: int, padding: int) -> None:
    network = Small(padding=padding).double()
    x = picture(side).double()
    with quickened(network, example=x):
        of_x, of_weight = gradients(network, x)
    network = Small(padding=padding).double()
    expected_x, expected_weight = gradients(network, x)
    torch.testing.assert_close(of_x, expected_x)
    torch.testing.assert_close(of_weight, expected_weight)


def test_off_the_cpu_a_strided_depthwise_convolution_is_the_devices_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quick._Strided, "apply", None)  # would fail if it were called
    network = Small()
    with quickened(network, example=picture()):
        assert network.to("meta")(picture().to("meta")).shape == (2, 8)
        network.to_empty(device="cpu")
