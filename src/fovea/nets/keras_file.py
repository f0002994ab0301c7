"""A user's `.keras` file, read without trusting it: its configuration is checked before keras sees any of it.

In: the file. Out: a configuration of known layers only, and its weights' HDF5 file. Whatever would run code or open other
files is refused; what only training needs (losses, optimisers, regularisers) is dropped. Needs h5py for the weights.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fovea.errors import BackboneError, MissingInputError

Config: TypeAlias = dict[str, Any]

MAX_CONFIG_BYTES = 64 << 20
MAX_WEIGHTS_BYTES = 8 << 30
CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
_LAYERS = """
    InputLayer Conv2D DepthwiseConv2D SeparableConv2D Conv2DTranspose Dense EinsumDense Embedding Identity Activation
    ReLU LeakyReLU PReLU ELU Softmax BatchNormalization LayerNormalization GroupNormalization UnitNormalization
    RMSNormalization Rescaling Normalization Resizing CenterCrop RandomBrightness RandomColorJitter RandomContrast
    RandomCrop RandomFlip RandomHue RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation
    RandomZoom Flatten Reshape Permute RepeatVector Dropout SpatialDropout2D GaussianNoise GaussianDropout
    AlphaDropout ActivityRegularization MaxPooling2D AveragePooling2D GlobalAveragePooling2D GlobalMaxPooling2D
    AdaptiveAveragePooling2D AdaptiveMaxPooling2D ZeroPadding2D Cropping2D UpSampling2D Add Subtract Multiply Average
    Maximum Minimum Concatenate Dot Attention MultiHeadAttention
"""
_OPERATIONS = """
    Abs Add Clip Concatenate Divide Exp ExpandDims Flip GetItem Log Matmul Max Maximum Mean Min Minimum Multiply
    Negative Power Reshape Sqrt Square Squeeze Stack Subtract Sum Transpose TrueDivide Elu Gelu HardSigmoid HardSwish
    HardSilu LeakyRelu LogSoftmax Relu Relu6 Selu Sigmoid Silu Softmax Softplus Tanh
"""
LAYERS = frozenset(_LAYERS.split())
"""The layers that are taken; Lambda, TorchModuleWrapper, TFSMLayer, lookups and all others are not."""
OPERATIONS = frozenset(_OPERATIONS.split())
"""The operations that are taken where a functional model calculates with tensors."""
_MODELS = {
    "keras": {"Sequential", "Functional", "Model"},
    "keras.models": {"Sequential", "Functional", "Model"},
    "keras.src.models.functional": {"Functional"},
    "keras.src.models.sequential": {"Sequential"},
}
_APPLICATIONS = {
    ("keras.src.applications.convnext", "LayerScale")
}  # keras' own, though it is no public layer
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__slice__", "__ellipsis__"}
_ACTIVATIONS = {
    "relu6",
    "relu",
    "gelu",
    "silu",
    "swish",
    "hard_swish",
    "hard_silu",
    "hard_sigmoid",
    "softmax",
}
_WHOLE = {"uint8", "int8", "int16", "int32", "int64", "bool"}
_DROPPED = ("_regularizer", "_constraint")


@dataclass(frozen=True, slots=True)
class KerasFile:
    """What a `.keras` file holds: the checked configuration, and the version of keras that wrote it."""

    file: Path
    config: Config
    version: str


def read_keras_file(file: Path) -> KerasFile:
    """Return the checked configuration in a `.keras` file. Raises MissingInputError, BackboneError."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            config = _member(archive, CONFIG, file=file)
            told = _object(_member(archive, METADATA, file=file), name=METADATA, file=file)
    except FileNotFoundError as error:
        raise MissingInputError(
            f"The weights file {str(file)!r} cannot be read: {error.strerror}. Check the path after --weights."
        ) from error
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise BackboneError(
            f"{str(file)!r} is not a whole .keras file ({error}). Copy it again, or save it again with "
            "model.save('NAME.keras')."
        ) from error
    version = str(told.get("keras_version") or "")
    if not version.partition(".")[0].isdigit() or int(version.partition(".")[0]) < 3:
        raise BackboneError(
            f"{str(file)!r} was saved by keras {version or 'of an unknown version'}; version 3 or newer is read. Load "
            "it there, and save it again with keras 3: model.save('NAME.keras')."
        )
    if WEIGHTS not in names:
        raise _refused(file, f"it holds no {WEIGHTS!r}")
    top = _object(config, name=CONFIG, file=file)
    if str(top.get("class_name")) not in _MODELS["keras"]:
        raise _refused(
            file,
            f"it is a {top.get('class_name')!r}, and only Sequential and functional models hold "
            "their whole layout in a file",
        )
    return KerasFile(file, checked_config(top, file=file), version)


