"""Where weights lie on this computer: a folder of the user's, and the own caches of torch.hub and the Hugging Face hub.

Nothing is fetched, and no connection opened.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from fovea.errors import BackboneError
from fovea.nets.official import Official
from fovea.nets.state import SUFFIXES
from fovea.nets.weights import WeightsCard, read_weights_card
from fovea.nets.zoo import LIBRARIES, import_library

_HUB_FILES = (
    "model.safetensors",
    "pytorch_model.bin",
)  # timm's names on the Hugging Face hub, its favourite first


def find_weights(spec: str, folders: Sequence[Path]) -> Path | None:
    """Return a user's file for `timm:NAME` or `torchvision:NAME` in one of the folders, or None; needs no torch.

    It is called NAME with .safetensors, .pth, .pt or .bin, or is a .safetensors file that says it belongs to it.
    """
    library, _, name = spec.partition(":")
    for folder in folders:
        for suffix in SUFFIXES:
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
        for file, card in list_described((folder,)):
            if (card.library, card.architecture) == (library, name):
                return file
    return None


def list_described(folders: Sequence[Path]) -> Iterator[tuple[Path, WeightsCard]]:
    """Yield the files in `folders` that say themselves to which network of timm or torchvision they belong."""
    for file in (one for folder in folders for one in sorted(folder.glob("*.safetensors"))):
        with contextlib.suppress(BackboneError):
            card = read_weights_card(file)
            if card.library in LIBRARIES:
                yield file, card


def find_official(official: Official, folders: Sequence[Path]) -> Path | None:
    """Return the file of official weights: in the folders or in the libraries' caches, or None where there is none."""
    import torch

    hub = Path(torch.hub.get_dir()) / "checkpoints"
    files = [folder / official.file_name for folder in (*folders, hub) if official.file_name]
    if official.repository:
        files += _in_hub_cache(official.repository)
    return next((file for file in files if file.is_file() and file.suffix in SUFFIXES), None)


def _in_hub_cache(repository: str) -> list[Path]:
    """Return the files of a repository of the Hugging Face hub that lie in its cache."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return []
    found = (try_to_load_from_cache(repository, name) for name in _HUB_FILES)
    return [Path(file) for file in found if isinstance(file, str)]


def networks_here(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the networks whose weights lie on this computer, as `timm:NAME` and `torchvision:NAME`, each once.

    Those in files of the folders that describe themselves, then official ones in the folders and the libraries' caches.
    """
    return tuple(dict.fromkeys(_networks_here(folders)))


def _networks_here(folders: Sequence[Path]) -> Iterator[str]:
    import torch

    yield from (f"{card.library}:{card.architecture}" for _, card in list_described(folders))
    places = (*folders, Path(torch.hub.get_dir()) / "checkpoints")
    names = {file.name for folder in places if folder.is_dir() for file in folder.iterdir()}
    models = import_library("torchvision")
    for architecture in models.list_models(module=models):
        entries = models.get_model_weights(architecture)
        for entry in entries:
            if entry.url.rpartition("/")[2] in names:
                default = entry == entries.DEFAULT
                yield f"torchvision:{architecture}" + ("" if default else f".{entry.name}")
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return
    for folder in sorted(Path(HF_HUB_CACHE).glob("models--timm--*")):
        name = folder.name.removeprefix("models--timm--")
        if _in_hub_cache(f"timm/{name}"):
            yield f"timm:{name}"
