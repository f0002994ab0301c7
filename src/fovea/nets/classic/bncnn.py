"""A batch-norm CNN: groups of convolution, batch normalisation and ReLU with pooling behind them, then dense layers."""

from collections.abc import Sequence

from torch import Tensor, nn

from fovea.nets.classic.parts import dropout_layers, entrance, make_activation

SMALLEST_PX = 8  # three groups halve it to 1


class BnCnn(nn.Module):
    """Maps that widen (`widths`, one a group) while they shrink, then fully connected layers of `hidden` units.

    Each group has as many 3 x 3 convolutions as `convolutions` says, and maximum pooling of 2 x 2.
    """

    def __init__(
        self,
        *,
        n_classes: int,
        in_channels: int,
        size_px: int,
        activation: str = "relu",
        dropout: float = 0.0,
        widths: Sequence[int] = (32, 64, 128),
        convolutions: int = 2,
        hidden: Sequence[int] = (256,),
    ) -> None:
        super().__init__()
        self.enter = entrance(in_channels)
        groups, n_in = [], in_channels
        for width in widths:
            layers: list[nn.Module] = []
            for _ in range(convolutions):
                layers += [nn.Conv2d(n_in, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
                layers += [make_activation(activation)]
                n_in = width
            groups.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
        self.features = nn.Sequential(*groups)
        layers, n_in = [], n_in * (size_px // 2 ** len(widths)) ** 2
        for n_out in hidden:
            layers += [*dropout_layers(dropout), nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out)]
            layers += [make_activation(activation)]
            n_in = n_out
        self.hidden = nn.Sequential(*layers, *dropout_layers(dropout))
        self.classifier = nn.Linear(n_in, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for x float (n, c, size_px, size_px)."""
        y: Tensor = self.classifier(self.hidden(self.features(self.enter(x)).flatten(1)))
        return y
