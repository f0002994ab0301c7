"""`--private`: the same page values with no thumbnail, and every absolute path cut to its last name."""

import re
from dataclasses import fields, is_dataclass, replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

Page = TypeVar("Page")
_ABSOLUTE = re.compile(
    r"""(?<![\w.\-/\\])(?:~|[A-Za-z]:(?=[\\/])|(?=/[^\s/]+/)|(?=\\\\\w))[\\/][^\s'"<>|,;:()]*"""
)


def without_secrets(page: Page) -> Page:
    """Return the page's values without pictures and absolute paths; relative paths stay."""
    cleaned: Page = _clean(page)
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, bytes):
        return None
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, tuple):
        return tuple(_clean(entry) for entry in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _clean(getattr(value, field.name)) for field in fields(value)})
    return value


def _clean_text(text: str) -> str:
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute():
        return "…/" + re.split(r"[\\/]", text.rstrip("\\/"))[-1]
    return _ABSOLUTE.sub(lambda found: "…/" + re.split(r"[\\/]", found[0].rstrip("\\/"))[-1], text)
