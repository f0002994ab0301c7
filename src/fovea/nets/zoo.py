"""Networks of timm and torchvision by name, with weights from a .safetensors file. Needs torch."""

import difflib
import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError, MissingExtraError
from fovea.nets.places import places_of
from fovea.nets.stages import pooled_network
from fovea.nets.weights import WeightsCard

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

_LIBRARIES = ("timm", "torchvision")
_kept: list[object] = []  # operator schemas live as long as the object that defined them


def import_torchvision() -> Any:
    """Import torchvision; where its compiled operators do not fit torch, with their two schemas put in place.

    A CPU build of torch beside a CUDA build of torchvision stops its import at `torchvision::nms`; none of
    those operators are needed here.
    """
    import torch

    operators: Any = torch.library.Library
    if not hasattr(torch.ops.torchvision, "nms") and not _operators_load():
        library = operators("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
    return importlib.import_module("torchvision")


def _operators_load() -> bool:
    """Return whether torchvision's own compiled library can be loaded (without importing torchvision)."""
    import torch

    found = importlib.util.find_spec("torchvision")
    folders = list(found.submodule_search_locations or []) if found else []
    files = [file for folder in folders for file in Path(folder).glob("_C*.so")]
    load: Any = torch.ops.load_library
    try:
        for file in files:
            load(file)
    except OSError:
        return False
    return bool(files) and hasattr(torch.ops.torchvision, "nms")


def build_pooled(card: WeightsCard, weights: Path) -> "torch.nn.Module":
    """Return the network with its weights, pooled at its places (see `stages.pooled_network`).

    Raises MissingExtraError without torch; BackboneError where name or weights do not fit.
    """
    try:
        network = _build(card)
    except ImportError as error:
        raise MissingExtraError(
            f"{card.library} weights need torch once, to be converted ({error}). "
            'Install it: pip install "fovea-vision[torch]".'
        ) from error
    _load(network, weights, architecture=card.architecture)
    places = places_of(network, library=card.library, architecture=card.architecture, size_px=card.size_px)
    return pooled_network(network.eval(), places=places, mean=card.mean, std=card.std)


def _build(card: WeightsCard) -> "torch.nn.Module":
    """Return the network without weights."""
    if card.library not in _LIBRARIES:
        raise BackboneError(f"library {card.library!r} is not known. Known are {', '.join(_LIBRARIES)}.")
    import_torchvision()  # timm imports it
    kwargs = dict(card.kwargs)
    if card.class_names:
        kwargs.setdefault("num_classes", len(card.class_names))
    try:
        if card.library == "timm":
            timm = importlib.import_module("timm")
            _check_name(card, timm.list_models())
            return timm.create_model(card.architecture, pretrained=False, **kwargs)  # type: ignore[no-any-return]
        models = importlib.import_module("torchvision.models")
        _check_name(card, models.list_models())
        return models.get_model(card.architecture, weights=None, **kwargs)  # type: ignore[no-any-return]
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        if isinstance(error, BackboneError):
            raise
        raise BackboneError(
            f"{card.library} cannot build {card.architecture!r} with {kwargs}: {error}. "
            "Correct `kwargs` in the metadata key 'backbone' of the weights."
        ) from error


def _check_name(card: WeightsCard, known: list[str]) -> None:
    if card.architecture not in known:
        near = difflib.get_close_matches(card.architecture, known, n=3, cutoff=0.5)
        raise BackboneError(
            f"{card.library} has no architecture {card.architecture!r}. "
            f"Nearest: {', '.join(near) or 'none'}. Correct `architecture` "
            "in the metadata key 'backbone' of the weights, or update the library."
        )


def _load(network: "torch.nn.Module", weights: Path, *, architecture: str) -> None:
    """Put the tensors of `weights` into the network; every one must fit. Raises BackboneError."""
    from safetensors.torch import load_file

    tensors = load_file(weights)
    expected = network.state_dict()
    missing = [key for key in expected if key not in tensors and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in tensors if key not in expected]
    reshaped = [
        f"{key} {tuple(tensors[key].shape)} for {tuple(value.shape)}"
        for key, value in expected.items()
        if key in tensors and tensors[key].shape != value.shape
    ]
    found = [
        f"{len(keys)} {kind} (first: {', '.join(keys[:3])})"
        for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
        if keys
    ]
    if found:
        raise BackboneError(
            f"the tensors in {str(weights)!r} do not fit {architecture!r}: {'; '.join(found)}. "
            "Check `architecture` and `kwargs` in its metadata key 'backbone'."
        )
    network.load_state_dict(tensors, strict=False)


def example_pixels(*, height_px: int, width_px: int) -> "torch.Tensor":
    """Return one grey picture, uint8 (1, h, w, 3), for tracing."""
    import torch

    return torch.full((1, height_px, width_px, 3), 128, dtype=torch.uint8)


def run_pooled(network: "torch.nn.Module", pixels: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Return the features float32 (n, d) that torch computes for uint8 (n, h, w, 3)."""
    import torch

    with torch.inference_mode():
        return network(torch.tensor(pixels)).numpy()  # type: ignore[no-any-return]
