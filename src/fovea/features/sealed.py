"""The seal of a run folder: the format and digest in its model.json, and the SHA-256 of every other file.

Whatever reads a run reads it through this: within size limits, once, and trusting nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from fovea.errors import MissingInputError, ModelError

FORMAT = 1
MAX_DOCUMENT_BYTES = 32 << 20  # 100,000 classes with long names fit
REQUIRED_FILES = ("head.safetensors", "golden/answers.json", "backbone/backbone.json")
CURE = "Give the folder that `fovea train PHOTOS --out FOLDER` wrote."
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif")


class RefusedError(ValueError):
    """A reason why a folder is not taken as a model; `refuse` adds where it is and what to do."""


class NewerFormatError(RefusedError):
    """The folder was written by a newer fovea."""

    def __init__(self, found: int) -> None:
        super().__init__(f"it is of format {found}, and this fovea reads formats up to {FORMAT}")


def refuse(folder: object, reason: Exception) -> ModelError:
    """Return the error a user sees for a RefusedError about `folder`."""
    if isinstance(reason, NewerFormatError):
        cure = "Update fovea (`pip install --upgrade fovea-vision`), or train the model again with this one."
    else:
        cure = "Copy the whole run folder again from where it was made, or train it again with `fovea train`."
    return ModelError(f"The model in {str(folder)!r} is refused: {reason}. {cure}")


def parse_object(content: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object in `content`; RefusedError for anything else, repeated keys, infinities."""
    try:
        value = json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RefusedError(f"{name} is not valid JSON ({reason})") from None
    if not isinstance(value, dict):
        raise RefusedError(f"{name} does not hold a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands there twice")
    return values


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def digest_of(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of model.json's body, which stands in it under "digest"."""
    bare = {key: value for key, value in body.items() if key != "digest"}
    return hashlib.sha256(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_format(body: Mapping[str, Any]) -> None:
    """Raise RefusedError where model.json's number of format is none, or newer than ours."""
    found = body.get("format")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise RefusedError(f"model.json has {found!r} where the number of its format stands")
    if found > FORMAT:
        raise NewerFormatError(found)


def check_digest(body: Mapping[str, Any]) -> None:
    """Raise RefusedError where model.json is not as it was written."""
    if body.get("digest") != digest_of(body):
        raise RefusedError("model.json was changed after it was saved")


def are_hashes(value: Mapping[str, Any]) -> bool:
    """Return whether every value is a SHA-256 in hex digits."""
    return all(
        isinstance(h, str) and len(h) == 64 and not set(h) - set("0123456789abcdef") for h in value.values()
    )


def check_names(sha256: Mapping[str, str]) -> None:
    """Raise RefusedError where a listed file lies outside the folder, or one that every run has is not listed."""
    for name in sha256:
        path = PurePosixPath(name)
        plain = name == str(path) and not path.is_absolute() and ".." not in path.parts and "\\" not in name
        if not plain or name in ("", ".") or "\0" in name:
            raise RefusedError(f"model.json names the file {name!r}, which does not lie inside the folder")
    for name in REQUIRED_FILES:
        if name not in sha256:
            raise RefusedError(f"model.json does not list the file {name!r}")


def read_file(folder: Path, name: str, *, limit: int) -> bytes:
    """Return the content of a file of at most `limit` bytes. Raises RefusedError."""
    path = folder / name
    if not path.is_file():
        raise RefusedError(f"the file {name!r} is missing")
    try:
        n_bytes = path.stat().st_size
        if n_bytes > limit:
            raise RefusedError(f"the file {name!r} has {n_bytes:,} bytes, and at most {limit:,} are read")
        return path.read_bytes()
    except OSError as error:
        raise RefusedError(f"the file {name!r} cannot be read ({error.strerror or error})") from None


def compare(name: str, sha256: str, *, expected: Mapping[str, str]) -> None:
    """Raise RefusedError where a file's SHA-256 is not the listed one."""
    if sha256 != expected[name]:
        raise RefusedError(
            f"the file {name!r} was cut or changed after it was saved (its SHA-256 is another)"
        )


def check_backbone(folder: Path, *, expected: Mapping[str, str]) -> None:
    """Check the network's files, which the engine reads by itself. Raises RefusedError."""
    for name in expected:
        if name.startswith("backbone/"):
            path = folder / name
            if not path.is_file():
                raise RefusedError(f"the file {name!r} is missing")
            try:
                with path.open("rb") as file:
                    compare(name, hashlib.file_digest(file, "sha256").hexdigest(), expected=expected)
            except OSError as error:
                raise RefusedError(f"the file {name!r} cannot be read ({error.strerror or error})") from None


def check_folder(folder: Path) -> None:
    """Raise MissingInputError or ModelError where `folder` is no run, saying what it looks like instead."""
    try:
        if (folder / "model.json").is_file():
            return
        there, looks = folder.exists(), _looks_like(folder) if folder.exists() else ""
    except OSError as error:
        raise ModelError(
            f"{str(folder)!r} cannot be opened ({error.strerror or error}). Check its permissions."
        ) from None
    if not there:
        raise MissingInputError(f"There is no model folder at {str(folder)!r}{_closest(folder)}. {CURE}")
    raise ModelError(f"{str(folder)!r} is not a model folder: {looks}. {CURE}")


def _closest(folder: Path) -> str:
    from difflib import get_close_matches

    try:
        models = [path.parent.name for path in folder.parent.glob("*/model.json")]
    except OSError:
        return ""
    near = get_close_matches(folder.name, models, n=1)
    return f"; the closest is {str(folder.parent / near[0])!r}" if near else ""


def _looks_like(folder: Path) -> str:
    if not folder.is_dir():
        inside = (folder.parent / "model.json").is_file()
        return f"it is a file of the model folder {str(folder.parent)!r}" if inside else "it is a file"
    names = [path for path in list(folder.iterdir())[:1000] if not path.name.startswith(".")]
    if not names:
        return "it is empty"
    models = sorted(path.name for path in names if (path / "model.json").is_file())
    if models:
        return f"it holds the model folder {models[0]!r}"
    inner = [file for path in names[:20] if path.is_dir() for file in list(path.iterdir())[:50]]
    if any(path.suffix.lower() in PICTURES for path in [*names, *inner]):
        return "this looks like a folder of pictures"
    if (folder / "head.safetensors").is_file() or (folder / "backbone").is_dir():
        return "its model.json is missing"
    return "it has no model.json"
