"""What is wished of a fine-tuning, and its recipe; everything left alone is chosen by the plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fovea.errors import InputError
from fovea.learn.training import Looping, Optimisation, Regularisation, Training

if TYPE_CHECKING:
    from fovea.learn.training.losses import Kind

USUAL_EPOCHS = 12
BATCH = 16  # beyond it a processor's blocks of memory come from the system anew each step: 34 -> 22 img/s (lab/LOG.md)

MOST_VIEWS = 8  # of a picture below a cut: more change little


@dataclass(frozen=True, slots=True)
class Tuning:
    """How much learns, under which head.

    `unfreeze` is the number of last blocks that learn, the name of the first of them, "all", or "auto". `head_layers` is
    "linear", or "mlp:256" for a dense layer of 256 with ReLU and dropout (several: "mlp:256,128"). `given` are fields of the
    training settings by name ({"lr": 1e-4, "seconds": 600}; see `overridden`), in place of the recipe's. `kind` says what the
    labels are: "class", "values" for numbers, "labels" for several a picture. With `finds_rate` the learning rate is found by
    a trial (see `find_learning_rate`) in place of a given one. Where a budget has room there are up to `most_runs` trainings in
    different orders, each of which costs `run_seconds` of it besides.
    """

    unfreeze: int | str = "auto"
    head_layers: str = "linear"
    given: Mapping[str, Any] = field(default_factory=dict)
    kind: "Kind" = "class"
    finds_rate: bool = False
    most_runs: int = 1
    run_seconds: float = 0.0


def check_wish(wish: Tuning) -> None:
    """Raise InputError where it cannot be told how much shall learn, or something is wished that is not for fine-tuning."""
    if wish.given.get("dropout") and not hidden_widths(wish.head_layers):
        raise InputError(
            "--dropout leaves out units of the head's dense layers, and --head linear has none. Leave it away, or give --head "
            "mlp:256 too."
        )
    if isinstance(wish.unfreeze, str) or wish.unfreeze >= 1:
        return
    raise InputError(
        f"--unfreeze takes the number of last blocks that shall learn, from 1 on, the name of the first, all or auto; it is "
        f"{wish.unfreeze!r}."
    )


def recipe(head_layers: str = "linear") -> Training:
    """Return the settings of a fine-tuning of which nothing but the head is wished; without dense layers nothing is dropped."""
    dropout = 0.2 if hidden_widths(head_layers) else None
    return Training(
        Optimisation(optimizer="adamw", lr=3e-4, weight_decay=0.01, schedule="cosine", warmup=0.1),
        Regularisation(smoothing=0.05, ema=0.99, dropout=dropout),
        Looping(epochs=USUAL_EPOCHS, batch_size=BATCH),
    )


def hidden_widths(head_layers: str) -> tuple[int, ...]:
    """Return the widths of the dense layers below the last one: none for "linear". Raises InputError."""
    kind, _, rest = head_layers.partition(":")
    widths = rest.split(",")
    if kind == "linear" and not rest:
        return ()
    if kind != "mlp" or not all(width.isdecimal() and int(width) for width in widths):
        raise InputError(
            f"The head {head_layers!r} is not known. Write linear, or mlp with the widths of its layers: mlp:256 or mlp:256,128."
        )
    return tuple(int(width) for width in widths)
