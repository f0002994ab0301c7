"""What a .safetensors file of weights says about itself: its metadata key `backbone`, a JSON object.

Reads the file's header only; torch is not needed. The tensors are loaded by `zoo`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fovea.errors import BackboneError

FITS = ("crop", "pad", "squash")
_PICKLES = {".pth", ".pt", ".bin"}  # files of torch.save: tensors without a word about their network
_EXAMPLE = (
    '{"library": "timm", "architecture": "mobilenetv2_100", "kwargs": {}, "preprocess": {"size": 224, '
    '"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}, "licence": "Apache-2.0"}'
)


@dataclass(frozen=True, slots=True)
class WeightsCard:
    """Which network the weights belong to, and how pictures enter it.

    `mean` and `std` are those of RGB values scaled to 0..1; `size_px` is the side it was trained at; `crop` is the
    share of a picture's shorter side that enters, cut from its middle.
    """

    library: str
    architecture: str
    size_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    crop: float = 1.0
    kwargs: dict[str, Any] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    licence: str = "unknown"
    source: str = ""


def read_weights_card(file: Path) -> WeightsCard:
    """Return what `file` says about itself. Raises BackboneError where it says nothing, or nonsense."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as content:
            metadata = content.metadata() or {}
    except (SafetensorError, OSError) as error:
        if file.suffix.lower() in _PICKLES:
            raise BackboneError(
                f"{str(file)!r} does not say which network its tensors belong to. Name that too: --backbone timm:NAME "
                "or --backbone torchvision:NAME."
            ) from error
        raise BackboneError(
            f"{str(file)!r} is not a whole .safetensors file: {error}. Download or copy it again."
        ) from error
    if "backbone" not in metadata:
        raise BackboneError(
            f"{str(file)!r} does not say which network it belongs to: there is no key 'backbone' in its metadata (it holds "
            f"{', '.join(sorted(metadata)) or 'nothing'}). Name the network too: --backbone timm:NAME or --backbone "
            "torchvision:NAME; or save the file again with safetensors.torch.save_file(tensors, file, "
            "metadata={'backbone': TEXT}), where TEXT is JSON "
            f"like {_EXAMPLE}."
        )
    try:
        return _parse(json.loads(metadata["backbone"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackboneError(
            f"The metadata key 'backbone' of {str(file)!r} cannot be used ({type(error).__name__}: {error}). "
            f"It must be JSON like {_EXAMPLE}."
        ) from error


def card_text(card: WeightsCard) -> str:
    """Return the JSON that stands under the metadata key `backbone`, for `read_weights_card`."""
    preprocess = {"size": card.size_px, "mean": card.mean, "std": card.std, "crop": card.crop}
    told = {"library": card.library, "architecture": card.architecture, "kwargs": card.kwargs}
    told |= {
        "preprocess": preprocess,
        "classes": card.class_names,
        "licence": card.licence,
        "source": card.source,
    }
    return json.dumps(told, ensure_ascii=False)


def _parse(content: dict[str, Any]) -> WeightsCard:
    preprocess = content["preprocess"]
    return WeightsCard(
        library=str(content["library"]),
        architecture=str(content["architecture"]),
        size_px=int(preprocess["size"]),
        mean=_three(preprocess["mean"]),
        std=_three(preprocess["std"]),
        crop=float(preprocess.get("crop") or 1.0),
        kwargs=dict(content.get("kwargs") or {}),
        class_names=tuple(content.get("classes") or ()),
        licence=str(content.get("licence") or "unknown"),
        source=str(content.get("source") or ""),
    )


def _three(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
