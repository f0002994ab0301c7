"""The official networks of timm and torchvision: names, preprocessing and weights' addresses, as the libraries tell them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlparse

from fovea.errors import BackboneError
from fovea.nets.weights import WeightsCard
from fovea.nets.zoo import LIBRARIES, check_name, import_library

N_IMAGENET = 1000


@dataclass(frozen=True, slots=True)
class Official:
    """An official network: its card, and where its weights are published; "" where nowhere.

    `repository` is its name on the Hugging Face hub; `entry` is torchvision's own entry of the weights.
    """

    spec: str
    card: WeightsCard
    url: str = ""
    repository: str = ""
    entry: Any = None

    @property
    def file_name(self) -> str:
        """The name under which a file fetched from `url` lies in torch's own cache."""
        return PurePosixPath(urlparse(self.url).path).name


def parse_spec(spec: str) -> tuple[str, str]:
    """Return library and name of `timm:NAME` or `torchvision:NAME`. Raises BackboneError for other ones."""
    library, _, name = spec.partition(":")
    if library not in LIBRARIES or not name:
        raise BackboneError(
            f"{spec!r} names no network of timm or torchvision. Write timm:NAME or torchvision:NAME, "
            "such as torchvision:resnet18."
        )
    return library, name


def describe_official(spec: str) -> Official:
    """Return what the library says of a network: size, mean, deviation, crop, classes, licence, address.

    Behind a dot may stand which of several weights: `timm:resnet50.a1_in1k`, `torchvision:resnet50.IMAGENET1K_V1`.
    Raises BackboneError for an unknown name, MissingExtraError without torch.
    """
    library, name = parse_spec(spec)
    check_name(library, name.partition(".")[0], hint="Correct the name, or update the library.")
    return _of_timm(spec, name) if library == "timm" else _of_torchvision(spec, name)


def _of_timm(spec: str, name: str) -> Official:
    timm = import_library("timm")
    try:
        told = timm.get_pretrained_cfg(name)
    except RuntimeError as error:  # an unknown tag
        tags = timm.list_models(f"{name.partition('.')[0]}.*", pretrained=True)
        raise _unknown_weights(spec, (tag.partition(".")[2] for tag in tags)) from error
    n_classes = int(told.num_classes or 0)
    card = WeightsCard(
        library="timm",
        architecture=name,
        size_px=int(told.input_size[1]),
        mean=tuple(told.mean),
        std=tuple(told.std),
        crop=float(told.crop_pct or 1.0),
        kwargs={} if n_classes == N_IMAGENET else {"num_classes": n_classes},
        licence=str(told.license or "unknown"),
        source=str(told.hf_hub_id or told.url or ""),
    )
    return Official(spec, card, url=str(told.url or ""), repository=str(told.hf_hub_id or ""))


def _of_torchvision(spec: str, name: str) -> Official:
    architecture, _, tag = name.partition(".")
    entries = import_library("torchvision").get_model_weights(architecture)
    if tag and tag not in entries.__members__:
        raise _unknown_weights(spec, entries.__members__)
    entry = entries[tag] if tag else entries.DEFAULT
    told = entry.transforms()
    kwargs: dict[str, Any] = {}
    if architecture in {"googlenet", "inception_v3"}:  # as torchvision builds them for its own weights
        kwargs = {"transform_input": True, "init_weights": False}
    elif architecture.startswith("vit_"):
        kwargs = {"image_size": told.crop_size[0]}
    card = WeightsCard(
        library="torchvision",
        architecture=name,
        size_px=int(told.crop_size[0]),
        mean=tuple(told.mean),
        std=tuple(told.std),
        crop=told.crop_size[0] / told.resize_size[0],
        kwargs=kwargs,
        licence="BSD-3-Clause",
        source=entry.url,
    )
    return Official(spec, card, url=entry.url, entry=entry)


def _unknown_weights(spec: str, tags: Iterable[str]) -> BackboneError:
    return BackboneError(
        f"There are no weights {spec!r}. Behind the dot may stand: {', '.join(tags) or 'nothing'}."
    )
