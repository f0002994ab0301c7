"""How long work tells of itself: a callable that gets the stage's name, what is done, and the total.

Every long function takes `progress: Progress = silent`. Only the command line draws anything.
"""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""progress(stage, n_done, n_total): called at the start of a stage with 0 done, and whenever more is done."""


def silent(stage: str, n_done: int, n_total: int) -> None:
    """Tell nothing."""


def unheard(sentence: str) -> None:
    """Let a sentence about what is under way go unheard."""
