"""The whole of a training in one file: numbers as JSON inside safetensors; written beside, synced, renamed.

No generator is in it: every draw of the loop is seeded by its place. A checkpoint of other settings is refused.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from fovea.errors import InputError, ModelError

FORMAT = 1
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`tensors` by name; `about`: which training it is of (compared); `place`: where it stands, plain values."""

    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]
    place: Mapping[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> str:
    """Write it whole or not at all; return "" or, where the disk is full or fails, why (an older file stays)."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    told = {"format": FORMAT, "about": checkpoint.about, "place": checkpoint.place}
    dense = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dense, temporary, metadata={"training": json.dumps(told)})
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        return str(error)
    return ""


def read_checkpoint(path: Path, *, about: Mapping[str, Any]) -> Checkpoint | None:
    """Return what a checkpoint holds, None where there is none.

    Raises:
        InputError: it is of another training than `about`; what differs is named.
        ModelError: it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    begin_anew = f"delete {str(path)!r} to begin anew"
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {})["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        found = Checkpoint(tensors, told["about"], told["place"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"The checkpoint {str(path)!r} cannot be read ({error}): {begin_anew}.") from error
    if told.get("format") != FORMAT:
        raise ModelError(
            f"The checkpoint {str(path)!r} has format {told.get('format')!r}, and this fovea reads {FORMAT}: {begin_anew}."
        )
    differences = _differences(found.about, json.loads(json.dumps(about)))
    if differences:
        raise InputError(
            f"The checkpoint {str(path)!r} is of a training with other settings ({differences}). Give the same settings to "
            f"continue it, or {begin_anew}."
        )
    return found


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    one, other = _flat(before), _flat(now)
    names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    return ", ".join(_difference(name, one.get(name), other.get(name)) for name in names[:_SHOWN])


def _difference(name: str, before: Any, now: Any) -> str:
    if name in {"pictures", "network", "groups"}:  # fingerprints and lists tell a reader nothing
        return f"not the same {name}"
    return f"{name} was {before!r} and is {now!r}"


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat
