"""Networks of fully connected layers alone: a multilayer perceptron, and a highway network (Srivastava 2015)."""

from collections.abc import Sequence

from torch import Tensor, nn

from fovea.nets.classic.parts import dropout_layers, entrance, make_activation


class Mlp(nn.Module):
    """Every pixel into every unit of the first hidden layer, and so on; `hidden` are the layers' widths."""

    def __init__(
        self,
        *,
        n_classes: int,
        in_channels: int,
        size_px: int,
        activation: str = "relu",
        dropout: float | None = None,
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
