"""The two libraries that networks come from, timm and torchvision: imported, asked to build, run. Needs torch."""

import contextlib
import difflib
import importlib
import importlib.util
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError, InputError, MissingExtraError
from fovea.nets.weights import WeightsCard

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

LIBRARIES = ("timm", "torchvision")
OWN = "fovea"  # networks that are written here
DROP_PATH = {"timm": "drop_path_rate", "torchvision": "stochastic_depth_prob", OWN: "drop_path"}
"""What a library calls the share of residual blocks that are left out at random."""
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


def import_library(library: str) -> Any:
    """Return the module that makes networks: timm, or torchvision.models.

    Raises BackboneError for another library, MissingExtraError where it or torch is missing.
    """
    if library not in LIBRARIES:
        raise BackboneError(f"The library {library!r} is not known. Known are {', '.join(LIBRARIES)}.")
    try:
        import_torchvision()  # timm imports it
        return importlib.import_module("timm" if library == "timm" else "torchvision.models")
    except ImportError as error:
        raise MissingExtraError(
            f"{library} weights need torch once, to be converted ({error}). "
            'Install it: pip install "fovea-vision[torch]".'
        ) from error


def check_name(library: str, architecture: str, *, hint: str) -> None:
    """Raise BackboneError, with the nearest names and `hint`, where the library has no such network."""
    module = import_library(library)
    known = module.list_models() if library == "timm" else module.list_models(module=module)
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=3, cutoff=0.5)
        raise BackboneError(
            f"{library} has no architecture {architecture!r}. Nearest: {', '.join(near) or 'none'}. {hint}"
        )


def build_network(card: WeightsCard, *, shapes_only: bool = False) -> "torch.nn.Module":
    """Return the network that a card names, with random weights, ready to answer.

    With `shapes_only` without any weights, on torch's device "meta", where the network can be built so.
    Raises BackboneError.
    """
    if card.library == OWN:
        return _build_own(card)
    if card.library == "keras":
        from fovea.nets.keras_trained import build_keras_again

        return build_keras_again(card)
    module = import_library(card.library)
    import torch

    architecture = card.architecture.partition(".")[0]  # behind the dot stands which weights
    kwargs = dict(card.kwargs)
    if card.class_names:
        kwargs.setdefault("num_classes", len(card.class_names))
    if card.library == "timm":
        make = partial(module.create_model, architecture, pretrained=False, **kwargs)
    else:
        make = partial(module.get_model, architecture, weights=None, **kwargs)
    try:
        if shapes_only:
            with contextlib.suppress(RuntimeError), torch.device("meta"):
                return make().eval()  # type: ignore[no-any-return]
        return make().eval()  # type: ignore[no-any-return]
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise BackboneError(
            f"{card.library} cannot build {card.architecture!r} with {kwargs}: {error}. "
            "Correct `kwargs` in the metadata key 'backbone' of the weights."
        ) from error


def _build_own(card: WeightsCard) -> "torch.nn.Module":
    """Return the network of a card whose library is fovea itself: a classic one, or one with a head on another's places."""
    if card.architecture == "headed":
        from fovea.nets.trainable import build_headed

        return build_headed(card).eval()
    if card.architecture == "fovea-tiny":
        from fovea.nets.tiny import Tiny

        return Tiny(**card.kwargs).eval()
    from fovea.nets.classic import build_classic

    try:
        network = build_classic(
            card.architecture, n_classes=len(card.class_names), size_px=card.size_px, **card.kwargs
        )
    except InputError as error:
        raise BackboneError(
            f"The weights belong to a network that this fovea cannot build. {error}"
        ) from error
    return network.eval()


@contextlib.contextmanager
def plain_attention() -> Iterator[None]:
    """Let torch compute attention in its plain way meanwhile: its faster one cannot be traced."""
    import torch

    switch: Any = torch.backends.mha
    before = switch.get_fastpath_enabled()
    switch.set_fastpath_enabled(False)
    try:
        yield
    finally:
        switch.set_fastpath_enabled(before)


def example_pixels(*, height_px: int, width_px: int) -> "torch.Tensor":
    """Return one grey picture, uint8 (1, h, w, 3), for tracing."""
    import torch

    return torch.full((1, height_px, width_px, 3), 128, dtype=torch.uint8)


def run_pooled(network: "torch.nn.Module", pixels: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Return the features float32 (n, d) that torch computes for uint8 (n, h, w, 3)."""
    import torch

    with torch.inference_mode():
        return network(torch.tensor(pixels)).numpy()  # type: ignore[no-any-return]
