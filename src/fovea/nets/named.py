"""A network with its weights, pooled at its stages: by name (`timm:NAME`, `torchvision:NAME`) or as its file describes it."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError
from fovea.nets.layers import Layer, observe
from fovea.nets.local import find_official, find_weights, networks_here
from fovea.nets.official import Official, describe_official
from fovea.nets.places import aliases_of, choose_places, places_of
from fovea.nets.stages import pooled_network
from fovea.nets.state import fit_tensors, read_tensors, tensors_sha256
from fovea.nets.weights import WeightsCard, read_weights_card
from fovea.nets.zoo import build_network, check_name, import_library

if TYPE_CHECKING:
    from fovea.nets.stages import TorchNetwork, TorchTensor


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """A pooled network, what it is, and the sha256 of its weights."""

    pooled: "TorchNetwork"
    card: WeightsCard
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A stage that a network can give: its channels, the height and width of its maps (None: it has no space).

    `is_usual` tells whether it is taken where nothing is said, `pools` how it is pooled then; `aliases` mean it too.
    """

    name: str
    n_channels: int
    size_px: tuple[int, int] | None
    is_usual: bool
    aliases: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()


def build_named(
    spec: str,
    *,
    weights: Path | None = None,
    stages: tuple[str, ...] = (),
    offline: bool = True,
    folders: Sequence[Path] = (),
    also_here: Sequence[str] = (),
) -> NamedNetwork:
    """Return the network that `spec` names, with the tensors of `weights`, or its official ones where None.

    Those are looked for in `folders` and in the libraries' caches, else fetched by the library's own code unless
    `offline`. `stages` are taken instead of the network's own; `also_here` are other backbones to offer where the
    weights cannot be had. Raises BackboneError, MissingInputError, MissingExtraError.
    """
    official = describe_official(spec)
    weights = weights or find_weights(spec, folders)
    if weights is not None:
        network, card = _with_file(official, weights)
    else:
        card = official.card
        file = find_official(official, folders)
        if file is not None:
            _require_published(file, official)
            network = _fitted(card, read_tensors(file), file=file, spec=spec)
        else:
            network = _fetched(official, offline=offline, here=(*networks_here(folders), *also_here))
    return _pooled(network, card, stages=stages, sha256=tensors_sha256(network))


def build_described(weights: Path, *, stages: tuple[str, ...] = (), sha256: str = "") -> NamedNetwork:
    """Return the network that a .safetensors file describes itself (see `weights`), with its tensors.

    Raises MissingExtraError without torch; BackboneError where name or weights do not fit.
    """
    card = _described(weights)
    network = build_network(card)
    wrong = fit_tensors(network, read_tensors(weights))
    if wrong:
        raise BackboneError(
            f"The tensors in {str(weights)!r} do not fit {card.architecture!r}: {wrong}. "
            "Check `architecture` and `kwargs` in its metadata key 'backbone'."
        )
    return _pooled(network, card, stages=stages, sha256=sha256)


def check_spec(spec: str) -> None:
    """Raise BackboneError where the library has no such network or weights, MissingExtraError where it cannot be asked."""
    if spec.startswith("keras:"):
        from fovea.nets.keras_official import find_application
        from fovea.nets.keras_start import import_keras

        find_application(import_keras(), spec.removeprefix("keras:"))
    else:
        describe_official(spec)


def list_stages(spec: str) -> tuple[Shown, ...]:
    """Return every stage that `timm:NAME`, `torchvision:NAME`, `keras:NAME` or a file that describes itself can give.

    In the order of running; nothing is fetched or computed but shapes.
    Raises BackboneError for an unknown name, MissingInputError, MissingExtraError without torch.
    """
    if spec.startswith("keras:") or spec.endswith(".keras"):
        from fovea.nets.keras import outline_keras

        library = "keras"
        network, layers, architecture = outline_keras(spec)
    else:
        card = _described(Path(spec)) if spec.endswith(".safetensors") else describe_official(spec).card
        library, architecture = card.library, card.architecture
        network, layers = _outlined(card)
    usual = choose_places(network, layers, library=library, architecture=architecture)
    aliases = aliases_of(library, architecture).items()
    shown = []
    for one in layers:
        pools = tuple(place.pool for place in usual if place.module == one.name)
        also = tuple(alias for alias, module in aliases if module == one.name)
        shown.append(Shown(one.name, one.n_channels, one.map_px, bool(pools), also, pools))
    return tuple(shown)


def _described(weights: Path) -> WeightsCard:
    """Return what a file says about itself, of a network that its library has."""
    card = read_weights_card(weights)
    advice = "in the metadata key 'backbone' of the weights, or update the library."
    check_name(card.library, card.architecture.partition(".")[0], hint=f"Correct `architecture` {advice}")
    return card


def _outlined(card: WeightsCard) -> tuple["TorchNetwork", tuple[Layer, ...]]:
    """Return the network without values, and its layers."""
    network = build_network(card, shapes_only=True)
    try:
        return network, observe(network, size_px=card.size_px)
    except BackboneError:  # a network whose way depends on values
        network = build_network(card)
        return network, observe(network, size_px=card.size_px)


