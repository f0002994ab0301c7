"""What a caller in Python may write for an option: its value, or the text that the command line takes for it."""

import re
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path, PurePath
from typing import Any, get_args

from fovea.errors import InputError

LARGEST_SEED = 2**32 - 1
SMALLEST_PX, LARGEST_PX = 8, 2_048
"""Of a side of what a network takes."""
FULL = "full"
"""The word for all pictures at once, in place of a batch size."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_WHOLE, _NUMBER = {int}, {int, float}


def parse_seconds(text: str) -> float:
    """Return the seconds that 30s, 10m or 2h say. Raises ValueError in words for the user."""
    told = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", text.strip().lower())
    if told is None:
        raise ValueError(f"{text!r}: write it with its unit, such as 30s, 10m or 2h.")
    return float(told[1]) * _UNITS[told[2]]


def parse_size(text: str) -> tuple[int, int]:
    """Return the (height, width) in pixels that 288 or 384x272 say. Raises ValueError in words for the user."""
    told = re.fullmatch(r"(\d+)(?:\s*x\s*(\d+))?", text.strip().lower())
    if told is None:
        raise ValueError(
            f"{text!r}: write the side in pixels, such as 288, or height x width, such as 384x272."
        )
    height, width = int(told[1]), int(told[2] or told[1])
    if not (min(height, width) >= SMALLEST_PX and max(height, width) <= LARGEST_PX):
        raise ValueError(f"{text!r}: a side has {SMALLEST_PX} to {LARGEST_PX:,} pixels.")
    return height, width


def parse_widths(text: str) -> tuple[int, ...]:
    """Return the widths that 300 or 300,100 say. Raises ValueError in words for the user."""
    widths = [one.strip() for one in text.split(",")]
    if not all(one.isdecimal() and int(one) for one in widths):
        raise ValueError(f"{text!r}: write widths of layers with commas between, such as 300,100.")
    return tuple(map(int, widths))


def parse_merge(values: Iterable[str]) -> dict[str, str]:
    """Turn `a,b=c` into {"a": "c", "b": "c"}. Raises ValueError in words for the user."""
    merge: dict[str, str] = {}
    for value in values:
        olds, equals, new = value.rpartition("=")
        names = [old.strip() for old in olds.split(",")]
        if not equals or not all(names) or not new.strip():
            raise ValueError(f"{value!r}: write it as OLD,OTHER=NEW, for example cat,kitten=cat.")
        twice = [name for name in names if merge.get(name, new.strip()) != new.strip()]
        if twice:
            raise ValueError(f"{twice[0]!r} cannot become both {merge[twice[0]]!r} and {new.strip()!r}.")
        merge |= dict.fromkeys(names, new.strip())
    return merge


def as_option(name: str, value: Any, hint: Any) -> Any:
    """Return `value` as the option `name` of type `hint` has it.

    One name for several, text for a path, a number or a path for its text; "10m" for a budget, "kitten=cat" for a merge, "full"
    for a batch size, 300 or "300,100" for widths. Raises InputError for text that says neither, and for what is no number where
    one is needed.
    """
    kinds = set(get_args(hint) or (hint,)) - {type(None)}
    if hint == tuple[str, ...]:
        return (value,) if isinstance(value, str) else tuple(value or ())
    if hint == tuple[int, ...]:
        return _as_widths(name, value)
    if value is None:
        return value
    if kinds == {Path}:
        return Path(value)
    try:
        if name == "budget" and isinstance(value, str):
            return parse_seconds(value)
        if name == "merge" and isinstance(value, str | tuple | list):
            return parse_merge([value] if isinstance(value, str) else value)
    except ValueError as error:
        raise InputError(f"The setting {name}: {error}") from None
    if name == "batch_size" and value == FULL:
        return 0
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if kinds == {str} and (is_number or isinstance(value, PurePath)):
        return str(value)
    if kinds in (_WHOLE, _NUMBER, {float}) and not (
        is_number and (kinds != _WHOLE or isinstance(value, Integral))
    ):
        raise InputError(
            f"The setting {name} is {value!r}; it is a {'whole number' if kinds == _WHOLE else 'number'}."
        )
    if name == "seed":
        check_seed(value)
    return value


def _as_widths(name: str, value: Any) -> tuple[int, ...]:
    if value is None or value == ():
        return ()
    text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    try:
        return parse_widths(text)
    except ValueError as error:
        raise InputError(f"The setting {name}: {error}") from None


def check_seed(seed: int) -> None:
    """Raise InputError where a seed is none that every library takes."""
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(
            f"--seed is {seed}; give a whole number from 0 to {LARGEST_SEED:,}, for example --seed 1."
        )
