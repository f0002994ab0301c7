"""fovea-tiny: the small convolutional network inside the package, as a torch module (to train it, or to train it further).

Residual blocks of one full 3 x 3 convolution that widens and a 1 x 1 that narrows, ReLU, batch normalisation: what a
CPU's matrix units do well, in training too. Only convolutions, so any input of 64 px or more will do.
"""

from torch import Tensor, nn

STAGES = ("early", "middle", "late", "head")
"""Where features are taken: strides 8, 16, 32 and 32."""
WIDTHS = (48, 112, 256, 1024)
"""Channels of each stage."""
SIZE_PX = 128
"""Height and width of the input it was trained at; other shapes of about as many pixels do as well."""


def convolution(n_in: int, n_out: int, size: int, *, stride: int = 1) -> nn.Sequential:
    """Return a convolution without bias, with batch normalisation behind it."""
    return nn.Sequential(nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False), nn.BatchNorm2d(n_out))


class Block(nn.Module):
    """A 3 x 3 convolution that widens, a 1 x 1 that narrows (Tan and Le 2021); the input added where its shape allows."""

    def __init__(self, n_in: int, n_out: int, *, wide: int, stride: int = 1) -> None:
        super().__init__()
        self.widen = convolution(n_in, wide, 3, stride=stride)
        self.relu = nn.ReLU()
        self.narrow = convolution(wide, n_out, 1)
        self.adds = n_in == n_out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h / stride, w / stride)."""
        y: Tensor = self.narrow(self.relu(self.widen(x)))
        return x + y if self.adds else y


class Tiny(nn.Module):
    """The network: pictures in -1..1 in, the feature maps of `STAGES` out."""

    def __init__(self) -> None:
        super().__init__()
        early, middle, late, head = WIDTHS
        self.stem = nn.Sequential(
            convolution(3, 16, 3, stride=2), nn.ReLU(), Block(16, 32, wide=48, stride=2)
        )
        self.early = nn.Sequential(Block(32, early, wide=96, stride=2), Block(early, early, wide=96))
        self.middle = nn.Sequential(
            Block(early, middle, wide=160, stride=2),
            Block(middle, middle, wide=160),
            Block(middle, middle, wide=160),
        )
        self.late = nn.Sequential(Block(middle, late, wide=256, stride=2), Block(late, late, wide=256))
        self.head = nn.Sequential(convolution(late, head, 1), nn.ReLU())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the maps of `STAGES` for x float32 (n, 3, h, w)."""
        early = self.early(self.stem(x))
        middle = self.middle(early)
        late = self.late(middle)
        return early, middle, late, self.head(late)