def _pooled(
    network: "TorchNetwork", card: WeightsCard, *, stages: tuple[str, ...], sha256: str
) -> NamedNetwork:
    places = places_of(
        network, library=card.library, architecture=card.architecture, size_px=card.size_px, stages=stages
    )
    pooled = pooled_network(network, places=places, mean=card.mean, std=card.std)
    return NamedNetwork(pooled=pooled, card=card, weights_sha256=sha256)


def _with_file(official: Official, weights: Path) -> tuple["TorchNetwork", WeightsCard]:
    """Return the network with a user's tensors, and its card: what the file says itself of this network counts."""
    card = dataclasses.replace(official.card, licence="unknown")
    if weights.suffix == ".safetensors":
        try:
            told = read_weights_card(weights)
        except BackboneError:
            told = None  # a plain file of tensors; a damaged one is refused when they are read
        if told and (told.library, told.architecture) == (card.library, card.architecture):
            card = told
    tensors = read_tensors(weights)
    n_classes = _other_classes(build_network(card, shapes_only=True), tensors)
    if n_classes:
        card = dataclasses.replace(card, kwargs={**card.kwargs, "num_classes": n_classes}, class_names=())
    card = dataclasses.replace(card, source=weights.name)
    return _fitted(card, tensors, file=weights, spec=official.spec), card


def _require_published(file: Path, official: Official) -> None:
    """Raise BackboneError where a file under torchvision's published name does not begin with the sha256 in that name."""
    if official.entry is None:  # timm does not promise that its names hold one
        return
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    if not sha256.startswith(file.stem.rpartition("-")[2]):
        raise BackboneError(
            f"{str(file)!r} does not hold the weights of {official.spec!r} that were published under its name: its SHA-256 is "
            f"another ({sha256[:8]}). Download it again; or name weights of your own: --weights FILE."
        )


def _other_classes(network: "TorchNetwork", tensors: "dict[str, TorchTensor]") -> int:
    """Return for how many classes the tensors are, where not for those that the network was built for; else 0."""
    last = [(key, value) for key, value in network.named_parameters() if value.ndim > 1][-1:]
    for key, value in last:  # the classifier's
        found = tensors.get(key)
        if found is not None and found.shape[1:] == value.shape[1:] and len(found) != len(value):
            return len(found)
    return 0


def _fitted(card: WeightsCard, tensors: "dict[str, TorchTensor]", *, file: Path, spec: str) -> "TorchNetwork":
    """Return the network with all the tensors in it. Raises BackboneError where they do not fit."""
    network = build_network(card)
    wrong = fit_tensors(network, tensors)
    adapted = _adapted(card, tensors) if wrong and card.library == "timm" else None
    if adapted is not None:
        return adapted
    if wrong:
        raise BackboneError(
            f"The tensors in {str(file)!r} do not fit {spec!r}: {wrong}. "
            "Name the network that they belong to: --backbone NAME."
        )
    return network


def _adapted(card: WeightsCard, tensors: "dict[str, TorchTensor]") -> "TorchNetwork | None":
    """Return timm's network with tensors that it renames itself, as of the authors' own files; None where it cannot."""
    overlay = {"state_dict": dict(tensors), "custom_load": False}
    if "num_classes" in card.kwargs:  # else timm takes tensors without a classifier, and leaves it random
        overlay["num_classes"] = card.kwargs["num_classes"]
    try:
        network: TorchNetwork = import_library("timm").create_model(
            card.architecture, pretrained=True, pretrained_cfg_overlay=overlay, **card.kwargs
        )
    except Exception:  # its renaming meets tensors of any kind
        return None
    return network.eval()


def _fetched(official: Official, *, offline: bool, here: Sequence[str]) -> "TorchNetwork":
    """Return the network with its official weights, fetched by the library's own code into its own cache."""
    if offline or not (official.url or official.repository):
        raise BackboneError(_not_here(official, "", here=here))
    card = official.card
    try:
        if card.library == "timm":
            network: Any = import_library("timm").create_model(
                card.architecture, pretrained=True, **card.kwargs
            )
            return network.eval()  # type: ignore[no-any-return]
        tensors = official.entry.get_state_dict(
            progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
    except Exception as error:  # whatever the library's network code raises
        raise BackboneError(_not_here(official, _reason(error), here=here)) from error
    return _fitted(card, tensors, file=Path(official.file_name), spec=official.spec)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _not_here(official: Official, reason: str, *, here: Sequence[str]) -> str:
    """Return the one paragraph for weights that cannot be had: where they are published, and what is here."""
    published = official.url or (
        f"https://huggingface.co/{official.repository}" if official.repository else ""
    )
    if not published:
        return (
            f"There are no official weights of {official.spec!r}. Name a file of your own: --weights FILE. "
            f"Here are: {', '.join(here) or 'none'}."
        )
    failed = f"and could not be downloaded ({reason})" if reason else "and nothing may be downloaded offline"
    return (
        f"The weights of {official.spec!r} are not on this computer {failed}. Fetch {published} where there is a "
        "connection, and put the file into the folder that FOVEA_WEIGHTS names, or name it: --weights FILE. "
        f"Here are: {', '.join(here) or 'none'}."
    )
