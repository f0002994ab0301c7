"""Inline SVG drawn by hand from plain numbers; colours come from the page's CSS, so both themes work."""

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

    from fovea.pages.report import Bin

SIDE, LEFT, TOP = 300, 66, 12  # the reliability plot's square and where it begins, in its own pixels


def share_svg(
    share: float,
    *,
    interval: tuple[float, float] | None = None,
    mark: float | None = None,
    kind: str = "share",
) -> "Markup":
    """Return a bar from 0 to `share` with its interval as a line; the numbers must stand beside it."""
    parts = [
        '<rect class="track" width="100" height="12"/>',
        f'<rect class="bar" width="{number(100 * share)}" height="12"/>',
        f'<path class="edge" d="M{number(100 * share)} 0V12"/>',
    ]
    if mark is not None:
        parts.append(f'<path class="mark" d="M{number(100 * mark)} 0V12"/>')
    if interval:
        low, high = (number(100 * end) for end in interval)
        parts.append(f'<path class="range" d="M{low} 6H{high}"/>')
    return svg(kind, 'viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true"', parts)


def reliability_svg(bins: Sequence["Bin"]) -> "Markup":
    """Return stated probability against the share that was right, with intervals and columns of counts."""
    most = max((entry.n for entry in bins), default=1) or 1
    parts = [*_axes()]
    for entry in bins:
        at, height = number(_x(entry.mean_probability) - 4), 54 * entry.n / most
        parts.append(
            f'<rect class="n" x="{at}" y="{number(TOP + SIDE - height)}" width="8" height="{number(height)}"/>'
        )
    for entry in bins:
        at, low, high = (number(x) for x in (_x(entry.mean_probability), *map(_y, entry.interval)))
        radius = number(3 + 4 * sqrt(entry.n / most))
        parts.append(f'<path class="range" d="M{at} {low}V{high}"/>')
        parts.append(f'<circle class="dot" cx="{at}" cy="{number(_y(entry.share_right))}" r="{radius}"/>')
    label = "Reliability plot: stated probability against the share that was right, as in the table below"
    size = f"0 0 {LEFT + SIDE + 20} {TOP + SIDE + 44}"
    return svg("reliability", f'viewBox="{size}" role="img" aria-label="{label}"', parts)


def _axes() -> list[str]:
    right, bottom = LEFT + SIDE, TOP + SIDE
    parts = [f'<rect class="plot" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>']
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        at, text = (number(_x(tick)), number(_y(tick))), f"{100 * tick:g}\N{NO-BREAK SPACE}%"
        parts.append(f'<path class="rule" d="M{at[0]} {TOP}V{bottom}M{LEFT} {at[1]}H{right}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{number(_y(tick) + 4.5)}" text-anchor="end">{text}</text>')
        parts.append(f'<text x="{at[0]}" y="{bottom + 18}" text-anchor="middle">{text}</text>')
    middle = f'x="{number(_x(0.5))}" y="{bottom + 38}"'
    turned = f'transform="translate(12 {number(_y(0.5))}) rotate(-90)"'
    return [
        *parts,
        f'<path class="ideal" d="M{LEFT} {bottom}L{right} {TOP}"/>',
        f'<text class="axis" {middle} text-anchor="middle">probability it stated</text>',
        f'<text class="axis" {turned} text-anchor="middle">share that was right</text>',
    ]


def _x(share: float) -> float:
    return LEFT + SIDE * share


def _y(share: float) -> float:
    return TOP + SIDE * (1 - share)


def number(value: float) -> str:
    """Return a number as SVG wants it: two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def svg(kind: str, attributes: str, parts: Sequence[str]) -> "Markup":
    """Return an inline picture of these parts; every number in them must have been formatted by us."""
    from markupsafe import Markup  # comes with jinja2; safe, since every number above is formatted by us

    return Markup(f'<svg class="{kind}" {attributes}>{"".join(parts)}</svg>')
