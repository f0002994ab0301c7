"""LeNet-5: as it is taught today (ReLU, maximum pooling), and as LeCun 1998 describes it."""

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from fovea.nets.classic.parts import dropout_layers, entrance, make_activation

SMALLEST_PX = 12  # bordered to 16, then 12, 6, 2, 1
SEEN_1998 = (  # LeCun 1998, table 1: which maps of S2 each of the 16 maps of C3 is made from
    *((one, (one + 1) % 6, (one + 2) % 6) for one in range(6)),
    *((one, (one + 1) % 6, (one + 2) % 6, (one + 3) % 6) for one in range(6)),
    *((one, (one + 1) % 6, (one + 3) % 6, (one + 4) % 6) for one in range(3)),
    (0, 1, 2, 3, 4, 5),
)


def _border(size_px: int) -> int:
    """Return the border that pictures below 32 px get: 2 px, as the 28 px digits had in the paper."""
    return 2 if size_px < 32 else 0


class LeNet(nn.Module):
    """Two convolutions of 5 x 5 with maximum pooling, then fully connected layers of 120 and 84 units."""

    def __init__(
        self,
        *,
        n_classes: int,
        in_channels: int,
        size_px: int,
        activation: str = "relu",
        dropout: float = 0.0,
        widths: Sequence[int] = (6, 16, 120, 84),
    ) -> None:
        super().__init__()
        border = _border(size_px)
        side = ((size_px + 2 * border - 4) // 2 - 4) // 2
        first, second, third, fourth = widths
        self.enter = entrance(in_channels)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, first, 5, padding=border),
            make_activation(activation),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 5),
            make_activation(activation),
            nn.MaxPool2d(2),
        )
        pairs = ((second * side**2, third), (third, fourth))
        layers = (
            (nn.Linear(n_in, n_out), make_activation(activation), *dropout_layers(dropout))
            for n_in, n_out in pairs
        )
        self.hidden = nn.Sequential(*chain.from_iterable(layers))
        self.classifier = nn.Linear(fourth, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for x float (n, c, size_px, size_px)."""
        y: Tensor = self.classifier(self.hidden(self.features(self.enter(x)).flatten(1)))
        return y


class Squash(nn.Module):
    """The squashing function of LeCun 1998, 1.7159 tanh(2/3 x) (its appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return values of x's shape, within -1.7159..1.7159."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsample(nn.Module):
    """Subsampling with a coefficient and a bias for each map: the sum of every 2 x 2 values, scaled and squashed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros((channels, 1, 1)))
        self.pool = nn.AvgPool2d(2)
        self.squash = Squash()

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h // 2, w // 2)."""
        y: Tensor = self.squash(4 * self.pool(x) * self.weight + self.bias)
        return y


class SparseMaps(nn.Module):
    """C3: a convolution of 5 x 5 in which each of 16 maps sees only some of the 6 (table 1 of LeCun 1998).

    Weights: one row of 25 for each of the 60 pairs of maps.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = [(out, one) for out, seen in enumerate(SEEN_1998) for one in seen]
        places = torch.tensor([6 * out + one for out, one in pairs])
        self.register_buffer("places", nn.functional.one_hot(places, 16 * 6).T.float(), persistent=False)
        self.places: Tensor
        n_in = torch.tensor([25.0 * len(SEEN_1998[out]) for out, _ in pairs])
        bound = (2.4 / n_in).reshape(
            -1, 1, 1
        )  # LeCun 1998, appendix A: uniform within 2.4 over the inputs of a unit
        self.weight = nn.Parameter(bound * (2 * torch.rand(len(pairs), 5, 5) - 1))
        self.bias = nn.Parameter(torch.zeros(len(SEEN_1998)))

    def forward(self, x: Tensor) -> Tensor:
        """(n, 6, h, w) -> (n, 16, h - 4, w - 4)."""
        kernel = (self.places @ self.weight.flatten(1)).reshape(len(SEEN_1998), 6, 5, 5)
        return nn.functional.conv2d(x, kernel, self.bias)


class LeNet1998(nn.Module):
    """LeNet-5 as published: subsampling that is learnt, sparse maps, 1.7159 tanh(2/3 x); 32 px, or 28 with a border.

    Its last layer is fully connected with a softmax behind it, where the paper has distances to drawn digits.
    """

    def __init__(self, *, n_classes: int, in_channels: int, size_px: int) -> None:
        super().__init__()
        border = _border(size_px)
        side = ((size_px + 2 * border - 4) // 2 - 4) // 2
        self.enter = entrance(in_channels)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=border),
            Squash(),
            Subsample(6),
            SparseMaps(),
            Squash(),
            Subsample(16),
        )
        self.hidden = nn.Sequential(nn.Linear(16 * side**2, 120), Squash(), nn.Linear(120, 84), Squash())
        self.classifier = nn.Linear(84, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for x float (n, c, size_px, size_px)."""
        y: Tensor = self.classifier(self.hidden(self.features(self.enter(x)).flatten(1)))
        return y
