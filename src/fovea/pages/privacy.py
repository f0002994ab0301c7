"""`--private`: the same values with no thumbnail, and every absolute path cut to its last name."""

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

Page = TypeVar("Page")
_ROOT = r"(?:~|[A-Za-z]:|\\\\[^\s\\/]+|file:/*)?[\\/]"  # /home, ~/x, C:\x, \\server\x
_WHOLE = re.compile(rf"{_ROOT}[^\\/]+.*", re.DOTALL)
_QUOTED = re.compile(rf"(?<=['\"‘“`]){_ROOT}[^'\"’”`]*")
_BARE = re.compile(rf"(?<![\w.…/\\'\"‘“`~:]){_ROOT}[^\s\\/,;:]+(?:[\\/][^\s\\/,;:'\")]+)+")


def without_secrets(page: Page) -> Page:
    """Return a page's values without pictures and absolute paths; relative paths stay."""
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
    if _WHOLE.fullmatch(text):
        return _last_name(text)
    return _BARE.sub(
        lambda found: _last_name(found[0]), _QUOTED.sub(lambda found: _last_name(found[0]), text)
    )


def _last_name(path: str) -> str:
    return "…/" + re.split(r"[\\/]", path.rstrip("\\/"))[-1]
