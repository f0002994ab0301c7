"""How long work tells of itself: a callable that gets the stage's name, what is done, and the total.

Every long function takes `progress: Progress = silent`. Only the command line draws anything.
"""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""progress(stage, n_done, n_total): called at the start of a stage with 0 done, and whenever more is done.

Behind a colon stands what is known so far: "training: epoch 2 of 10, loss 0.31". It may change within a stage.
"""


def silent(stage: str, n_done: int, n_total: int) -> None:
    """Tell nothing."""


def unheard(sentence: str) -> None:
    """Let a sentence about what is under way go unheard."""


def part_of(progress: Progress, *, number: int, n_parts: int) -> Progress:
    """Return what tells `progress` of one of several equal parts, the `number`th from 0, as of the whole."""
    if progress is silent:
        return silent
    return lambda stage, n_done, n_total: progress(stage, number * n_total + n_done, n_parts * n_total)
