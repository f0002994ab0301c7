"""Opening the network behind a backbone for training: by the same names as `features.open_backbone`, with its places."""

from pathlib import Path
from typing import TYPE_CHECKING

from fovea import nets
from fovea.features.convert import build_named
from fovea.nets.blocks import find_blocks
from fovea.nets.stages import release_network

if TYPE_CHECKING:
    from fovea.nets.trainable import Trainable


def open_trainable(
    backbone: str | None = None,
    *,
    weights: Path | None = None,
    stages: tuple[str, ...] = (),
    offline: bool = True,
) -> "Trainable":
    """Return the network that `backbone` names or `weights` holds, with its weights, ready to be trained further.

    As `features.open_backbone`, but for ONNX files, which have no torch network. Its places are those of the encoder.
    Raises InputError, MissingInputError, BackboneError, MissingExtraError.
    """
    if backbone is None and weights is not None:
        named = nets.build_described(weights, stages=stages)
    else:
        named = build_named(str(backbone), weights=weights, stages=stages, offline=offline)
    return _trainable(named)


def _trainable(named: nets.NamedNetwork) -> "Trainable":
    from fovea.nets.trainable import Trainable

    network, places = release_network(named.pooled)
    return Trainable(
        network=network,
        card=named.card,
        classifier=next((place.module for place in places if place.pool == "softmax"), ""),
        blocks=find_blocks(network, size_px=named.card.size_px),
        places=places,
    )
