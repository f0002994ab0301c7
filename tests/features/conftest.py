"""A backbone of one convolution, made of the engine's own operations, and pictures as encoded bytes."""

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.features import BackboneCard, Item, Preprocess, Stage, load_encoder
from fovea.features.backbones import NetworkEncoder
from fovea.features.card import NETWORK, write_card
from fovea.features.openvino import _import_openvino

KERNELS = np.random.default_rng(7).normal(size=(8, 3, 3, 3)).astype(np.float32)


def write_small_backbone(folder: Path, kernels: NDArray[np.float32] = KERNELS) -> Path:
    """Write a backbone: (pixels - 127.5) / 127.5, 3 x 3 convolution with stride 2, ReLU, mean and max."""
    openvino = _import_openvino()
    from openvino import opset13 as ops

    pixels = ops.parameter([-1, -1, -1, 3], np.uint8, name="pixels")
    planes = ops.transpose(ops.convert(pixels, "f32"), np.array([0, 3, 1, 2]))
    scaled = ops.divide(ops.subtract(planes, np.float32(127.5)), np.float32(127.5))
    maps = ops.relu(ops.convolution(scaled, kernels, [2, 2], [1, 1], [1, 1], [1, 1]))
    axes = np.array([2, 3])
    pooled = ops.concat([ops.reduce_mean(maps, axes), ops.reduce_max(maps, axes)], 1)
    folder.mkdir(parents=True, exist_ok=True)
    model = openvino.Model([pooled], [pixels], "small")
    openvino.save_model(model, folder / NETWORK, compress_to_fp16=False)
    card = BackboneCard(
        name="small",
        structure="one convolution",
        weights_sha256=hashlib.sha256(kernels.tobytes()).hexdigest(),
        stages=(Stage("conv:mean", 0, 8), Stage("conv:max", 8, 16)),
        preprocess=Preprocess(height_px=32, width_px=32),
        licence="Apache-2.0",
        precision="f32",
    )
    write_card(folder, card)
    return folder


@pytest.fixture(scope="session")
def kernels() -> NDArray[np.float32]:
    """Return the small backbone's kernels, float32 (8, 3, 3, 3)."""
    return KERNELS


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_backbone(tmp_path_factory.mktemp("small") / "backbone")


@pytest.fixture
def encoder(small_folder: Path) -> NetworkEncoder:
    return load_encoder(small_folder, threads=2)


@pytest.fixture
def other_encoder(tmp_path: Path) -> NetworkEncoder:
    """Return a network of the same structure with other weights."""
    return load_encoder(write_small_backbone(tmp_path / "other", kernels=-KERNELS), threads=2)


@pytest.fixture
def noise() -> Callable[..., NDArray[np.uint8]]:
    """Return a function that draws n noise pictures of 32 x 32 pixels."""

    def draw(n: int, *, seed: int = 0, height_px: int = 32, width_px: int = 32) -> NDArray[np.uint8]:
        return np.random.default_rng(seed).integers(0, 256, (n, height_px, width_px, 3), dtype=np.uint8)

    return draw


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def item_of(content: bytes, *, reads: list[str] | None = None) -> Item:
    """Return an item of `content` that notes in `reads` when it is read."""
    sha256 = hashlib.sha256(content).hexdigest()

    def read() -> bytes:
        if reads is not None:
            reads.append(sha256)
        return content

    return Item(sha256, read)


@pytest.fixture
def make_item() -> Callable[..., Item]:
    return item_of


@pytest.fixture
def make_items() -> Callable[..., list[Item]]:
    """Return a function that makes items of n different pictures of 40 x 36 pixels."""

    def make(n: int, *, seed: int = 0, reads: list[str] | None = None) -> list[Item]:
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 256, (n, 36, 40, 3), dtype=np.uint8)
        return [item_of(encode_png(one), reads=reads) for one in pixels]

    return make


@pytest.fixture
def run_child() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs Python code in a child process, failing with its errors."""

    def run(code: str, *arguments: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        command = [*before, sys.executable, "-W", "error", "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done

    return run
