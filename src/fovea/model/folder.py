"""Reading a model folder: all of it is checked, and it answers its golden pictures, or it is refused.

No pickle, no code from the folder; files are read once, within size limits, and compared with their SHA-256.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.errors import MissingInputError, ModelError
from fovea.features import Encoder, load_encoder
from fovea.judge import CalibrationScores, NoveltyScore, softmax
from fovea.learn import Head
from fovea.model.classifier import Classifier
from fovea.model.document import (
    MAX_DOCUMENT_BYTES,
    TRANSFORMS,
    Document,
    RefusedError,
    parse_document,
    parse_object,
    refuse,
)
from fovea.model.golden import check_golden, decode_golden, largest_difference

MAX_HEAD_BYTES = 1 << 30  # 21,000 classes on 5,000 features, twice over
MAX_GOLDEN_BYTES = 1 << 20  # all golden files together: ours hold some 60 KB
CURE = "Give the folder that `fovea train PHOTOS --out FOLDER` wrote."
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif")


def load_model(folder: str | Path, *, precision: str | None = None, threads: int | None = None) -> Classifier:
    """Read a model folder that `write_model` made.

    `precision` "bf16" or "f32": None takes the one it was saved with, where the processor has it.

    Raises:
        MissingInputError: there is no such folder.
        BackboneError: the processor or the engine does not have that precision.
        ModelError: it is no model folder, cut, edited, too new, or answers its golden pictures wrongly.
    """
    folder = Path(folder)
    _check_folder(folder)
    try:
        content = _read(folder, "model.json", limit=MAX_DOCUMENT_BYTES)
        document = parse_document(content)
        files = {name: _checked(folder, name, document=document) for name in _small_files(document)}
        _check_hashes(folder, document=document)
        arrays = _arrays(files["head.safetensors"])
        head = _head(arrays, document=document)
        calibration = _calibration(arrays, k=len(document.class_names))
        novelty = _novelty(arrays, d=document.n_features) if document.has_novelty else None
        encoder = _encoder(folder, document=document, precision=precision, threads=threads)
        model = Classifier(
            folder=folder,
            fingerprint=hashlib.sha256(content).hexdigest(),
            document=document,
            encoder=encoder,
            head=head,
            temperature=document.temperature,
            thresholds=document.thresholds,
            calibration=calibration,
            novelty=novelty,
        )
        _check_answers(model, files)
    except RefusedError as reason:
        raise refuse(folder, reason) from None
    return model


def _check_folder(folder: Path) -> None:
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


def _read(folder: Path, name: str, *, limit: int) -> bytes:
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


def _small_files(document: Document) -> list[str]:
    return ["head.safetensors", *(name for name in document.sha256 if name.startswith("golden/"))]


def _checked(folder: Path, name: str, *, document: Document) -> bytes:
    limit = MAX_GOLDEN_BYTES if name.startswith("golden/") else MAX_HEAD_BYTES
    content = _read(folder, name, limit=limit)
    _compare(name, hashlib.sha256(content).hexdigest(), document=document)
    return content


def _compare(name: str, sha256: str, *, document: Document) -> None:
    if sha256 != document.sha256[name]:
        raise RefusedError(
            f"the file {name!r} was cut or changed after it was saved (its SHA-256 is another)"
        )


def _check_hashes(folder: Path, *, document: Document) -> None:
    """Check the network's files, which the engine reads by itself."""
    for name in document.sha256:
        if name.startswith("backbone/"):
            path = folder / name
            if not path.is_file():
                raise RefusedError(f"the file {name!r} is missing")
            try:
                with path.open("rb") as file:
                    _compare(name, hashlib.file_digest(file, "sha256").hexdigest(), document=document)
            except OSError as error:
                raise RefusedError(f"the file {name!r} cannot be read ({error.strerror or error})") from None


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


def _check_answers(model: Classifier, files: Mapping[str, bytes]) -> None:
    body = parse_object(files["golden/answers.json"], "golden/answers.json")
    pictures = {
        n.removeprefix("golden/"): c
        for n, c in files.items()
        if n.startswith("golden/") and not n.endswith(".json")
    }
    expected, recorded = _expected(body, names=sorted(pictures), k=len(model.class_names))
    shape = model.encoder.preprocess
    pixels = decode_golden(pictures, height_px=shape.height_px, width_px=shape.width_px, fit=shape.fit)
    answers = softmax(model.head.logits(model.encoder.encode(pixels)), model.temperature)
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
