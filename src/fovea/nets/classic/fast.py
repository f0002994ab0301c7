"""A small network that learns pictures of 28-32 px fast, also on a CPU: our own code from the ideas of arXiv 2404.00498.

Its first layer whitens patches and is set from the data; convolutions start as the identity where they can; every
convolution before a pooling runs in pieces that suit the processor's caches.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fovea.nets.classic.parts import entrance, make_activation

SMALLEST_PX = 10  # 9 maps of patches, halved three times
PIECE_VALUES = 8e6  # of a piece's maps; on an EPYC the wide form is 1.05 times as slow with half, 1.27 with three halves of it
COLOUR, GREY = (64, 256, 256), (32, 96, 128)  # channels of the three groups, the first as in the paper
WIDE = (128, 384, 384)  # as in the paper for 95 % of CIFAR-10: 603 MFLOP a picture of 32 px in place of 236
_STEP = 16  # pictures; a piece is some of these
_PATCHES = 5000  # pictures whose patches are whitened


class Shrink(nn.Module):
    """A 3 x 3 convolution and maximum pooling by `pool`, in pieces of some pictures while training on a CPU."""

    def __init__(self, n_in: int, n_out: int, *, pool: int) -> None:
        super().__init__()
        self.convolution = _identity_convolution(n_in, n_out)
        self.pool = nn.MaxPool2d(pool)

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h // pool, w // pool)."""
        if not self.training or x.device.type != "cpu":
            return self._run(x)
        n, _, height, width = x.shape
        piece = max(
            _STEP, int(PIECE_VALUES / (self.convolution.out_channels * height * width)) // _STEP * _STEP
        )
        return torch.cat([self._run(some) for some in torch.split(x, piece)]) if n > piece else self._run(x)

    def _run(self, x: Tensor) -> Tensor:
        y: Tensor = self.pool(self.convolution(x))
        return y


def _identity_convolution(n_in: int, n_out: int) -> nn.Conv2d:
    """Return a 3 x 3 convolution whose first n_in outputs start as its inputs."""
    convolution = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight.data[: min(n_in, n_out)])
    return convolution


def _norm(channels: int) -> nn.BatchNorm2d:
    """Return batch normalisation with a shift alone; its statistics follow within two batches."""
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm


class Whitening(nn.Module):
    """Patches of `side` x `side` times the eigenvectors of their covariance, over the root of the eigenvalues; and negated.

    The weights are set by `fit` and do not learn; the biases do while `learns`: afterwards no gradient passes here.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        n = channels * side**2
        self.convolution = nn.Conv2d(channels, 2 * n, side, bias=False)
        self.convolution.weight.requires_grad_(False)
        self.bias = nn.Parameter(torch.zeros(2 * n))
        self.learns = True

    @torch.no_grad()
    def fit(self, x: Tensor, *, eps: float = 5e-4) -> None:
        """Set the weights from the patches of normalised pictures, float (n, channels, h, w)."""
        n_out, channels, side, _ = self.convolution.weight.shape
        patches = x[:_PATCHES].unfold(2, side, 1).unfold(3, side, 1)
        rows = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, n_out // 2).double()
        values, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
        filters = (vectors / (values + eps).sqrt()).T.flip(0).reshape(-1, channels, side, side)
        self.convolution.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> (n, 2 channels side^2, h - side + 1, w - side + 1)."""
        bias = self.bias if self.learns else self.bias.detach()
        weight = self.convolution.weight
        return nn.functional.conv2d(x, weight, bias)


class Fast(nn.Module):
    """Whitened patches, then three groups (convolution, pooling, norm, GELU, convolution, norm, GELU), then the maximum."""

    def __init__(
        self,
        *,
        n_classes: int,
        in_channels: int,
        size_px: int,
        activation: str = "gelu",
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        widths = widths or (COLOUR if in_channels == 3 else GREY)
        side = 2 if in_channels == 3 else 3
        self.enter = entrance(in_channels)
        self.whiten = Whitening(in_channels, side)
        self.activation = make_activation(activation)
        groups, n_in = [], 2 * in_channels * side**2
        for n_out in widths:
            group = nn.Sequential(
                Shrink(n_in, n_out, pool=2),
                _norm(n_out),
                make_activation(activation),
                _identity_convolution(n_out, n_out),
                _norm(n_out),
                make_activation(activation),
            )
            groups.append(group)
            n_in = n_out
        self.groups = nn.Sequential(*groups)
        self.classifier = nn.Linear(n_in, n_classes, bias=False)
        nn.init.normal_(self.classifier.weight)  # its input is divided by its width
        self.width = n_in

    def fit_whitening(self, x: Tensor) -> None:
        """Set the first layer from normalised pictures, float (n, c, h, w)."""
        self.whiten.fit(self.enter(x))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for x float (n, c, h, w)."""
        maps = self.groups(self.activation(self.whiten(self.enter(x))))
        y: Tensor = self.classifier(maps.amax((2, 3)) / self.width)
        if self.training and not self.whiten.learns:
            y = y + 0 * self.whiten.bias.sum()  # several processes wait for a gradient of every weight
        return y
