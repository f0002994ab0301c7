"""The networks of keras.applications: by name, with their own preprocessing, and their weights by keras' own code.

keras' fetching is wrapped: what lies on this computer already is taken, a new file is whole or not there, and without a
connection one paragraph says where the file is published.
"""

import contextlib
import difflib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fovea.errors import BackboneError, MissingInputError
from fovea.nets.keras_start import quiet


@dataclass(frozen=True, slots=True)
class Scaling:
    """How RGB values enter a network: minus `mean`, over `std` (both of values scaled to 0..1), blue first with `bgr`."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False


SCALINGS = {
    "raw": Scaling((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "unit": Scaling((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "tf": Scaling((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "torch": Scaling((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": Scaling((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255), bgr=True),
}
"""The ways in which keras' own networks scale pixels, by keras' names; "raw" leaves 0..255, "unit" makes 0..1."""

# As keras' pages or the sources that its files name state them; the longest beginning counts.
_LICENCES = {
    "VGG": "CC-BY-4.0",
    "ResNet": "MIT",
    "Xception": "MIT",
    "Inception": "Apache-2.0",
    "MobileNet": "Apache-2.0",
    "NASNet": "Apache-2.0",
    "EfficientNet": "Apache-2.0",
    "DenseNet": "BSD-3-Clause",
}


def applications(keras: Any) -> dict[str, Any]:
    """Return the networks of keras.applications by name."""
    found = {name: getattr(keras.applications, name) for name in dir(keras.applications)}
    return {name: build for name, build in found.items() if name[0].isupper() and callable(build)}


def find_application(keras: Any, name: str) -> str:
    """Return the name as keras writes it; upper and lower case count as one. Raises BackboneError."""
    known = applications(keras)
    by_lower = {one.lower(): one for one in known}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    near = [by_lower[one] for one in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
    raise BackboneError(
        f"keras.applications has no network {name!r}. Nearest: {', '.join(near) or 'none'}. There are: "
        f"{', '.join(known)}."
    )


def licence_of(name: str) -> str:
    """Return the licence of a network's official weights, "unknown" where none is stated."""
    fitting = [known for known in _LICENCES if name.startswith(known)]
    return _LICENCES[max(fitting, key=len)] if fitting else "unknown"


def scaling_of(keras: Any, name: str) -> Scaling:
    """Return how a network's own `preprocess_input` scales pixels, found by asking it: it is linear in each channel."""
    ask = sys.modules[applications(keras)[name].__module__].preprocess_input

    def answer(*colour: float) -> Any:
        return np.asarray(
            ask(np.array(colour, np.float64).reshape(1, 1, 1, 3), data_format="channels_last")
        ).ravel()

    black = answer(0, 0, 0)
    red = answer(255, 0, 0) - black
    bgr = bool(red[2])
    slopes = answer(255, 255, 255) - black
    mean, std = -black / slopes, 1 / slopes
    if bgr:
        mean, std = mean[::-1], std[::-1]
    return Scaling(tuple(mean.tolist()), tuple(std.tolist()), bgr)


def build_application(keras: Any, name: str, **kwargs: Any) -> Any:
    """Return a network of keras.applications with random weights and logits as its answer. Raises BackboneError."""
    try:
        with quiet(keras):
            return _numbered_afresh(
                applications(keras)[name](weights=None, classifier_activation=None, **kwargs)
            )
    except (ValueError, TypeError, RuntimeError) as error:
        raise BackboneError(
            f"keras {keras.__version__} cannot build {name!r} on torch: {' '.join(str(error).split())[:300]} "
            "Use another network."
        ) from error


def _numbered_afresh(model: Any) -> Any:
    """Return the model with its nameless layers called as in a new process: keras counts them over all models."""
    nameless: dict[str, list[tuple[int, Any]]] = {}
    for layer in model.layers:
        kind, _, number = layer.name.rpartition("_")
        kind, number = (kind, number) if number.isdigit() else (layer.name, "0")
        if kind.replace("_", "") == type(layer).__name__.lower():
            nameless.setdefault(kind, []).append((int(number), layer))
    for kind, layers in nameless.items():
        for i, (_, layer) in enumerate(sorted(layers, key=lambda one: one[0])):
            layer.name = f"{kind}_{i}" if i else kind
    return model


