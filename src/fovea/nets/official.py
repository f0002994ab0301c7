"""The official networks of timm and torchvision: names, preprocessing, weights, as the two libraries tell them.

Weights are fetched by the libraries' own code into their own caches; what lies there needs no connection.
"""

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError, MissingExtraError
from fovea.nets.weights import WeightsCard

if TYPE_CHECKING:
    pass

LIBRARIES = ("timm", "torchvision")


@dataclass(frozen=True, slots=True)
class Official:
    """An official network: its card, where its weights are published, and under which name they lie on disk."""

    card: WeightsCard
    url: str = ""
    repository: str = ""  # of the Hugging Face hub
    entry: Any = None  # torchvision's own entry of these weights


def parse_spec(spec: str) -> tuple[str, str]:
    """Return library and name of `timm:NAME` or `torchvision:NAME`. Raises BackboneError for other ones."""
    library, _, name = spec.partition(":")
    if library not in LIBRARIES or not name:
        raise BackboneError(
            f"{spec!r} is no network of {' or '.join(LIBRARIES)}: those are called timm:NAME or torchvision:NAME, "
            "such as torchvision:resnet18."
        )
    return library, name


def import_library(library: str) -> Any:
    """Return the module that makes networks: timm, or torchvision.models. Raises MissingExtraError."""
    from fovea.nets.zoo import import_torchvision

    try:
        import_torchvision()  # timm imports it
        return importlib.import_module("timm" if library == "timm" else "torchvision.models")
    except ImportError as error:
        raise MissingExtraError(
            f"{library} weights need torch once, to be converted ({error}). "
            'Install it: pip install "fovea-vision[torch]".'
        ) from error


def describe_official(spec: str) -> Official:
    """Return what the library says of a network: size, mean, deviation, crop, classes, licence, address.

    Behind a dot may stand which of several weights: `timm:resnet50.a1_in1k`, `torchvision:resnet50.IMAGENET1K_V1`.
    Raises BackboneError for an unknown name, MissingExtraError without torch.
    """
    library, name = parse_spec(spec)
    module = import_library(library)
    architecture, _, tag = name.partition(".")
    known = module.list_models() if library == "timm" else module.list_models(module=module)
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=3, cutoff=0.5)
        raise BackboneError(
            f"{library} has no architecture {architecture!r}. Nearest: {', '.join(near) or 'none'}. "
            "Correct the name, or update the library."
        )
    return _of_timm(module, name) if library == "timm" else _of_torchvision(module, architecture, tag)


def _of_timm(timm: Any, name: str) -> Official:
    told = timm.get_pretrained_cfg(name)
    if told is None:
        tags = [
            one.partition(".")[2] for one in timm.list_models(f"{name.partition('.')[0]}.*", pretrained=True)
        ]
        raise _unknown_weights(f"timm:{name}", tags)
    card = WeightsCard(
        library="timm",
        architecture=name,
        size_px=int(told.input_size[1]),
        mean=tuple(told.mean),
        std=tuple(told.std),
        licence=str(told.license or "unknown"),
        source=str(told.hf_hub_id or told.url or ""),
    )
    return Official(card=card, url=str(told.url or ""), repository=str(told.hf_hub_id or ""))


def _of_torchvision(models: Any, architecture: str, tag: str) -> Official:
    weights = models.get_model_weights(architecture)
    tags = [one.name for one in weights]
    if tag and tag not in tags:
        raise _unknown_weights(f"torchvision:{architecture}.{tag}", tags)
    entry = weights[tag] if tag else weights.DEFAULT
    told = entry.transforms()
    kwargs: dict[str, Any] = {}
    if architecture in {"googlenet", "inception_v3"}:  # as torchvision builds them for its weights
        kwargs = {"transform_input": True, "init_weights": False}
    elif architecture.startswith("vit_"):
        kwargs = {"image_size": told.crop_size[0]}
    card = WeightsCard(
        library="torchvision",
        architecture=f"{architecture}.{tag}" if tag else architecture,
        size_px=int(told.crop_size[0]),
        mean=tuple(told.mean),
        std=tuple(told.std),
        kwargs=kwargs,
        class_names=tuple(entry.meta.get("categories", ())),
        licence="BSD-3-Clause",
        source=entry.url,
    )
    return Official(card=card, url=entry.url, entry=entry)


def _unknown_weights(spec: str, tags: list[str]) -> BackboneError:
    return BackboneError(
        f"there are no weights {spec!r}. Behind the dot may stand: {', '.join(tags) or 'nothing'}."
    )