def checked_config(config: Config, *, file: Path) -> Config:
    """Return a checked configuration that stood elsewhere; `file` is how it is called. Raises BackboneError."""
    try:
        return dict(_Check(file).checked(config))
    except RecursionError:
        raise _refused(file, f"its {CONFIG!r} is nested too deeply") from None
    except (TypeError, AttributeError, KeyError) as error:
        raise not_as_keras(file, error) from error


def unpack_weights(file: Path, folder: Path) -> Path:
    """Write the HDF5 file of a `.keras` file's weights into `folder`, checked, and return its path."""
    target = folder / WEIGHTS
    with zipfile.ZipFile(file) as archive, target.open("wb") as out:
        info = archive.getinfo(WEIGHTS)
        if info.file_size > MAX_WEIGHTS_BYTES or info.file_size > 100 * max(info.compress_size, 1 << 16):
            raise _refused(file, f"its weights unpack to {info.file_size:,} bytes")
        try:
            with archive.open(info) as packed:
                while part := packed.read(1 << 24):
                    out.write(part)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise BackboneError(
                f"{str(file)!r} is not a whole .keras file ({error}). Copy it again."
            ) from error
    check_hdf5(target, told=file)
    return target


def check_hdf5(file: Path, *, told: Path) -> None:
    """Raise BackboneError where an HDF5 file is damaged, leads out of itself, or unpacks to much more than it is.

    `told` is the file as the user knows it.
    """
    import h5py

    n_bytes = 0
    try:
        with h5py.File(file, "r") as content:
            for name, link, dataset in _entries(content, h5py=h5py):
                if not isinstance(link, h5py.HardLink):
                    raise _refused(told, f"{name!r} in its weights leads to another place")
                if dataset is not None and (dataset.external or dataset.is_virtual):
                    raise _refused(told, f"{name!r} in its weights lies in another file")
                n_bytes += 0 if dataset is None else dataset.nbytes
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        if isinstance(error, BackboneError):
            raise
        raise BackboneError(
            f"The weights in {str(told)!r} are not a whole HDF5 file ({str(error)[:200]}). Copy it again."
        ) from error
    if n_bytes > 4 * file.stat().st_size + (1 << 20):
        raise _refused(told, f"its weights unpack to {n_bytes:,} bytes")


