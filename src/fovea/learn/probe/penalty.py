"""Which penalty: downhill along a ladder of them, from where it usually is best."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np


class Trial(Protocol):
    """A penalty that was tried, and the loss on rows that were held out (low is good)."""

    @property
    def penalty(self) -> float:
        """What was tried."""

    @property
    def loss(self) -> float:
        """What came of it."""


TrialT = TypeVar("TrialT", bound=Trial)


def search_penalty(
    attempt: Callable[[float, TrialT | None], TrialT],
    *,
    penalties: Sequence[float],
    first: float,
    worth: float,
) -> list[TrialT]:
    """Return trials: the first penalty, then downhill along the penalties, a smaller one tried first.

    `attempt` takes a penalty and the best trial so far; a gain in loss below `worth` is none.
    """
    at = int(np.argmin(np.abs(np.log(penalties) - np.log(first))))
    best = attempt(penalties[at], None)
    trials = [best]
    for way in (-1, 1):
        place, moved = at + way, False
        while 0 <= place < len(penalties):
            trial = attempt(penalties[place], best)
            trials.append(trial)
            if trial.loss >= best.loss - worth:
                break
            best, place, moved = trial, place + way, True
        if moved:
            break
    return trials
