"""fovea-tiny: the small convolutional network inside the package, as a torch module (to train it, or to train it further).

Inverted residual blocks (Sandler 2018): a 1 x 1 convolution widens, a depthwise 3 x 3 looks around, a 1 x 1 narrows.
Only convolutions, so any input of 64 px or more will do.
"""

import torch
from torch import Tensor, nn

SIZE_PX = 128
"""Height and width of the input it was trained at; other shapes of about as many pixels do as well."""
STEM, HEAD = 32, 1024
"""Channels of the first convolution and of the last."""
BLOCKS = (
    ((0, 16, 1),),
    ((48, 24, 2), (96, 24, 1)),
    ((96, 32, 2), (128, 32, 1), (128, 32, 1)),
    ((128, 64, 2), (288, 64, 1), (288, 64, 1), (288, 64, 1)),
    ((288, 96, 1), (480, 96, 1), (480, 96, 1)),
    ((480, 160, 2), (800, 160, 1), (800, 160, 1)),
    ((800, 320, 1),),
)
"""Stages of blocks: the widened channels (0: not widened), the channels given on, the stride."""


def convolution(n_in: int, n_out: int, size: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution without bias, with batch normalisation behind it."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(n_out)
    )


class Block(nn.Module):
    """An inverted residual; the input is added where its shape allows. `around` holds the widened maps, seen around.

    While training, `drop_path` of the pictures pass by where the input is added (stochastic depth, Huang 2016).
    """

    def __init__(self, n_in: int, n_out: int, *, wide: int, stride: int = 1, drop_path: float = 0.0) -> None:
        super().__init__()
        self.widen = nn.Sequential(convolution(n_in, wide, 1), nn.ReLU6()) if wide else nn.Identity()
        wide = wide or n_in
        self.around = nn.Sequential(convolution(wide, wide, 3, stride=stride, groups=wide), nn.ReLU6())
        self.narrow = convolution(wide, n_out, 1)
        self.adds = n_in == n_out and stride == 1
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h / stride, w / stride)."""
        y: Tensor = self.narrow(self.around(self.widen(x)))
        if self.adds and self.training and self.drop_path:
            kept = 1 - self.drop_path
            y = y * (y.new_empty((len(y), 1, 1, 1)).bernoulli_(kept) / kept)
        return x + y if self.adds else y


class Tiny(nn.Module):
    """The network: pictures in -1..1 in, the logits of ImageNet's 1,000 classes out.

    `drop_path` is the last block's; from the first one's, 0, it rises evenly.
    """

    def __init__(self, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, STEM, 3, stride=2), nn.ReLU6())
        stages, n_in = [], STEM
        rates = iter(torch.linspace(0, drop_path, sum(map(len, BLOCKS))).tolist())
        for stage in BLOCKS:
            blocks = []
            for wide, n_out, stride in stage:
                blocks.append(Block(n_in, n_out, wide=wide, stride=stride, drop_path=next(rates)))
                n_in = n_out
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.head = nn.Sequential(convolution(n_in, HEAD, 1), nn.ReLU6())
        self.classifier = nn.Linear(HEAD, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, 1000) for x float32 (n, 3, h, w)."""
        y: Tensor = self.classifier(self.head(self.blocks(self.stem(x))).mean((2, 3)))
        return y
