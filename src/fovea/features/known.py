"""The well-known networks that come as ONNX files: where they are fetched, what they are, how pictures enter them.

Data only, and where a file of it lies on this computer; nothing is opened here but folders. The hash decides whether a
file is the right one, so any address will do.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from fovea.features.card import file_sha256
from fovea.features.folder import cache_folder

EMBEDDED = "fovea-tiny"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class KnownFile:
    """One ONNX file: its content's sha256 and length, and how a picture enters the network in it.

    `mean` and `std` are those of RGB values scaled to 0..1. `folder` is its place in the ONNX model zoo.
    """

    name: str
    file: str
    sha256: str
    n_bytes: int
    licence: str
    folder: str
    size_px: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    crop: float = 0.875  # ImageNet's usual test: the middle 224 px of 256

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it may be had; tried in this order."""
        # The zoo's README: the files moved here in July 2025; the old places stand behind it.
        stem = self.file.removesuffix(".onnx")
        zoo = f"validated/vision/classification/{self.folder}/model/{self.file}"
        return (
            f"https://huggingface.co/onnxmodelzoo/{stem}/resolve/main/{self.file}",
            f"https://media.githubusercontent.com/media/onnx/models/main/{zoo}",
            f"https://github.com/onnx/models/raw/main/{zoo}",
        )


_EVEN_MEAN = (127 / 255, 127 / 255, 127 / 255)  # (x - 127) / 128 of 0..255
_EVEN_STD = (128 / 255, 128 / 255, 128 / 255)

KNOWN = {
    one.name: one
    for one in (
        KnownFile(
            name="mobilenetv2",
            file="mobilenetv2-12.onnx",
            sha256="c0c3f76d93fa3fd6580652a45618618a220fced18babf65774ed169de0432ad5",
            n_bytes=13_964_571,
            licence="Apache-2.0",
            folder="mobilenet",
        ),
        KnownFile(
            name="resnet18",
            file="resnet18-v1-7.onnx",
            sha256="4e8f8653e7a2222b3904cc3fe8e304cd8b339ce1d05fd24688162f86fb6df52c",
            n_bytes=46_820_737,
            licence="Apache-2.0",
            folder="resnet",
        ),
        KnownFile(
            name="resnet50",
            file="resnet50-v1-12.onnx",
            sha256="3f03fdef724b22947eed826f1eef1dc5c34151bb4c37d634f1db89dfa2dd1526",
            n_bytes=102_576_593,
            licence="Apache-2.0",
            folder="resnet",
        ),
        KnownFile(
            name="shufflenetv2",
            file="shufflenet-v2-12.onnx",
            sha256="ea69821b4dd374ae2f33f9710dd1229ac263d0ee5b5a46ca3521f6483e1ba035",
            n_bytes=9_218_556,
            licence="BSD-3-Clause",
            folder="shufflenet",
        ),
        KnownFile(
            name="squeezenet1_1",
            file="squeezenet1.1-7.onnx",
            sha256="1eeff551a67ae8d565ca33b572fc4b66e3ef357b0eb2863bb9ff47a918cc4088",
            n_bytes=4_956_208,
            licence="Apache-2.0",
            folder="squeezenet",
        ),
        KnownFile(
            name="vgg16",
            file="vgg16-12.onnx",
            sha256="722c42f53ca03a5480296bf8f9c85a151de3eed9ec982d7d2302ff6e2900c67b",
            n_bytes=553_437_752,
            licence="Apache-2.0",
            folder="vgg",
        ),
        KnownFile(
            name="efficientnet_lite4",
            file="efficientnet-lite4-11.onnx",
            sha256="d111689907c06eea7c82e4833ddef758da6453b9d4cf60b7e99ca05c7cbd9c12",
            n_bytes=51_946_641,
            licence="MIT",
            folder="efficientnet-lite4",
            mean=_EVEN_MEAN,
            std=_EVEN_STD,
        ),
    )
}


def weights_folders() -> tuple[Path, ...]:
    """Return the folders that weights are looked for in: the one FOVEA_WEIGHTS names, then where downloads go."""
    own = os.environ.get("FOVEA_WEIGHTS")
    return (*((Path(own).expanduser(),) if own else ()), download_folder())


def download_folder() -> Path:
    """Return where downloaded files go; nothing is created."""
    return cache_folder() / "weights"


def on_disk(known: KnownFile) -> Path | None:
    """Return where a file of this name and length lies, or None; its content is checked when it is converted."""
    for folder in weights_folders():
        file = folder / known.file
        try:
            if file.stat().st_size == known.n_bytes:
                return file
        except OSError:
            continue
    return None


def is_published(file: Path, known: KnownFile) -> bool:
    """Return whether a file holds just what was published, by its sha256."""
    try:
        return file_sha256(file) == known.sha256
    except OSError:
        return False
