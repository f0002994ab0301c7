"""What is wished of a fine-tuning; everything left alone is chosen by the plan."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fovea.learn.training import Training


@dataclass(frozen=True, slots=True)
class Tuning:
    """How much learns, under which head, for how long.

    `unfreeze` is the number of last blocks that learn, "all", or "auto". `head_layers` is "linear", or "mlp:256" for one
    dense layer of 256 with ReLU and dropout (several: "mlp:256,128"). `seconds` is the budget, None for what the settings say.
    """

    unfreeze: int | str = "auto"
    head_layers: str = "linear"
    seconds: float | None = None
    settings: "Training | None" = None
