"""Every text of a page's values, changed: WordNet ids get the words behind them."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from fovea.manifest import with_words

Page = TypeVar("Page")


def named(page: Page) -> Page:
    """Return a page's values with classes called n02084071 shown as "dog (n02084071)"; paths stay as they are."""
    shown: Page = change_leaves(page, lambda leaf: with_words(leaf) if isinstance(leaf, str) else leaf)
    return shown


def change_leaves(value: Any, change: Callable[[str | bytes], str | bytes | None]) -> Any:
    """Return frozen dataclasses, tuples, lists and the values of dictionaries with every text and every bytes in them changed."""
    if isinstance(value, str | bytes):
        return change(value)
    if isinstance(value, tuple):
        return tuple(change_leaves(entry, change) for entry in value)
    if isinstance(value, list):
        return [change_leaves(entry, change) for entry in value]
    if isinstance(value, dict):
        return {key: change_leaves(entry, change) for key, entry in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{one.name: change_leaves(getattr(value, one.name), change) for one in fields(value)}
        )
    return value
