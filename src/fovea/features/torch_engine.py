"""The torch engine: an encoder that computes with torch itself, on the processor, CUDA or Apple's GPU.

The network is converted to the runtime's form as always: that is what a model saves, so predicting needs no torch.
"""

import dataclasses
from pathlib import Path

from fovea import nets
from fovea.errors import BackboneError, InputError
from fovea.features.backbones import NetworkEncoder, open_backbone
from fovea.features.convert import build_named
from fovea.features.processor import has_native_bf16


def open_torch(
    backbone: str | None = None,
    *,
    weights: Path | None = None,
    stages: tuple[str, ...] = (),
    shape_px: tuple[int, int] | None = None,
    fit: str = "crop",
    precision: str = "auto",
    threads: int | None = None,
    offline: bool = True,
    device: str = "auto",
) -> NetworkEncoder:
    """Return the network that `backbone` names, or a .safetensors file describes, computed by torch.

    `device` is "cpu", "cuda", "mps", or "auto": a GPU where there is one. `precision` is "auto" (bf16 where the device
    has it in hardware), "bf16" or "f32"; the rest as in `open_backbone`.
    Raises InputError for a backbone that is no torch network; BackboneError, MissingInputError, MissingExtraError.
    """
    described = backbone is None and weights is not None and weights.suffix == ".safetensors"
    if not described and not (backbone or "").startswith(("timm:", "torchvision:")):
        raise InputError(
            f"The torch engine computes networks of timm and torchvision, and {backbone or str(weights or 'fovea-tiny')!r} "
            "is none. Name one, such as --backbone timm:mobilenetv2_100, or leave out --engine torch."
        )
    converted = open_backbone(
        weights,
        backbone=backbone,
        stages=stages,
        shape_px=shape_px,
        fit=fit,
        threads=threads,
        offline=offline,
    )
    if not isinstance(converted, NetworkEncoder):
        raise TypeError(f"expected the converted network, got {type(converted).__name__}")
    device = nets.choose_device(device)
    chosen = _choose_precision(precision, device=device)
    if described and weights is not None:
        named = nets.build_described(weights, stages=stages)
    else:
        named = build_named(str(backbone), weights=weights, stages=stages, offline=offline)
    runner = nets.TorchRunner(named.pooled, device=device, precision=chosen, threads=converted.threads)
    card = dataclasses.replace(converted.card, precision=chosen)
    return dataclasses.replace(
        converted, card=card, network=runner, engine="torch", batch_size=runner.batch_size
    )


def _choose_precision(wish: str, *, device: str) -> str:
    native = has_native_bf16() if device == "cpu" else nets.has_bf16(device)
    if wish == "auto":
        return "bf16" if native else "f32"
    if wish == "bf16" and not native:
        raise BackboneError(
            f"Precision 'bf16' was asked for, but torch's device {device!r} has none here. Use 'f32'."
        )
    if wish not in {"bf16", "f32"}:
        raise BackboneError(f"Precision {wish!r} is not known. Use 'auto', 'bf16' or 'f32'.")
    return wish
