"""What trains and what comes of it, in the words that fine-tuning, training from scratch and distilling share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.learn.probe import Head
from fovea.learn.training.told import describe_epoch

if TYPE_CHECKING:
    import torch

    from fovea.learn.training import EpochRecord, History, RateSearch, Training
    from fovea.learn.training.losses import Kind
    from fovea.nets import WeightsCard

OnEpoch: TypeAlias = Callable[["EpochRecord", "Training"], None]
"""Told every epoch's record as it ends, and the settings in use."""


def unwatched(record: "EpochRecord", settings: "Training") -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Decoded pictures and what is known of each: uint8 (n, h, w, 3) RGB, in an array or a memmap.

    `labels` are int64 (n,) class numbers in [0, k); for several labels a picture float32 (n, k) of 0 and 1; for numeric
    targets float32 (n, k).
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64] | NDArray[np.float32]

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """The labels, where they are class numbers."""
        return self.labels.astype(np.int64, copy=False) if self.labels.dtype.kind in "iu" else None

    @property
    def class_weights(self) -> NDArray[np.float32] | None:
        """Weights (n,) by which all classes count alike, their mean 1; None where the labels are no classes."""
        if self.classes is None:
            return None
        n_of_class = np.bincount(self.classes)
        weights = len(self.classes) / (np.count_nonzero(n_of_class) * n_of_class[self.classes])
        return np.asarray(weights, np.float32)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a network's answers are: logits of classes or of labels, or numbers less `centre` in units of `deviation`.

    Numbers are learned so, whatever their unit is; what it is stands in the head alone, which computes in float32.
    """

    kind: "Kind" = "class"
    centre: float = 0.0
    deviation: float = 1.0

    def learned_as(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return numbers in the user's unit as a network learns them."""
        return ((values - self.centre) / self.deviation).astype(np.float32)

    def told_by(self, head: Head) -> Head:
        """Return the head of a network that answers in the user's unit."""
        return _scaled(head, self.deviation, self.centre)

    def begun_by(self, head: Head) -> Head:
        """Return a head that answers in the user's unit as a network would begin with it."""
        return _scaled(head, 1 / self.deviation, -self.centre / self.deviation)


CLASSES = Meaning()


def _scaled(head: Head, factor: float, shift: float) -> Head:
    bias = (head.bias.astype(np.float64) * factor + shift).astype(np.float32)
    return replace(head, weights=head.weights * np.float32(factor), bias=bias)


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network, and how it came about.

    `network` takes normalised float32 (n, 3, h, w) and gives logits (n, k); `card` names the k classes and builds it again
    (`nets.zoo.build_network`), `classifier` is the path of its last linear layer. `valid_logits` are float32 (m, k).
    `plan` are the sentences that were announced before training; `settings` are what it was trained with in the end,
    `rate_search` is how their learning rate was found, where it was. `is_whole`: nothing of a network that was trained
    further was frozen. `others` were trained from the same start in another order.
    """

    network: "torch.nn.Module"
    card: "WeightsCard"
    classifier: str
    history: "History"
    valid_logits: NDArray[np.float32]
    settings: "Training | None" = None
    plan: tuple[str, ...] = ()
    rate_search: "RateSearch | None" = None
    is_whole: bool = False
    others: "tuple[Trained, ...]" = ()


def teller(
    announce: Callable[[str], None], on_epoch: OnEpoch, *, settings: "Training", kind: "Kind" = "class"
) -> Callable[["EpochRecord"], None]:
    """Return what tells every epoch as a sentence to `announce`, and as it is to `on_epoch`."""

    def tell(record: "EpochRecord") -> None:
        announce(describe_epoch(record, n_epochs=settings.looping.epochs or 1, kind=kind))
        on_epoch(record, settings)

    return tell
