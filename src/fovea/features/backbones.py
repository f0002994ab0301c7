"""Opening a backbone by its name or from a file (see `finding`), or one that was saved in a folder.

Out comes an `Encoder`; nothing is compiled before the first picture.
"""

import dataclasses
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from fovea.errors import BackboneError, InputError, OutputError
from fovea.features.card import NETWORK, TRAINED, WEIGHTS, BackboneCard, read_card, write_card
from fovea.features.encoder import Encoder, Features, Pixels, Preprocess, Stage, fingerprint_of
from fovea.features.finding import find_backbone
from fovea.features.openvino import BATCH_SIZE, CompiledNetwork
from fovea.features.processor import available_cores, has_native_bf16

_PIXELS_VERSION = 1  # to be raised when the same file is decoded or resized to other pixels


class Runner(Protocol):
    """A network on an engine, ready to compute on `threads` cores."""

    threads: int

    def run_batches(self, batches: Iterable[Pixels]) -> Iterator[Features]:
        """Yield features of each batch in order."""


@dataclass(frozen=True, slots=True)
class NetworkEncoder:
    """A backbone on an engine (OpenVINO or torch); see the protocol `Encoder`. `folder` and `card` are what it saves."""

    folder: Path
    card: BackboneCard
    network: Runner
    engine: str = "openvino"
    batch_size: int = BATCH_SIZE

    @property
    def name(self) -> str:
        """The network's name."""
        return self.card.name

    @property
    def fingerprint(self) -> str:
        """Sha256 over weights, structure, stages, preprocessing, shape and precision."""
        card = self.card
        return fingerprint_of(
            {
                "weights": card.weights_sha256,
                "structure": card.structure,
                "stages": [dataclasses.asdict(stage) for stage in card.stages],
                "preprocess": card.preprocess.identity(),
                "pixels": _PIXELS_VERSION,
                "precision": card.precision,
                "engine": self.engine,
            }
        )

    @property
    def precision(self) -> str:
        """What it computes in: "bf16" or "f32"."""
        return self.card.precision

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Which columns come from where."""
        return self.card.stages

    @property
    def n_features(self) -> int:
        """The number of columns d."""
        return self.card.stages[-1].stop

    @property
    def preprocess(self) -> Preprocess:
        """Size and fit of the pictures it takes."""
        return self.card.preprocess

    @property
    def licence(self) -> str:
        """The licence of the weights."""
        return self.card.licence

    @property
    def class_names(self) -> tuple[str, ...]:
        """What its softmax stage names, in order; empty where unknown."""
        return self.card.class_names

    @property
    def notes(self) -> tuple[str, ...]:
        """Plain sentences for the user about what is doubtful in it."""
        return self.card.notes

    @property
    def threads(self) -> int:
        """How many cores it uses."""
        return self.network.threads

    def encode(self, pixels: Pixels) -> Features:
        """Return features (n, d) float32 of pixels (n, h, w, 3) uint8."""
        size = self.batch_size
        starts = range(0, len(pixels), size)
        parts = list(self.encode_batches(pixels[start : start + size] for start in starts))
        return np.concatenate(parts) if parts else np.zeros((0, self.n_features), np.float32)

    def encode_batches(self, batches: Iterable[Pixels]) -> Iterator[Features]:
        """Yield features of each batch of at most `batch_size` pictures in order; the next compute meanwhile."""
        return self.network.run_batches(batches)

    def save(self, folder: Path) -> None:
        """Write network and card into `folder`, which must not hold a backbone yet. Raises OutputError."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (NETWORK, WEIGHTS, TRAINED):
                if name != TRAINED or (self.folder / name).exists():
                    shutil.copyfile(self.folder / name, folder / name)
            write_card(folder, self.card)
        except OSError as error:
            raise OutputError(f"The backbone cannot be written to {str(folder)!r}: {error}.") from error


def open_backbone(
    weights: Path | None = None,
    *,
    backbone: str | None = None,
    stages: tuple[str, ...] = (),
    engine: str = "openvino",
    shape_px: tuple[int, int] | None = None,
    fit: str = "crop",
    precision: str = "auto",
    threads: int | None = None,
    offline: bool = True,
) -> Encoder:
    """Return the network that `backbone` names (None: the embedded one) or `weights` holds, ready to encode.

    `backbone` is "fovea-tiny", a name of the catalogue ("resnet18"), "timm:NAME", "torchvision:NAME", "keras:NAME", or
    the folder of a run. `weights` is a .safetensors file that says what it is, an .onnx or .keras file, or with
    `backbone` the tensors of that network. `stages` are places to take features from instead of the network's own.
    `shape_px` is (height, width); the network's own where None. `precision` is "auto" (bf16 where the processor has it
    natively), "bf16" or "f32". `threads`: all cores of the cgroup's quota where None. `engine` is "openvino", or
    "torch" with the extra. A network is converted at its first use and kept in the cache folder for the next ones. Only
    the official weights of timm:, torchvision: and keras: are ever downloaded here, and not where `offline`.

    Raises InputError, MissingInputError, BackboneError, MissingExtraError.
    """
    if engine == "torch":
        from fovea.features.torch_engine import open_torch

        return open_torch(
            backbone,
            weights=weights,
            stages=stages,
            shape_px=shape_px,
            fit=fit,
            precision=precision,
            threads=threads,
            offline=offline,
        )
    if engine != "openvino":
        raise InputError(f"The engine {engine!r} is not known. Use 'openvino' or 'torch'.")
    folder, card = find_backbone(weights, backbone, stages=stages, offline=offline)
    trained = card.preprocess.height_px, card.preprocess.width_px
    height_px, width_px = shape_px or trained
    if not card.any_shape and (height_px, width_px) != trained:
        raise BackboneError(
            f"{card.name!r} takes pictures of {trained[0]} x {trained[1]} px only, not {height_px} x "
            f"{width_px}. Leave the size to it: give no --size."
        )
    preprocess = dataclasses.replace(card.preprocess, height_px=height_px, width_px=width_px, fit=fit)
    card = dataclasses.replace(card, preprocess=preprocess, precision=_choose_precision(precision))
    return _encoder(folder, card, threads=threads)


def load_encoder(folder: Path, *, precision: str | None = None, threads: int | None = None) -> NetworkEncoder:
    """Return the encoder saved in `folder` (by `Encoder.save`), with the size and fit it was saved with.

    Where `precision` is None it is the saved one, but f32 where the processor lacks bf16.
    Raises BackboneError.
    """
    card = read_card(folder)
    wish = precision or ("f32" if card.precision == "f32" else "auto")
    return _encoder(folder, dataclasses.replace(card, precision=_choose_precision(wish)), threads=threads)


def _encoder(folder: Path, card: BackboneCard, *, threads: int | None) -> NetworkEncoder:
    network = CompiledNetwork(
        folder / NETWORK,
        height_px=card.preprocess.height_px,
        width_px=card.preprocess.width_px,
        precision=card.precision,
        threads=threads or available_cores(),
    )
    return NetworkEncoder(folder=folder, card=card, network=network)


def _choose_precision(wish: str) -> str:
    native = has_native_bf16()
    if wish == "auto":
        return "bf16" if native else "f32"
    if wish not in {"bf16", "f32"}:
        raise BackboneError(f"Precision {wish!r} is not known. Use 'auto', 'bf16' or 'f32'.")
    if wish == "bf16" and not native:
        raise BackboneError(
            "Precision 'bf16' was asked for, but this processor has none. Use 'f32' or 'auto'."
        )
    return wish
