"""Plain and residual networks of any depth 6 n + 2 for small pictures (He 2015, Deep residual learning, section 4.2)."""

import re

from torch import Tensor, nn

from fovea.nets.classic.parts import entrance, initialise, make_activation

_NAME = re.compile(r"(plain|resnet)([0-9]+)")
SMALLEST_PX = 4  # halved twice
LARGE_PICTURES = (50, 152)  # depths of ResNets for large pictures: those names are torchvision's


class Two(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation; with `adds`, the input is added before the last activation.

    Where maps shrink, every second value of the input is added and channels that are missing count as 0 (option A).
    """

    def __init__(self, n_in: int, n_out: int, *, stride: int, adds: bool, activation: str) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
            make_activation(activation),
        )
        self.second = nn.Sequential(nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out))
        self.last = make_activation(activation)
        self.adds = adds
        self.stride, self.missing = stride, n_out - n_in

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h / stride, w / stride)."""
        y = self.second(self.first(x))
        if self.adds:
            kept = x[:, :, :: self.stride, :: self.stride]
            y = y + (nn.functional.pad(kept, (0, 0, 0, 0, 0, self.missing)) if self.missing else kept)
        z: Tensor = self.last(y)
        return z


class Residual(nn.Module):
    """A first convolution, three stages of 16, 32 and 64 channels, the mean over space, and the classifier."""

    def __init__(
        self,
        *,
        n_classes: int,
        in_channels: int,
        size_px: int,
        depth: int,
        adds: bool,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.enter = entrance(in_channels)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), make_activation(activation)
        )
        stages, n_in = [], 16
        for number, n_out in enumerate((16, 32, 64)):
            blocks = []
            for place in range((depth - 2) // 6):
                stride = 2 if number and not place else 1
                blocks.append(Two(n_in, n_out, stride=stride, adds=adds, activation=activation))
                n_in = n_out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(n_in, n_classes)
        initialise(self, "he")

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for x float (n, c, h, w)."""
        y: Tensor = self.classifier(self.stages(self.stem(self.enter(x))).mean((2, 3)))
        return y


def read_depth(name: str) -> tuple[bool, int] | None:
    """Return whether `name` is a residual network and its depth, None where it is no plain or residual network of ours."""
    found = _NAME.fullmatch(name)
    if found is None or int(found[2]) % 6 != 2 or int(found[2]) < 8:
        return None
    adds, depth = found[1] == "resnet", int(found[2])
    return None if adds and depth in LARGE_PICTURES else (adds, depth)
