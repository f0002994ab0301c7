"""What a training leaves behind: one record an epoch, which epoch was best, why it stopped. Plain numbers, no torch."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Score:
    """What an evaluation says: `loss` (0 is best), `accuracy` in [0, 1], `n` pictures, of classes the `brier` score in [0, 2].

    For a numeric target `accuracy` is R2 (at most 1). `error` is the standard error of what decides (`penalty`).
    """

    loss: float
    accuracy: float
    n: int
    brier: float | None = None
    error: float = 0.0

    @property
    def penalty(self) -> float:
        """What decides which weights are best, the lower the better: the Brier score (1950), where there is none the loss.

        It is bounded: a few wrong labels that a network rightly contradicts do not outweigh what it answers better.
        """
        return self.loss if self.brier is None else self.brier


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch. Training figures are of the pictures as trained on (augmented, mixed), None where they mean nothing.

    `lr` is the highest rate of the last step; `gradient_norms` of the last step by top-level layer, before clipping;
    `dead_share` by ReLU layer: units that answer 0 to every picture of a probe batch. GPU figures are None on a processor.
    The weights of the last epoch that `is_kept` are those in the end.
    """

    epoch: int
    steps: int
    seconds: float
    lr: float
    train_loss: float | None
    train_accuracy: float | None
    valid_loss: float | None = None
    valid_accuracy: float | None = None
    gradient_norms: Mapping[str, float] = field(default_factory=dict)
    dead_share: Mapping[str, float] = field(default_factory=dict)
    images_per_second: float = 0.0
    gpu_bytes: int | None = None
    gpu_share: float | None = None
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """A whole training. `stopped` is "" (all epochs), "patience", "seconds" or "non-finite"; `best_epoch` -1 where none ended."""

    records: tuple[EpochRecord, ...]
    best_epoch: int
    stopped: str
    notes: tuple[str, ...]
    n_steps: int
    n_pictures_seen: int

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values for JSON; numbers that are not finite become None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
