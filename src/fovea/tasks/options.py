"""Groups of options that several tasks share, and a config made of plain keywords."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from fovea.errors import InputError


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How labelled pictures are read: see `manifest.read_source` and `manifest.change_classes`."""

    label_by: str | None = None
    group_by: str | None = None
    group_pattern: str | None = None
    strict: bool = False
    drop: tuple[str, ...] = ()
    merge: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BackboneOptions:
    """Which network turns pictures into features, and how: see `features.open_backbone`."""

    backbone: str | None = None
    weights: Path | None = None
    stages: tuple[str, ...] = ()
    engine: str = "openvino"
    compute: str = "auto"
    fit: str = "crop"
    views: int = 1
    threads: int | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class PromiseOptions:
    """A precision to promise for accepted answers: see `judge.threshold_for_precision`."""

    precision: float | None = None
    confidence: float = 0.95
    per_class: bool = False


ConfigT = TypeVar("ConfigT")


def configure(kind: type[ConfigT], settings: Mapping[str, Any]) -> ConfigT:
    """Make a config from plain keywords, those of its nested groups included.

    Raises:
        TypeError: a keyword that the task does not have; the closest one is named.
    """
    hints = get_type_hints(kind)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    places = {name: "" for name in hints if name not in groups}
    places |= {f.name: group for group, hint in groups.items() for f in dataclasses.fields(hint)}
    inner: dict[str, dict[str, Any]] = {group: {} for group in groups}
    outer: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in places:
            near = get_close_matches(name, places, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(sorted(places))}."
            raise TypeError(f"no setting {name!r}.{hint}")
        (inner[places[name]] if places[name] else outer)[name] = value
    made = {group: hint(**inner[group]) for group, hint in groups.items()}
    return kind(**outer, **made)


def check_promise(promise: PromiseOptions) -> None:
    """Raise InputError where a precision cannot be promised so: shares out of range, or none given to promise."""
    check_share("--precision", promise.precision)
    check_share("--confidence", promise.confidence)
    if promise.per_class and promise.precision is None:
        raise InputError(
            "per_class says how a precision is promised, and none was given. Give it too, for example precision=0.98."
        )


def check_share(name: str, value: float | None, *, most: float = 1.0, example: float = 0.95) -> None:
    """Raise InputError unless `value` is above 0, at most `most` and below 1 (None is fine)."""
    if value is not None and not (0 < value <= most and value < 1):
        raise InputError(
            f"{name} is {value!r}; it must lie between 0 and {most:g}, for example {name} {example}."
        )
