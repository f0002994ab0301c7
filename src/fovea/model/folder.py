"""Reading a model folder: all of it is checked, and it answers its golden pictures, or it is refused.

No pickle, no code from the folder; files are read once, within size limits, and compared with their SHA-256.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import Encoder, load_encoder
from fovea.features.sealed import (
    MAX_DOCUMENT_BYTES,
    RefusedError,
    check_backbone,
    check_folder,
    compare,
    parse_object,
    read_file,
    refuse,
)
from fovea.judge import CalibrationScores, NoveltyScore
from fovea.learn import Head
from fovea.model.classifier import Classifier
from fovea.model.document import TRANSFORMS, Document, parse_document
from fovea.model.estimator import Estimator
from fovea.model.golden import check_golden, decode_golden, largest_difference
from fovea.model.targets import head_answers

MAX_HEAD_BYTES = 1 << 30  # 21,000 classes on 5,000 features, twice over
MAX_GOLDEN_BYTES = 1 << 20  # all golden files together: ours hold some 60 KB


def load_model(
    folder: str | Path, *, precision: str | None = None, threads: int | None = None
) -> Classifier | Estimator:
    """Read a model folder that `write_model` made: a classifier, or an estimator of numbers or labels.

    `precision` "bf16" or "f32": None takes the one it was saved with, where the processor has it.

    Raises:
        MissingInputError: there is no such folder.
        BackboneError: the processor or the engine does not have that precision.
        ModelError: it is no model folder, cut, edited, too new, or answers its golden pictures wrongly.
    """
    folder = Path(folder)
    check_folder(folder)
    try:
        content = read_file(folder, "model.json", limit=MAX_DOCUMENT_BYTES)
        document = parse_document(content)
        files = {name: _checked(folder, name, document=document) for name in _small_files(document)}
        check_backbone(folder, expected=document.sha256)
        arrays = _arrays(files["head.safetensors"])
        head = _head(arrays, document=document)
        novelty = _novelty(arrays, d=document.n_features) if document.has_novelty else None
        encoder = _encoder(folder, document=document, precision=precision, threads=threads)
        shared = (folder, hashlib.sha256(content).hexdigest(), document, encoder, head, document.temperature)
        model: Classifier | Estimator
        if document.target is None:
            calibration = _calibration(arrays, k=len(document.class_names))
            model = Classifier(*shared, document.thresholds, calibration, novelty)
        else:
            model = Estimator(*shared, document.target, novelty)
        _check_answers(model, files)
    except RefusedError as reason:
        raise refuse(folder, reason) from None
    return model


def load_classifier(
    folder: str | Path, *, precision: str | None = None, threads: int | None = None, needed_by: str
) -> Classifier:
    """Read a model folder as `load_model` does, and refuse one that tells no classes: `needed_by` needs them.

    Raises InputError for these, else as `load_model` does.
    """
    model = load_model(folder, precision=precision, threads=threads)
    if isinstance(model, Classifier):
        return model
    what = "numbers" if model.target.kind == "regression" else "several labels a picture"
    raise InputError(
        f"The run in {str(folder)!r} tells {what}, and {needed_by} needs one of classes. Name another run, or use this one "
        "with `fovea predict` and `fovea evaluate`."
    )


def _small_files(document: Document) -> list[str]:
    return ["head.safetensors", *(name for name in document.sha256 if name.startswith("golden/"))]


def _checked(folder: Path, name: str, *, document: Document) -> bytes:
    limit = MAX_GOLDEN_BYTES if name.startswith("golden/") else MAX_HEAD_BYTES
    content = read_file(folder, name, limit=limit)
    compare(name, hashlib.sha256(content).hexdigest(), expected=document.sha256)
    return content


def read_evidence(folder: str | Path, name: str, *, document: Document) -> bytes | None:
    """Return a file saved beside the model; None where it is gone. Raises ModelError where it was changed."""
    if name not in document.sha256 or not (Path(folder) / name).is_file():
        return None
    try:
        return _checked(Path(folder), name, document=document)
    except RefusedError as reason:
        raise refuse(folder, reason) from None


def _arrays(content: bytes) -> dict[str, NDArray[np.generic]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(content))
    except (SafetensorError, ValueError, KeyError) as error:
        raise RefusedError(f"head.safetensors cannot be read ({error})") from None


def _array(
    arrays: Mapping[str, NDArray[np.generic]], name: str, *, shape: tuple[int | None, ...], dtype: type
) -> NDArray[np.generic]:
    array = arrays.get(name)
    if array is None:
        raise RefusedError(f"head.safetensors lacks {name!r}")
    fits = len(array.shape) == len(shape) and all(
        want in (None, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        want = " x ".join("n" if side is None else str(side) for side in shape)
        got = " x ".join(map(str, array.shape))
        raise RefusedError(
            f"{name!r} is {array.dtype} {got}, and model.json asks for {np.dtype(dtype)} {want}"
        )
    if not np.isfinite(np.asarray(array, np.float64)).all():
        raise RefusedError(f"{name!r} holds values that are not numbers")
    return array


def _head(arrays: Mapping[str, NDArray[np.generic]], *, document: Document) -> Head:
    k, d = len(document.class_names), document.n_features
    shapes = {"weights": (k, d), "bias": (k,), "mean": (d,), "scale": (d,)}
    penalty, transform = document.head
    if transform not in TRANSFORMS:
        raise RefusedError(f"the head's transform {transform!r} is not known")
    loaded = {
        name: _array(arrays, f"head.{name}", shape=shape, dtype=np.float32) for name, shape in shapes.items()
    }
    return Head(**loaded, class_names=document.class_names, penalty=penalty, transform=transform)  # type: ignore[arg-type]


def _calibration(arrays: Mapping[str, NDArray[np.generic]], *, k: int) -> CalibrationScores:
    try:
        scores = CalibrationScores.from_arrays(arrays)
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"the calibration scores in head.safetensors cannot be used ({error})") from None
    n = len(scores.top)
    shaped = all(array.shape == (n,) for array in (scores.top, scores.correct, scores.predicted))
    if (
        not shaped
        or not np.isin(scores.predicted, np.arange(k)).all()
        or not (np.abs(scores.top - 0.5) <= 0.5).all()
    ):
        raise RefusedError(f"the calibration scores in head.safetensors do not fit {k} classes")
    return scores


def _novelty(arrays: Mapping[str, NDArray[np.generic]], *, d: int) -> NoveltyScore:
    try:
        novelty = NoveltyScore.from_arrays(arrays)
        tried = novelty.score(np.zeros((2, d), np.float32))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise RefusedError(f"the distance score in head.safetensors cannot be used ({error})") from None
    if tried.shape != (2,) or not np.isfinite(tried).all():
        raise RefusedError(f"the distance score in head.safetensors does not fit {d:,} features")
    return novelty


def _encoder(folder: Path, *, document: Document, precision: str | None, threads: int | None) -> Encoder:
    encoder = load_encoder(folder / "backbone", precision=precision, threads=threads)
    shape = encoder.preprocess
    if (shape.height_px, shape.width_px, shape.fit) != document.preprocessing:
        raise RefusedError("backbone.json and model.json disagree on the size of the pictures")
    if encoder.n_features != document.n_features:
        raise RefusedError(
            f"the network gives {encoder.n_features:,} features, and the head takes {document.n_features:,}"
        )
    return encoder


def _check_answers(model: Classifier | Estimator, files: Mapping[str, bytes]) -> None:
    body = parse_object(files["golden/answers.json"], "golden/answers.json")
    pictures = {
        n.removeprefix("golden/"): c
        for n, c in files.items()
        if n.startswith("golden/") and not n.endswith(".json")
    }
    expected, recorded = _expected(body, names=sorted(pictures), k=len(model.document.class_names))
    shape = model.encoder.preprocess
    pixels = decode_golden(pictures, height_px=shape.height_px, width_px=shape.width_px, fit=shape.fit)
    logits = model.head.logits(model.encoder.encode(pixels))
    answers = head_answers(logits, target=model.document.target, temperature=model.temperature)
    check_golden(
        largest_difference(answers, expected),
        saved=model.document.backbone["precision"],
        precision=model.encoder.precision,
        recorded=recorded,
        folder=str(model.folder),
    )


def _expected(
    body: Mapping[str, object], *, names: list[str], k: int
) -> tuple[NDArray[np.float64], dict[str, float]]:
    table, recorded = body.get("probabilities"), body.get("largest_difference")
    if not isinstance(table, dict) or not isinstance(recorded, dict) or sorted(table) != names or not names:
        raise RefusedError("golden/answers.json does not fit the golden pictures")
    try:
        expected = np.array([table[name] for name in names], np.float64)
        differences = {str(name): float(value) for name, value in recorded.items()}
    except (TypeError, ValueError):
        raise RefusedError("golden/answers.json holds values that are not numbers") from None
    if expected.shape != (len(names), k):
        raise RefusedError(f"golden/answers.json does not hold {k} probabilities for each picture")
    return expected, differences
