"""`--private`: the same values with no thumbnail, and every absolute path cut to its last name."""

import re
from typing import TypeVar

from fovea.pages.texts import change_leaves

Page = TypeVar("Page")
_ROOT = r"(?:~|[A-Za-z]:|\\\\[^\s\\/]+|file:/*)?[\\/]"  # /home, ~/x, C:\x, \\server\x
_WHOLE = re.compile(rf"{_ROOT}[^\\/]+.*", re.DOTALL)
_QUOTED = re.compile(rf"(?<=['\"‘“`]){_ROOT}[^'\"’”`]*")
_BARE = re.compile(rf"(?<![\w.…/\\'\"‘“`~:]){_ROOT}[^\s\\/,;:]+(?:[\\/][^\s\\/,;:'\")]+)+")


def without_secrets(page: Page) -> Page:
    """Return a page's values without pictures and absolute paths; relative paths stay."""
    cleaned: Page = change_leaves(page, lambda leaf: _clean_text(leaf) if isinstance(leaf, str) else None)
    return cleaned


def _clean_text(text: str) -> str:
    if _WHOLE.fullmatch(text):
        return _last_name(text)
    return _BARE.sub(
        lambda found: _last_name(found[0]), _QUOTED.sub(lambda found: _last_name(found[0]), text)
    )


def _last_name(path: str) -> str:
    return "…/" + re.split(r"[\\/]", path.rstrip("\\/"))[-1]
