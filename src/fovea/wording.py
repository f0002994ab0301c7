"""Words that messages of all rooms share: counts, shares, lists cut short, and the name that may have been meant."""

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest known name, or ""."""
    from difflib import get_close_matches

    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.strip().casefold(), by_folded, n=1)
    return f" (did you mean {by_folded[close[0]]!r}?)" if close else ""


def some(names: Iterable[str], *, shown: int = 5) -> str:
    """Return the first names quoted and joined by commas, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - shown:,} more" if len(every) > shown else ""
    return ", ".join(repr(name) for name in every[:shown]) + more


def count(n: int, one: str, many: str = "") -> str:
    """Return "1 picture" or "2,000 pictures"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def percent(share: float, digits: int = 1) -> str:
    """Return "93.3 %" for a share in [0, 1], with a blank as the SI writes it."""
    return f"{100 * share:.{digits}f} %"
