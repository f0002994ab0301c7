"""The torch engine: an encoder that computes with torch itself, on the processor, CUDA or Apple's GPU.

The network is converted to the runtime's form as always: that is what a model saves, so predicting needs no torch.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from fovea import nets
from fovea.errors import BackboneError, InputError
from fovea.features.backbones import OpenVinoEncoder, open_backbone
from fovea.features.convert import build_named
from fovea.features.encoder import Features, Pixels, Preprocess, Stage, fingerprint_of
from fovea.features.processor import has_native_bf16


@dataclasses.dataclass(frozen=True, slots=True)
class TorchEncoder:
    """A backbone that torch computes; see the protocol `Encoder`. `converted` is the same network as it is saved."""

    converted: OpenVinoEncoder
    runner: nets.TorchRunner
    engine: str = "torch"

    @property
    def name(self) -> str:
        """The network's name."""
        return self.converted.name

    @property
    def fingerprint(self) -> str:
        """Sha256 over all that the converted network's is of, and the engine."""
        return fingerprint_of({"converted": self.converted.fingerprint, "engine": self.engine})

    @property
    def precision(self) -> str:
        """What it computes in: "bf16" or "f32"."""
        return self.runner.precision

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Which columns come from where."""
        return self.converted.stages

    @property
    def n_features(self) -> int:
        """The number of columns d."""
        return self.converted.n_features

    @property
    def preprocess(self) -> Preprocess:
        """Size and fit of the pictures it takes."""
        return self.converted.preprocess

    @property
    def licence(self) -> str:
        """The licence of the weights."""
        return self.converted.licence

    @property
    def class_names(self) -> tuple[str, ...]:
        """What its softmax stage names, in order; empty where unknown."""
        return self.converted.class_names

    @property
    def notes(self) -> tuple[str, ...]:
        """Plain sentences for the user about what is doubtful in it."""
        return self.converted.notes

    @property
    def batch_size(self) -> int:
        """How many pictures a batch holds at most: 8 on the processor, 64 on a GPU."""
        return self.runner.batch_size

    @property
    def threads(self) -> int:
        """How many cores it uses."""
        return self.converted.threads

    @property
    def device(self) -> str:
        """Where it computes: "cpu", "cuda" or "mps"."""
        return self.runner.device

    def encode(self, pixels: Pixels) -> Features:
        """Return features (n, d) float32 of pixels (n, h, w, 3) uint8."""
        size = self.batch_size
        parts = list(
            self.encode_batches(pixels[start : start + size] for start in range(0, len(pixels), size))
        )
        return np.concatenate(parts) if parts else np.zeros((0, self.n_features), np.float32)

    def encode_batches(self, batches: Iterable[Pixels]) -> Iterator[Features]:
        """Yield features of each batch of at most `batch_size` pictures in order."""
        return self.runner.run_batches(batches)

    def save(self, folder: Path) -> None:
        """Write the converted network and its card into `folder`. Raises OutputError."""
        self.converted.save(folder)


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
) -> TorchEncoder:
    """Return the network that `backbone` names, or a .safetensors file describes, computed by torch.

    `device` is "cpu", "cuda", "mps", or "auto": a GPU where there is one. `precision` is "auto" (bf16 where the device
    has it in hardware), "bf16" or "f32"; the rest as in `open_backbone`.
    Raises InputError for a backbone that is no torch network; BackboneError, MissingInputError, MissingExtraError.
    """
    described = backbone is None and weights is not None and weights.suffix == ".safetensors"
    if not described and not (backbone or "").startswith(("timm:", "torchvision:")):
        raise InputError(
            f"the torch engine computes networks of timm and torchvision, and {backbone or str(weights or 'fovea-tiny')!r} "
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
    if not isinstance(converted, OpenVinoEncoder):
        raise TypeError(f"expected the converted network, got {type(converted).__name__}")
    device = nets.choose_device(device)
    chosen = _choose_precision(precision, device=device)
    if described and weights is not None:
        named = nets.build_described(weights, stages=stages)
    else:
        named = build_named(str(backbone), weights=weights, stages=stages, offline=offline)
    runner = nets.TorchRunner(named.pooled, device=device, precision=chosen, threads=converted.threads)
    card = dataclasses.replace(converted.card, precision=chosen)
    return TorchEncoder(converted=dataclasses.replace(converted, card=card), runner=runner)


def _choose_precision(wish: str, *, device: str) -> str:
    native = has_native_bf16() if device == "cpu" else nets.has_bf16(device)
    if wish == "auto":
        return "bf16" if native else "f32"
    if wish == "bf16" and not native:
        raise BackboneError(
            f"precision 'bf16' was asked for, but torch's device {device!r} has none here. Use 'f32'."
        )
    if wish not in {"bf16", "f32"}:
        raise BackboneError(f"precision {wish!r} is not known. Use 'auto', 'bf16' or 'f32'.")
    return wish
