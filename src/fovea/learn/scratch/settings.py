"""What is wished of a training from scratch; everything left alone is chosen by the recipe."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

    from fovea.learn.training.losses import Criterion, Kind


def _nothing(network: "nn.Module", classifier: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is taught in place of the labels: `targets` float32 (n, c), and criterion(outputs (n, k), targets) -> losses (n,).

    beside(network, path of its last linear layer) is the block in which the network learns, with whatever learns beside it.
    """

    targets: NDArray[np.float32]
    criterion: "Criterion"
    beside: "Callable[[nn.Module, str], AbstractContextManager[None]]" = _nothing


@dataclass(frozen=True, slots=True)
class Making:
    """What is given in place of the recipe's own.

    `given` are fields of the training settings by name ({"lr": 0.1, "epochs": 3}; see `overridden`), `options` the
    network's: "activation", "init", and those of `build_classic` ("hidden", "widths", ...) or of the library's network. `kind`
    says what the labels are: "class", "values" for numbers, "labels" for several a picture. With `finds_rate` the learning
    rate is found by a trial (see `find_learning_rate`) in place of a given one. A `lesson` is learned from in place of the labels.
    Where seconds are given, `n_again` pictures are answered in them too, when all is done; the fast network may be trained in its
    wide form then, unless it is not to be `widened`. `short` of the given seconds are not there, where the rest of the run takes
    more than there is; one budget is shared by `n_sharing` trainings: both are for the advice, where nothing can be trained.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: "Kind" = "class"
    finds_rate: bool = False
    lesson: Lesson | None = None
    n_again: int = 0
    widened: bool = True
    short: float = 0.0
    n_sharing: int = 1
