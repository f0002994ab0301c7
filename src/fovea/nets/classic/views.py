"""Several views of every picture, averaged inside the network itself, so that an exported network does it too."""

import torch
from torch import Tensor, nn


class MultiView(nn.Module):
    """A network that answers, outside of training, by the mean of its logits over views of each picture.

    Views are the picture and, with `shift_px`, two copies moved by that much along a diagonal (they count as much together
    as the picture itself); with `mirror`, each of these also mirrored. While training it is the network itself.
    As the classifier is linear, its inputs are averaged, not its outputs: the same, and it runs once.
    """

    def __init__(self, network: nn.Module, *, mirror: bool, shift_px: int = 1) -> None:
        super().__init__()
        classifier = network.classifier
        if not isinstance(classifier, nn.Linear):
            raise TypeError(f"expected a linear classifier, got {type(classifier).__name__}")
        network.classifier = nn.Identity()
        self.network, self.classifier = network, classifier
        self.mirror, self.shift_px = mirror, shift_px

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for x float (n, c, h, w)."""
        y: Tensor = self.classifier(self.network(x) if self.training else self._mean(x))
        return y

    def _mean(self, x: Tensor) -> Tensor:
        if not self.shift_px:
            return self._both_sides(x)
        by, (height, width) = self.shift_px, x.shape[2:]
        wide = nn.functional.pad(x, (by, by, by, by), mode="reflect")
        first = wide[:, :, :height, :width]
        last = wide[:, :, 2 * by :, 2 * by :]
        return self._both_sides(x) / 2 + (self._both_sides(first) + self._both_sides(last)) / 4

    def _both_sides(self, x: Tensor) -> Tensor:
        y: Tensor = self.network(x)
        return (y + self.network(torch.flip(x, (3,)))) / 2 if self.mirror else y
