"""A network by name (`timm:NAME`, `torchvision:NAME`), with its official weights or a user's file, pooled at its stages."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fovea.errors import BackboneError
from fovea.nets.layers import observe
from fovea.nets.official import describe_official, import_library
from fovea.nets.places import places_of
from fovea.nets.stages import pooled_network
from fovea.nets.state import fit_tensors, read_tensors, tensors_sha256
from fovea.nets.weights import WeightsCard

if TYPE_CHECKING:
    from fovea.nets.stages import TorchNetwork


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """A pooled network, what it is, and the sha256 of its weights."""

    pooled: "TorchNetwork"
    card: WeightsCard
    weights_sha256: str


def build_named(
    spec: str, *, weights: Path | None = None, stages: tuple[str, ...] = (), offline: bool = True
) -> NamedNetwork:
    """Return the network that `spec` names, with the tensors of `weights`, or its official ones where None.

    `stages` are taken instead of the network's own. Raises BackboneError, MissingInputError, MissingExtraError.
    """
    official = describe_official(spec)
    card = official.card
    network = build_network(card)
    if weights is None:
        raise BackboneError("not yet")
    wrong = fit_tensors(network, read_tensors(weights))
    if wrong:
        raise BackboneError(
            f"the tensors in {str(weights)!r} do not fit {spec!r}: {wrong}. Name the network that they belong to: "
            "--backbone NAME."
        )
    places = places_of(
        network, library=card.library, architecture=card.architecture, size_px=card.size_px, stages=stages
    )
    pooled = pooled_network(network.eval(), places=places, mean=card.mean, std=card.std)
    return NamedNetwork(pooled=pooled, card=card, weights_sha256=tensors_sha256(network))


def build_network(card: WeightsCard) -> "TorchNetwork":
    """Return the network that a card names, with random weights, in evaluation mode."""
    module = import_library(card.library)
    if card.library == "timm":
        return module.create_model(card.architecture, pretrained=False, **card.kwargs).eval()  # type: ignore[no-any-return]
    name = card.architecture.partition(".")[0]
    return module.get_model(name, weights=None, **card.kwargs).eval()  # type: ignore[no-any-return]


def list_stages(spec: str) -> tuple[tuple[str, int, tuple[int, int] | None], ...]:
    """Return (name, number of channels, (height, width) of its maps or None) of every stage that `spec` can give.

    In the order of running; the network is built with random weights, nothing is fetched.
    Raises BackboneError for an unknown name, MissingExtraError without torch.
    """
    card = describe_official(spec).card
    layers = observe(build_network(card), size_px=card.size_px)
    found = []
    for layer in layers:
        space = layer.space
        size = (space[0], space[1]) if len(space) == 2 else None
        found.append((layer.name, layer.n_channels, size))
    return tuple(found)
