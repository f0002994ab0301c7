"""Tensors of a weights file (.safetensors, .pth, .pt), and putting them into a network: all must fit.

Files of Python's pickle are read with torch's `weights_only`: one that holds anything but tensors is refused.
"""

import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError, MissingInputError

if TYPE_CHECKING:
    import torch

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_INSIDE = ("state_dict", "model", "model_state_dict", "net")  # where training programs put the tensors
_OLD_DENSENET = re.compile(
    r"^(.*denselayer\d+\.(?:norm|conv))\.((?:1|2)\.\w+)$"
)  # as torchvision itself renames
_LEFT_OUT = ("aux1.", "aux2.", "AuxLogits.")  # heads of GoogLeNet and Inception that answer in training only


def read_tensors(file: Path) -> dict[str, "torch.Tensor"]:
    """Return the tensors of a weights file by name; nothing in it is run.

    Raises MissingInputError where there is none, BackboneError where it is damaged, holds code, or is of another kind.
    """
    if not file.is_file():
        raise MissingInputError(
            f"The weights file {str(file)!r} cannot be read: there is no such file. Check the path after --weights."
        )
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except (SafetensorError, OSError) as error:
            raise BackboneError(
                f"{str(file)!r} is not a whole .safetensors file: {error}. Download or copy it again."
            ) from error
    if file.suffix not in SUFFIXES:
        raise BackboneError(
            f"{str(file)!r} is no file of weights for a torch network: those end in {', '.join(SUFFIXES[:-1])} "
            f"or {SUFFIXES[-1]}. Name such a file after --weights."
        )
    return _unwrap(_load_pickled(file), file)


def _load_pickled(file: Path) -> object:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of compiled scripts, which are refused below
            return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        foreign = isinstance(error, pickle.UnpicklingError) and "Unsupported operand" in str(error)
        if "TorchScript" in str(error) or (isinstance(error, pickle.UnpicklingError) and not foreign):
            raise _holds_code(file) from error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BackboneError(
            f"{str(file)!r} is not a whole file of torch.save: {reason}. Download or copy it again."
        ) from error


def _holds_code(file: Path) -> BackboneError:
    """Return what to say of a file that is more than tensors, with the first names that it would call."""
    import torch

    try:
        names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:  # it reads the same damaged or foreign file
        names = []
    found = f" ({', '.join(names[:3])})" if names else ""
    return BackboneError(
        f"{str(file)!r} holds more than tensors: reading it would run code that stands in it{found}, and it was not "
        "read. Where you made it, save the tensors alone: torch.save(network.state_dict(), FILE), or better "
        "safetensors.torch.save_file(network.state_dict(), FILE)."
    )


def _unwrap(content: object, file: Path) -> dict[str, "torch.Tensor"]:
    """Return the tensors of what was saved: it itself, or what training programs put beside epoch and optimiser."""
    import torch

    for key in _INSIDE:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors: dict[str, Any] = {}
    if isinstance(content, Mapping):
        tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BackboneError(
            f"{str(file)!r} holds no tensors by name, but {type(content).__name__}. Save them: "
            "torch.save(network.state_dict(), FILE)."
        )
    if all(key.startswith("module.") for key in tensors):  # of a network wrapped for several devices
        tensors = {key.removeprefix("module."): value for key, value in tensors.items()}
    return tensors


def fit_tensors(network: "torch.nn.Module", tensors: Mapping[str, "torch.Tensor"]) -> str:
    """Put tensors into a network, all or none; return "" or what does not fit, counted.

    Heads that answer in training only may be missing or left over.
    """
    renamed = {_OLD_DENSENET.sub(r"\1\2", key): value for key, value in tensors.items()}
    expected = network.state_dict()
    needed = [
        key for key in expected if not key.startswith(_LEFT_OUT) and not key.endswith("num_batches_tracked")
    ]
    missing = [key for key in needed if key not in renamed]
    unexpected = [key for key in renamed if key not in expected and not key.startswith(_LEFT_OUT)]
    reshaped = [
        f"{key} {tuple(renamed[key].shape)} for {tuple(value.shape)}"
        for key, value in expected.items()
        if key in renamed and renamed[key].shape != value.shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
    found = [f"{len(keys)} {kind} (first: {', '.join(keys[:3])})" for kind, keys in kinds if keys]
    if not found:
        network.load_state_dict(
            {key: value for key, value in renamed.items() if key in expected}, strict=False
        )
    return "; ".join(found)


def tensors_sha256(network: "torch.nn.Module") -> str:
    """Return the sha256 of a network's tensors, whatever file they came from."""
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()
