"""Writing a model folder: into a temporary one beside it, synced, then renamed. It is whole or not there."""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.errors import BackboneError, ModelError, OutputError
from fovea.features import Encoder, load_encoder
from fovea.model.card import write_card
from fovea.model.document import Document, dump_document
from fovea.model.golden import SAME, decode_golden, draw_golden, largest_difference
from fovea.model.parts import ModelParts
from fovea.model.targets import head_answers

OWN_NAMES = ("model.json", "head.safetensors", "card.md", "backbone", "golden")
PRECISIONS = ("bf16", "f32")


def write_model(folder: Path, parts: ModelParts, *, extra: Mapping[str, bytes] = {}) -> None:
    """Write a model folder, with the `extra` files (name: content) beside its own.

    Killed or failing at any moment, it leaves nothing under the name `folder`.

    Raises:
        OutputError: something is already there, or it cannot be written.
        ModelError: the saved network does not answer as the given one does.
    """
    folder = Path(folder)
    _check_free(folder)
    for name in extra:
        if name in OWN_NAMES or name != Path(name).name:
            raise ValueError(f"extra file {name!r} must be a plain name, and none of {', '.join(OWN_NAMES)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_beside(folder) as temporary:
            _fill(temporary, parts, extra=extra)
            _sync_tree(temporary)
            temporary.rename(folder)
            _sync_folder(folder.parent)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"The model cannot be written to {str(folder)!r} ({error.strerror or error}). Nothing was left "
            f"there: make room or choose another folder, and run the same command again."
        ) from error


def _check_free(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise OutputError(
            f"There is something at {str(folder)!r} already, and nothing is overwritten. Choose another "
            f"name, or move it away."
        )


@contextlib.contextmanager
def _temporary_beside(folder: Path) -> Iterator[Path]:
    """Make a folder beside `folder`; its lock tells another process that it is no leftover."""
    for left in folder.parent.glob(f".{_glob_escape(folder.name)}.*.unfinished"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".unfinished", dir=folder.parent))
    try:
        with _locked(temporary):
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o777 & ~mask)
            yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _glob_escape(name: str) -> str:
    from glob import escape

    return escape(name)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _fill(temporary: Path, parts: ModelParts, *, extra: Mapping[str, bytes]) -> None:
    parts.encoder.save(temporary / "backbone")
    if (
        parts.encoder.engine != "openvino"
    ):  # what is saved is what will predict: the golden answers are its own
        parts = replace(parts, encoder=load_encoder(temporary / "backbone", threads=parts.encoder.threads))
    _write_file(temporary / "head.safetensors", _arrays(parts))
    golden = draw_golden()
    for name, content in golden.items():
        _write_file(temporary / "golden" / name, content)
    _write_file(temporary / "golden" / "answers.json", _answers(temporary / "backbone", parts, golden=golden))
    for name, content in extra.items():
        _write_file(temporary / name, content)
    document = _document(parts, sha256=_hash_tree(temporary))
    card = write_card(document, metrics=parts.metrics)
    _write_file(temporary / "card.md", card.encode("utf-8", "surrogateescape"))
    _write_file(temporary / "model.json", dump_document(document))


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def _arrays(parts: ModelParts) -> bytes:
    from safetensors.numpy import save

    head = parts.head
    arrays: dict[str, NDArray[np.generic]] = {
        "head.weights": head.weights,
        "head.bias": head.bias,
        "head.mean": head.mean,
        "head.scale": head.scale,
        **(parts.calibration.to_arrays() if parts.calibration is not None else {}),
        **(parts.novelty.to_arrays() if parts.novelty is not None else {}),
    }
    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def _answers(backbone: Path, parts: ModelParts, *, golden: Mapping[str, bytes]) -> bytes:
    """Compute the golden answers, and how far the saved network moves them at each precision we have."""
    shape = parts.encoder.preprocess
    pixels = decode_golden(golden, height_px=shape.height_px, width_px=shape.width_px, fit=shape.fit)
    expected = _probabilities(parts.encoder, parts, pixels=pixels)
    recorded: dict[str, float] = {}

    def answer(precision: str) -> NDArray[np.float64] | None:
        try:
            again = load_encoder(backbone, precision=precision, threads=None)
            return _probabilities(again, parts, pixels=pixels)
        except BackboneError:
            if precision == parts.encoder.precision:
                raise
            return None  # this processor does not compute in it

    with ThreadPoolExecutor(len(PRECISIONS)) as pool:  # most of it is compiling, which keeps one core busy
        answered = list(zip(PRECISIONS, pool.map(answer, PRECISIONS), strict=True))
    for precision, answers in answered:
        if answers is None:
            continue
        difference = largest_difference(answers, expected)
        if precision != parts.encoder.precision:
            recorded[precision] = difference
        elif difference > SAME:
            raise ModelError(
                f"The saved network answers differently from the one that was judged: the probabilities of "
                f"the golden pictures differ by up to {difference:.4f}, and at most {SAME:.4f} is allowed. "
                f"Nothing was saved: run `fovea doctor`."
            )
    table = {name: row.tolist() for name, row in zip(sorted(golden), expected, strict=True)}
    body = {"precision": parts.encoder.precision, "largest_difference": recorded, "probabilities": table}
    return (json.dumps(body, indent=1, allow_nan=False) + "\n").encode()


def _probabilities(encoder: Encoder, parts: ModelParts, *, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    logits = parts.head.logits(encoder.encode(pixels))
    return head_answers(logits, target=parts.target, temperature=parts.temperature)


def _document(parts: ModelParts, *, sha256: Mapping[str, str]) -> Document:
    encoder, shape = parts.encoder, parts.encoder.preprocess
    return Document(
        class_names=parts.head.class_names,
        preprocessing=(shape.height_px, shape.width_px, shape.fit),
        backbone={
            "name": encoder.name,
            "fingerprint": encoder.fingerprint,
            "engine": encoder.engine,
            "precision": encoder.precision,
            "licence": encoder.licence,
        },
        n_features=encoder.n_features,
        temperature=float(parts.temperature),
        thresholds=parts.thresholds,
        head=(float(parts.head.penalty), parts.head.transform),
        has_novelty=parts.novelty is not None,
        seed=parts.seed,
        data=replace(parts.data, source="") if parts.private else parts.data,
        settings=parts.settings,
        versions=_versions(),
        sha256=sha256,
        target=parts.target,
    )


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("fovea-vision", "numpy", "pillow", "openvino"):
        with contextlib.suppress(PackageNotFoundError):
            versions[name.removesuffix("-vision")] = version(name)
    return versions


def _hash_tree(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def _sync_tree(root: Path) -> None:
    """Bring every file and folder under `root` to the disk before the rename makes it visible."""
    for path in sorted(root.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            _sync_folder(path)
    _sync_folder(root)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
