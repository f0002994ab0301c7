"""What an encoder is: the one interface behind which OpenVINO (and later torch) turns pixels into features.

In: uint8 pictures of one size. Out: float32 rows: several stages of a network, pooled, side by side.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
"""(n, h, w, 3) RGB, 0 to 255."""
Features: TypeAlias = NDArray[np.float32]
"""(n, d), one row a picture."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """What a picture must look like before it enters the network (mean and deviation live inside it).

    `fit` is "crop", "pad" or "squash", as in `pictures.resize`. With "crop", `crop` is the share of the picture's
    shorter side that enters, from its middle.
    """

    height_px: int
    width_px: int
    fit: str = "crop"
    crop: float = 1.0

    @property
    def size(self) -> str:
        """Height x width in pixels, such as "384x256", as `--size` takes it."""
        return f"{self.height_px}x{self.width_px}"

    def identity(self) -> dict[str, object]:
        """Return what of it the pixels depend on."""
        told: dict[str, object] = {"height_px": self.height_px, "width_px": self.width_px, "fit": self.fit}
        return told if self.fit != "crop" or self.crop == 1.0 else {**told, "crop": self.crop}


@dataclass(frozen=True, slots=True)
class Stage:
    """A named place in a network, pooled: columns `start` to `stop` (exclusive) of the feature matrix."""

    name: str
    start: int
    stop: int


class Encoder(Protocol):
    """A network that turns pictures into features; `fingerprint` names everything the numbers depend on."""

    @property
    def name(self) -> str:
        """The network's name, as the user knows it."""

    @property
    def fingerprint(self) -> str:
        """Sha256 over weights, structure, stages, preprocessing, shape and precision."""

    @property
    def engine(self) -> str:
        """The runtime that computes, "openvino"."""

    @property
    def precision(self) -> str:
        """What it computes in, "bf16" or "f32"."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Which columns come from where."""

    @property
    def n_features(self) -> int:
        """The number of columns d."""

    @property
    def preprocess(self) -> Preprocess:
        """Size and fit of the pictures it takes."""

    @property
    def licence(self) -> str:
        """The licence of the weights."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the network's own softmax stage names, in order; empty where unknown."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Plain sentences for the user about what is doubtful in it."""

    @property
    def batch_size(self) -> int:
        """How many pictures a batch holds at most."""

    @property
    def threads(self) -> int:
        """How many cores it uses."""

    def encode(self, pixels: Pixels) -> Features:
        """Return features (n, d) float32 of pixels (n, h, w, 3) uint8."""

    def encode_batches(self, batches: Iterable[Pixels]) -> Iterator[Features]:
        """Yield features of each batch in order; the next are asked for while earlier ones compute."""

    def save(self, folder: Path) -> None:
        """Write the network in the runtime's form into `folder`, for `load_encoder`."""


def fingerprint_of(identity: Mapping[str, object]) -> str:
    """Return the sha256 (64 hex digits) of a description, independent of the order of its keys."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