def _entries(group: Any, *, h5py: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, link, data set or None) of everything below a group; what a link leads to is not opened."""
    for name in group:
        link = group.get(name, getlink=True)
        path = f"{group.name.rstrip('/')}/{name}"
        if not isinstance(link, h5py.HardLink):
            yield path, link, None
            continue
        inner = group[name]
        yield path, link, inner if isinstance(inner, h5py.Dataset) else None
        if isinstance(inner, h5py.Group):
            yield from _entries(inner, h5py=h5py)


def _member(archive: zipfile.ZipFile, name: str, *, file: Path) -> bytes:
    if archive.namelist().count(name) != 1:
        raise _refused(file, f"it holds {archive.namelist().count(name)} files {name!r} instead of one")
    with archive.open(name) as stream:
        content = stream.read(MAX_CONFIG_BYTES + 1)
    if len(content) > MAX_CONFIG_BYTES:
        raise _refused(file, f"its {name!r} is larger than {MAX_CONFIG_BYTES:,} bytes")
    return content


def _object(content: bytes, *, name: str, file: Path) -> Config:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _refused(file, f"its {name!r} is not valid JSON ({reason})") from None
    if not isinstance(value, dict):
        raise _refused(file, f"its {name!r} does not hold a JSON object")
    return value


def not_as_keras(file: Path, error: Exception) -> BackboneError:
    """Return the error for a configuration whose parts are of other kinds than keras writes."""
    return _refused(
        file, f"its {CONFIG!r} is not as keras writes it ({type(error).__name__}: {str(error)[:100]})"
    )


def _refused(file: Path, reason: str) -> BackboneError:
    return BackboneError(
        f"The network in {str(file)!r} is refused: {reason}. Give a Sequential or functional model of keras' own layers, "
        "saved with model.save('NAME.keras')."
    )


class _Check:
    """Walks a configuration: returns it without what only training needs, raises at what is not known."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def checked(self, value: Any) -> Any:
        """Return a checked copy. Raises BackboneError."""
        if isinstance(value, list):
            return [self.checked(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "class_name" in value:
            self._check_class(value)
            value = _plain_model(value)
        return {key: self._field(key, one) for key, one in value.items() if key != "compile_config"}

    def _field(self, key: str, value: Any) -> Any:
        if key.endswith(_DROPPED):
            return None
        if key.endswith("_initializer"):
            return "zeros"  # the weights come from the file
        if key == "dtype":
            return self._single_precision(value)
        if key == "activation" and isinstance(value, dict) and value.get("class_name") == "function":
            return self._activation(value)
        return self.checked(value)

    def _check_class(self, value: Config) -> None:
        module, name = value.get("module"), value["class_name"]
        known = (
            (module == "keras.layers" and name in LAYERS)
            or (module in {"keras.src.ops.numpy", "keras.src.ops.nn"} and name in OPERATIONS)
            or name in _MODELS.get(str(module), ())
            or (module, name) in _APPLICATIONS
            or (module is None and name in _VALUES)
        )
        own = value.get("registered_name") in (None, name) or (module, name) in _APPLICATIONS
        if known and own:
            return
        inner = value.get("config")
        called = str(inner["name"]) if isinstance(inner, dict) and "name" in inner else str(name)
        if name in {"Lambda", "__lambda__"}:
            raise _refused(self._file, f"{called!r} is a Lambda, which would run code from the file")
        raise _refused(
            self._file,
            f"{called!r} is of the class {name!r} of {module or value.get('registered_name')!r}, which is not among the "
            "layers that can be taken without running other people's code",
        )

    def _activation(self, value: Config) -> str:
        name = value.get("config")
        if value.get("module") not in {"builtins", "keras.activations"} or name not in _ACTIVATIONS:
            raise _refused(self._file, f"the activation {name!r} is not one of keras' own")
        return str(name)

    def _single_precision(self, value: Any) -> str:
        """Return a layer's kind of numbers: float32 where it is a half or mixed one; whole numbers as they are."""
        inner = value.get("config") if isinstance(value, dict) else {"name": value}
        name = inner.get("name") if isinstance(inner, dict) else None
        if name is None or str(name).startswith(("mixed", "float", "bfloat")):
            return "float32"
        if name not in _WHOLE:
            raise _refused(self._file, f"it computes in {name!r}")
        return str(name)


def _plain_model(value: Config) -> Config:
    """Return a nested or outer model's entry under keras' public name, which stays while its files are moved."""
    if value["class_name"] not in {"Functional", "Model"}:
        return value
    return {**value, "module": "keras", "class_name": "Model", "registered_name": None}