@dataclass(slots=True)
class _Fetch:
    """What keras' `get_file` is replaced by: looks on this computer first, and notes what was asked for."""

    get_file: Any
    validate: Any
    folders: Sequence[Path]
    downloads: Path
    offline: bool
    urls: list[str] = field(default_factory=list)
    file: Path | None = None

    def __call__(self, fname: str, origin: str, *, file_hash: str | None = None, **_: Any) -> str:
        self.urls.append(origin)
        self.file = self._here(fname, file_hash) or self._fetched(fname, origin, file_hash)
        return str(self.file)

    def _here(self, name: str, file_hash: str | None) -> Path | None:
        for folder in (*self.folders, self.downloads, *_own_caches()):
            file = folder / name
            with contextlib.suppress(OSError):
                if file.is_file() and (file_hash is None or self.validate(str(file), file_hash)):
                    return file
        return None

    def _fetched(self, name: str, origin: str, file_hash: str | None) -> Path:
        if self.offline:
            raise ConnectionError("nothing may be downloaded offline")
        self.downloads.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=self.downloads) as place:
            file = self.get_file(name, origin, cache_dir=place, cache_subdir="models", file_hash=file_hash)
            target = self.downloads / name
            Path(file).replace(target)
        return target


def _own_caches() -> Iterator[Path]:
    """Yield where the user's own keras keeps what it fetched; only read here."""
    home = os.environ.get("KERAS_HOME")
    with contextlib.suppress(RuntimeError):  # no home
        yield (Path(home) if home else Path.home() / ".keras") / "models"


def official_application(
    keras: Any, name: str, *, folders: Sequence[Path], downloads: Path, offline: bool
) -> tuple[Any, Path, str]:
    """Return a network with its official weights, their file, and the address that they come from.

    Raises BackboneError where they cannot be had.
    """
    from keras.src.utils import file_utils

    fetch = _Fetch(
        file_utils.get_file,
        file_utils.validate_file,
        folders=folders,
        downloads=downloads,
        offline=offline,
    )
    file_utils.get_file = fetch
    try:
        with quiet(keras):
            model = _numbered_afresh(
                applications(keras)[name](weights="imagenet", classifier_activation=None)
            )
    except Exception as error:  # keras raises a bare one where a connection fails
        if fetch.file is None and fetch.urls:
            raise BackboneError(_not_here(name, error, fetch=fetch)) from error
        raise BackboneError(
            f"keras {keras.__version__} cannot build 'keras:{name}' with its official weights: "
            f"{' '.join(str(error).split())[:300]} Use another network."
        ) from error
    finally:
        file_utils.get_file = fetch.get_file
    if fetch.file is None:
        raise BackboneError(f"There are no official weights of 'keras:{name}'. Name a file: --weights FILE.")
    return model, fetch.file, fetch.urls[-1]


def _not_here(name: str, error: Exception, *, fetch: _Fetch) -> str:
    reason = " ".join(str(error).split())[:300]
    failed = (
        "and nothing may be downloaded offline"
        if fetch.offline
        else f"and could not be downloaded ({reason})"
    )
    return (
        f"The weights of 'keras:{name}' are not on this computer {failed}. Fetch {fetch.urls[-1]} where there is a "
        "connection, and put the file into the folder that FOVEA_WEIGHTS names, or name it: "
        f"--backbone keras:{name} --weights FILE."
    )


def load_application_weights(keras: Any, model: Any, file: Path, *, name: str) -> None:
    """Put the weights of a .h5 file into a network. Raises MissingInputError, BackboneError."""
    import h5py

    from fovea.nets.keras_file import check_hdf5

    if not file.is_file():
        raise MissingInputError(
            f"The weights file {str(file)!r} cannot be read: No such file or directory. Check the path after --weights."
        )
    check_hdf5(file, told=file)
    with h5py.File(file, "r") as content:
        if "model_config" in content.attrs:
            raise BackboneError(
                f"{str(file)!r} holds a whole network in keras' old form. Load it with keras, and save it again: "
                "model.save('NAME.keras')."
            )
    try:
        with quiet(keras):
            model.load_weights(str(file))
    except Exception as error:  # what a file lacks is told by keras in many ways
        raise BackboneError(
            f"The weights in {str(file)!r} do not fit 'keras:{name}': {' '.join(str(error).split())[:300]} Name the network "
            "that they belong to: --backbone keras:NAME."
        ) from error
