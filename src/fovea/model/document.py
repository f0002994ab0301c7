"""model.json: what is written, and the reading of it that trusts nothing. Text in, values out; no disk."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from fovea.features.sealed import (
    FORMAT,
    RefusedError,
    are_hashes,
    check_digest,
    check_format,
    check_names,
    digest_of,
    parse_object,
)
from fovea.model.parts import DataFacts, Thresholds
from fovea.model.prediction import JSON
from fovea.model.targets import Labels, Target, Values

TRANSFORMS = ("none",)  # what a head may do to features before it standardises them

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """The content of model.json, checked."""

    class_names: tuple[str, ...]
    preprocessing: tuple[int, int, str]  # height_px, width_px, fit
    backbone: Mapping[str, str]  # name, fingerprint, engine, precision, licence
    n_features: int
    temperature: float
    thresholds: Thresholds
    head: tuple[float, str]  # penalty, transform
    has_novelty: bool
    seed: int
    data: DataFacts
    settings: Mapping[str, JSON]
    versions: Mapping[str, str]
    sha256: Mapping[str, str]
    target: Target | None = None


def dump_document(document: Document) -> bytes:
    """Return model.json as bytes, with a digest of itself in it."""
    height_px, width_px, fit = document.preprocessing
    penalty, transform = document.head
    body: dict[str, JSON] = {
        "format": FORMAT,
        "class_names": list(document.class_names),
        "preprocessing": {"height_px": height_px, "width_px": width_px, "fit": fit},
        "backbone": {**document.backbone, "n_features": document.n_features},
        "temperature": document.temperature,
        "thresholds": asdict(document.thresholds),
        "head": {"penalty": penalty, "transform": transform},
        "has_novelty": document.has_novelty,
        "seed": document.seed,
        "data": {**asdict(document.data), "classes": dict(document.data.classes)},
        "settings": dict(document.settings),
        "versions": dict(document.versions),
        "sha256": dict(sorted(document.sha256.items())),
    }
    if document.target is not None:
        body["target"] = document.target.to_json()
    body["digest"] = digest_of(body)
    return (json.dumps(body, indent=1, allow_nan=False) + "\n").encode()


def parse_document(content: bytes) -> Document:
    """Read model.json. Raises RefusedError where anything is not as `dump_document` writes it."""
    body = parse_object(content, "model.json")
    check_format(body)
    top = _Fields(body, "model.json")
    document = _document(top)
    top.done()
    check_digest(body)
    return document


class _Fields:
    """Takes the values of one JSON object, each with its type, and says what is missing or left over."""

    def __init__(self, body: Mapping[str, JSON], where: str) -> None:
        self._left = dict(body)
        self._where = where

    def take(self, key: str, kind: Callable[[JSON], T | None], what: str) -> T:
        """Return what `kind` makes of the value under `key`; RefusedError where that is None."""
        if key not in self._left:
            raise RefusedError(f"{self._where} lacks the key {key!r}")
        raw = self._left.pop(key)
        value = kind(raw)
        if value is None:
            shown = repr(raw) if len(repr(raw)) <= 60 else repr(raw)[:57] + "..."
            raise RefusedError(f"{key!r} in {self._where} is {shown}, not {what}")
        return value

    def has(self, key: str) -> bool:
        """Return whether the key is there."""
        return key in self._left

    def inner(self, key: str) -> "_Fields":
        """Return the fields of the object under `key`."""
        return _Fields(self.take(key, _object, "an object"), f"{key!r} of {self._where}")

    def done(self) -> None:
        """Raise RefusedError where keys are left that this format does not have."""
        if self._left:
            raise RefusedError(f"{self._where} has the unknown key {sorted(self._left)[0]!r}")


def _object(value: JSON) -> dict[str, JSON] | None:
    return value if isinstance(value, dict) else None


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) and len(value) <= 10_000 else None


def _flag(value: JSON) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _whole(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64 else None


def _side(value: JSON) -> int | None:
    side = _count(value)
    return side if side is not None and 1 <= side <= 4096 else None


def _number(value: JSON) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 and math.isfinite(value) else None


def _positive(value: JSON) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _share(value: JSON) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


def _share_or_none(value: JSON) -> tuple[float | None] | None:
    if value is None:
        return (None,)
    share = _share(value)
    return None if share is None else (share,)


def _shares(value: JSON) -> tuple[float, ...] | None:
    found = [_share(one) for one in value] if isinstance(value, list) else [None]
    return None if None in found else tuple(found)  # type: ignore[arg-type]


def _shares_or_none(value: JSON) -> tuple[float | None, ...] | None:
    found = [_share_or_none(one) for one in value] if isinstance(value, list) else [None]
    return None if None in found else tuple(one[0] for one in found if one is not None)


def _any_names(value: JSON) -> tuple[str, ...] | None:
    return () if value == [] else _one_or_more_names(value)


def _names(value: JSON) -> tuple[str, ...] | None:
    names = _one_or_more_names(value)
    return names if names is not None and len(names) >= 2 else None


def _one_or_more_names(value: JSON) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not value:
        return None
    names = tuple(name for name in value if isinstance(name, str) and name)
    return names if len(set(names)) == len(value) else None


def _texts(value: JSON) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    texts = {key: text for key, text in value.items() if isinstance(text, str)}
    return texts if len(texts) == len(value) else None


def _counts(value: JSON) -> dict[str, int] | None:
    if not isinstance(value, dict):
        return None
    counts = {key: n for key, raw in value.items() if (n := _count(raw)) is not None}
    return counts if len(counts) == len(value) else None


def _hashes(value: JSON) -> dict[str, str] | None:
    hashes = _texts(value)
    return hashes if hashes is not None and are_hashes(hashes) else None


def _document(top: _Fields) -> Document:
    top.take("format", _count, "a number")
    top.take("digest", _text, "a SHA-256")
    target = _target(top.inner("target")) if top.has("target") else None
    class_names = (
        top.take("class_names", _names, "a list of at least two different names")
        if target is None
        else top.take("class_names", _one_or_more_names, "a list of different names")
    )
    n_told = 1 if isinstance(target, Values) else len(class_names)
    if len(class_names) != n_told or (
        isinstance(target, Labels) and not n_told == len(target.thresholds) == len(target.precisions)
    ):
        raise RefusedError(f"'target' in model.json does not fit {len(class_names)} names")
    return Document(
        target=target,
        class_names=class_names,
        preprocessing=_preprocessing(top.inner("preprocessing")),
        temperature=top.take("temperature", _positive, "a number above 0"),
        thresholds=_thresholds(top.inner("thresholds")),
        head=_head(top.inner("head")),
        has_novelty=top.take("has_novelty", _flag, "true or false"),
        seed=top.take("seed", _whole, "a whole number"),
        data=_data(top.inner("data")),
        settings=top.take("settings", _object, "an object"),
        versions=top.take("versions", _texts, "an object of texts"),
        sha256=_listed(top.take("sha256", _hashes, "an object of SHA-256 sums")),
        **_backbone(top.inner("backbone")),  # type: ignore[arg-type]
    )


def _target(fields: _Fields) -> Target:
    """Return what the head tells, where that is not one class."""
    kinds = ("regression", "labels")
    kind = fields.take("kind", lambda v: v if v in kinds else None, "'regression' or 'labels'")
    target: Target
    if kind == "regression":
        target = Values(
            coverage=fields.take("coverage", _share, "a number from 0 to 1"),
            half_width=fields.take("half_width", _number, "a number"),
            spread=fields.take("spread", _positive, "a number above 0"),
            median=fields.take("median", _number, "a number"),
            mean=fields.take("mean", _number, "a number"),
            lowest=fields.take("lowest", _number, "a number"),
            highest=fields.take("highest", _number, "a number"),
        )
    else:
        target = Labels(
            thresholds=fields.take("thresholds", _shares, "a list of numbers from 0 to 1"),
            precisions=fields.take("precisions", _shares_or_none, "a list of nulls and numbers from 0 to 1"),
            confidence=fields.take("confidence", _share_or_none, "null or a number from 0 to 1")[0],
            commonest=fields.take("commonest", _any_names, "a list of names"),
        )
    fields.done()
    return target


def _preprocessing(fields: _Fields) -> tuple[int, int, str]:
    height_px = fields.take("height_px", _side, "a side of 1 to 4096 px")
    width_px = fields.take("width_px", _side, "a side of 1 to 4096 px")
    fit = fields.take(
        "fit", lambda v: v if v in ("crop", "pad", "squash") else None, "'crop', 'pad' or 'squash'"
    )
    fields.done()
    return height_px, width_px, str(fit)


def _thresholds(fields: _Fields) -> Thresholds:
    thresholds = Thresholds(
        unsure=fields.take("unsure", _share, "a number from 0 to 1"),
        precision=fields.take("precision", _share_or_none, "null or a number from 0 to 1")[0],
        confidence=fields.take("confidence", _share_or_none, "null or a number from 0 to 1")[0],
    )
    fields.done()
    return thresholds


def _head(fields: _Fields) -> tuple[float, str]:
    head = fields.take("penalty", _number, "a number"), fields.take("transform", _text, "a text")
    fields.done()
    return head


def _backbone(fields: _Fields) -> dict[str, object]:
    names = ("name", "fingerprint", "engine", "precision", "licence")
    texts = {name: fields.take(name, _text, "a text") for name in names}
    n_features = fields.take("n_features", _count, "a count")
    fields.done()
    return {"backbone": texts, "n_features": n_features}


def _data(fields: _Fields) -> DataFacts:
    data = DataFacts(
        fingerprint=fields.take("fingerprint", _text, "a text"),
        n_train=fields.take("n_train", _count, "a count"),
        n_valid=fields.take("n_valid", _count, "a count"),
        n_test=fields.take("n_test", _count, "a count"),
        n_quarantined=fields.take("n_quarantined", _count, "a count"),
        classes=fields.take("classes", _counts, "an object of counts"),
        source=fields.take("source", _text, "a text"),
    )
    fields.done()
    return data


def _listed(sha256: Mapping[str, str]) -> Mapping[str, str]:
    check_names(sha256)
    return sha256
