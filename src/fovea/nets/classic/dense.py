"""Networks of fully connected layers alone: a multilayer perceptron, and a highway network (Srivastava 2015)."""

from collections.abc import Sequence

from torch import Tensor, nn

from fovea.nets.classic.parts import KeepsBias, dropout_layers, entrance, make_activation


class Mlp(nn.Module):
    """Every pixel into every unit of the first hidden layer, and so on; `hidden` are the layers' widths."""

    def __init__(
        self,
        *,
        n_classes: int,
        in_channels: int,
        size_px: int,
        activation: str = "relu",
        dropout: float = 0.0,
        hidden: Sequence[int] = (512, 256),
    ) -> None:
        super().__init__()
        self.enter = entrance(in_channels)
        layers: list[nn.Module] = []
        n_in = in_channels * size_px**2
        for n_out in hidden:
            layers += [nn.Linear(n_in, n_out), make_activation(activation), *dropout_layers(dropout)]
            n_in = n_out
        self.hidden = nn.Sequential(*layers)
        self.classifier = nn.Linear(n_in, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for x float (n, c, size_px, size_px)."""
        y: Tensor = self.classifier(self.hidden(self.enter(x).flatten(1)))
        return y


class Transport(nn.Module):
    """A highway layer: a gate t between a transformed input and the input itself, t H(x) + (1 - t) x."""

    def __init__(self, width: int, *, activation: str, carry: float) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(width, width), make_activation(activation))
        self.gate = KeepsBias(width, width)
        nn.init.constant_(self.gate.bias, carry)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width) -> (n, width)."""
        share = self.gate(x).sigmoid()
        y: Tensor = x + share * (self.transform(x) - x)
        return y


class Highway(nn.Module):
    """A fully connected layer to `width` units, then `depth` highway layers, whose gates start at the bias `carry`.

    Its defaults are the paper's for MNIST: layers of 50 units, gates that mostly carry at first.
    """

    def __init__(
        self,
        *,
        n_classes: int,
        in_channels: int,
        size_px: int,
        activation: str = "relu",
        dropout: float = 0.0,
        depth: int = 9,
        width: int = 50,
        carry: float = -2.0,
    ) -> None:
        super().__init__()
        self.enter = entrance(in_channels)
        self.widen = nn.Sequential(nn.Linear(in_channels * size_px**2, width), make_activation(activation))
        layers = (Transport(width, activation=activation, carry=carry) for _ in range(depth))
        self.layers = nn.Sequential(*layers, *dropout_layers(dropout))
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for x float (n, c, size_px, size_px)."""
        y: Tensor = self.classifier(self.layers(self.widen(self.enter(x).flatten(1))))
        return y
