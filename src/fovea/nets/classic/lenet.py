"""LeNet-5: as it is taught today (ReLU, maximum pooling), and as LeCun 1998 describes it."""

from torch import Tensor, nn

from fovea.nets.classic.parts import dropout_layers, entrance, make_activation

SMALLEST_PX = 12  # 12 -> 12 (padded) -> 6 -> 2 -> 1


class LeNet(nn.Module):
    """Two convolutions of 5 x 5 with pooling, then fully connected layers of 120 and 84 units.

    Pictures below 32 px get a border of 2 px, as the 28 px digits had in the paper.
    """

    def __init__(
        self,
        *,
        n_classes: int,
        in_channels: int,
        size_px: int,
        activation: str = "relu",
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        border = 2 if size_px < 32 else 0
        side = ((size_px + 2 * border - 4) // 2 - 4) // 2
        self.enter = entrance(in_channels)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=border),
            make_activation(activation),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            make_activation(activation),
            nn.MaxPool2d(2),
        )
        self.hidden = nn.Sequential(
            nn.Linear(16 * side**2, 120),
            make_activation(activation),
            *dropout_layers(dropout),
            nn.Linear(120, 84),
            make_activation(activation),
            *dropout_layers(dropout),
        )
        self.classifier = nn.Linear(84, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for x float (n, c, size_px, size_px)."""
        y: Tensor = self.classifier(self.hidden(self.features(self.enter(x)).flatten(1)))
        return y
