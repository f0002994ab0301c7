"""What an ONNX file says about itself, read from its bytes: whether it is whole, how pictures enter, where its weights are.

A file is a protocol buffer: fields of a number, a kind and a content. Only the outermost and the list of weights are
walked; contents are skipped, so a file of any size takes milliseconds.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fovea.errors import BackboneError, MissingInputError
from fovea.features.card import file_sha256
from fovea.features.known import IMAGENET_MEAN, IMAGENET_STD, KnownFile

# Fields' numbers, from onnx.proto3.
_IR_VERSION, _GRAPH, _METADATA = 1, 7, 14
_INITIALIZER = 5
_EXTERNAL_DATA = 13
_KEY, _VALUE = 1, 2
_FEW = 1 << 20
ONNX_VERSION = 1  # to be raised when the same file is cut or pooled otherwise


@dataclass(frozen=True, slots=True)
class Outline:
    """The metadata of an ONNX file, and the files beside it that hold its weights (most hold them themselves)."""

    file: Path
    metadata: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()

    def sha256(self) -> str:
        """Return the sha256 of the file, or over it and those beside it. Raises BackboneError."""
        if not self.beside:
            return file_sha256(self.file)
        digest = hashlib.sha256()
        for name in (self.file.name, *self.beside):
            part = self.file.parent / name
            try:
                digest.update(file_sha256(part).encode())
            except OSError as error:
                raise BackboneError(
                    f"The weights of {str(self.file)!r} are in a file of their own, {name!r}, which cannot be read beside "
                    f"it: {error.strerror}. Copy both, or export again with the weights inside."
                ) from error
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class OnnxFacts:
    """How pictures enter a network, as the catalogue or the file's metadata say; ImageNet's way where neither does."""

    name: str
    size_px: int | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    crop: float = 1.0
    licence: str = "unknown"
    source: str = ""
    class_names: tuple[str, ...] = ()  # those of ImageNet need not be said
    notes: tuple[str, ...] = ()


def facts_of(outline: Outline, known: KnownFile | None) -> OnnxFacts:
    """Return how pictures enter the network of a file: by the catalogue, else by its metadata key `backbone`.

    Raises BackboneError where that key holds nonsense.
    """
    if known is not None:
        return OnnxFacts(
            name=known.name,
            size_px=known.size_px,
            mean=known.mean,
            std=known.std,
            crop=known.crop,
            licence=known.licence,
            source=f"ONNX model zoo, {known.file}",
        )
    if "backbone" not in outline.metadata:
        note = (
            f"{outline.file.name} does not say how pictures are scaled for it; they are as for most networks, by ImageNet's "
            "mean and deviation. Where that is wrong the answers are worse: --backbone NAME takes the catalogue's scaling."
        )
        return OnnxFacts(outline.file.stem, notes=(note,))
    try:
        told = json.loads(outline.metadata["backbone"])
        preprocess = told["preprocess"]
        mean, std = (tuple(float(value) for value in preprocess[key]) for key in ("mean", "std"))
        if len(mean) != 3 or len(std) != 3 or not all(std):
            raise ValueError("mean and std need three values")
        return OnnxFacts(
            name=str(told.get("architecture") or outline.file.stem),
            size_px=int(preprocess["size"]),
            crop=float(preprocess.get("crop") or 1.0),
            mean=mean,
            std=std,
            licence=str(told.get("licence") or "unknown"),
            source=str(told.get("source") or ""),
            class_names=tuple(map(str, told.get("classes") or ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackboneError(
            f"The metadata key 'backbone' of {str(outline.file)!r} cannot be used ({type(error).__name__}: {error}). It must "
            'be JSON like {"preprocess": {"size": 224, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}.'
        ) from error


class _NoProtocolBufferError(ValueError):
    """The bytes cannot be what they should be."""


class _CutError(ValueError):
    """A field's content goes on behind the end."""


def read_outline(file: Path) -> Outline:
    """Return what an ONNX file says about itself. Raises MissingInputError; BackboneError where it is none, or cut."""
    try:
        n_bytes = file.stat().st_size
        if not n_bytes:
            raise BackboneError(f"{str(file)!r} is empty. Download or copy it again.")
        with file.open("rb") as stream:
            return _outline(file, stream, n_bytes)
    except OSError as error:
        raise MissingInputError(
            f"The weights file {str(file)!r} cannot be read: {error.strerror}. Check the path after --weights."
        ) from error
    except _CutError as error:
        raise BackboneError(
            f"{str(file)!r} is cut short: it has {n_bytes:,} bytes, and its content needs {error.args[0]:,} at least. "
            "Download or copy it again."
        ) from None
    except _NoProtocolBufferError:
        raise BackboneError(
            f"{str(file)!r} is not an ONNX file. Give one that a training library exported, or name a network: "
            "`fovea backbones` lists them."
        ) from None


def _outline(file: Path, stream: BinaryIO, n_bytes: int) -> Outline:
    metadata: dict[str, str] = {}
    beside: dict[str, None] = {}
    seen = set()
    for number, start, stop in _fields(stream, 0, n_bytes):
        seen.add(number)
        if number == _METADATA and stop - start <= _FEW:
            pair = {n: _text(stream, a, b) for n, a, b in list(_fields(stream, start, stop))}
            metadata[pair.get(_KEY, "")] = pair.get(_VALUE, "")
        elif number == _GRAPH:
            beside |= dict.fromkeys(_named_beside(stream, start, stop))
    if not {_IR_VERSION, _GRAPH} <= seen:
        raise _NoProtocolBufferError
    for name in beside:
        if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
            raise BackboneError(
                f"{str(file)!r} takes its weights from {name!r}, outside of its own folder; that is refused. "
                "Export it again with the weights inside."
            )
    return Outline(file, metadata, tuple(sorted(beside)))


def _named_beside(stream: BinaryIO, start: int, stop: int) -> Iterator[str]:
    """Yield the names of files that hold weights of a graph."""
    for number, first, last in list(_fields(stream, start, stop)):
        if number != _INITIALIZER:
            continue
        for inner, a, b in list(_fields(stream, first, last)):
            if inner == _EXTERNAL_DATA and b - a <= _FEW:
                pair = {n: _text(stream, c, d) for n, c, d in list(_fields(stream, a, b))}
                if pair.get(_KEY) == "location":
                    yield pair.get(_VALUE, "")


def _fields(stream: BinaryIO, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and stop of every field's content; that of plain numbers is empty."""
    place = start
    while place < stop:
        tag, place = _number(stream, place, stop)
        kind, first = tag & 7, place
        if kind == 0:
            _, place = _number(stream, place, stop)
            first = place
        elif kind == 2:
            length, first = _number(stream, place, stop)
            place = first + length
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise _NoProtocolBufferError
        if not tag >> 3:
            raise _NoProtocolBufferError
        if place > stop:
            if tag >> 3 > 30:  # no such field: it is something else altogether
                raise _NoProtocolBufferError
            raise _CutError(place)
        yield tag >> 3, first, place


def _number(stream: BinaryIO, place: int, stop: int) -> tuple[int, int]:
    stream.seek(place)
    value = 0
    for index, byte in enumerate(stream.read(min(10, stop - place))):
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, place + index + 1
    raise _CutError(place + 1) if stop - place < 10 else _NoProtocolBufferError


def _text(stream: BinaryIO, start: int, stop: int) -> str:
    stream.seek(start)
    return stream.read(stop - start).decode(errors="replace")
