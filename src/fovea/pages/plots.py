"""Inline SVG drawn by hand from plain numbers; colours come from the page's CSS, so both themes work."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

    from fovea.pages.report import Bin


def share_svg(share: float, *, interval: tuple[float, float] | None = None, kind: str = "") -> "Markup":
    """Return a bar from 0 to `share` with its interval as a line; the numbers must stand beside it."""
    parts = [
        '<rect class="track" width="100" height="12" rx="1"/>',
        f'<rect class="bar {kind}" width="{_n(100 * share)}" height="12" rx="1"/>',
    ]
    if interval:
        low, high = (_n(100 * min(max(end, 0.0), 1.0)) for end in interval)
        parts.append(f'<path class="halo" d="M{low} 6H{high}"/><path class="range" d="M{low} 6H{high}"/>')
    return _svg("share", 'viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true"', parts)


def score_svg(share: float, *, interval: tuple[float, float], baseline: float) -> "Markup":
    """Return the accuracy on a line from 0 to 1 with its interval and a mark at the baseline."""
    low, high = (_n(100 * end) for end in interval)
    parts = [
        '<rect class="track" width="100" height="12"/>',
        f'<rect class="bar" width="{_n(100 * share)}" height="12"/>',
        f'<path class="halo" d="M{low} 6H{high}"/><path class="range" d="M{low} 6H{high}"/>',
        f'<path class="base" d="M{_n(100 * baseline)} 0V12"/>',
    ]
    return _svg("score", 'viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true"', parts)


def reliability_svg(bins: Sequence["Bin"]) -> "Markup":
    """Return stated probability against the share that was right, with intervals, and counts below."""
    side, left, top, foot = 300, 52, 12, 44

    def x(value: float) -> float:
        return left + side * value

    def y(value: float) -> float:
        return top + side * (1 - value)

    base = top + side
    parts = [f'<rect class="plot" x="{left}" y="{top}" width="{side}" height="{side}"/>']
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<path class="grid" d="M{x(tick):g} {top}V{base}M{left} {y(tick):g}H{left + side}"/>')
        parts.append(f'<text x="{left - 7}" y="{y(tick) + 4.5:g}" text-anchor="end">{100 * tick:g} %</text>')
        parts.append(f'<text x="{x(tick):g}" y="{base + 18}" text-anchor="middle">{100 * tick:g} %</text>')
    parts.append(f'<path class="ideal" d="M{x(0):g} {y(0):g}L{x(1):g} {y(1):g}"/>')
    biggest = max((entry.n for entry in bins), default=1)
    for entry in bins:
        at, height = _n(x(entry.mean_probability)), 54 * entry.n / biggest
        parts.append(
            f'<rect class="n" x="{at}" y="{_n(base - height)}" width="8" height="{_n(height)}" transform="translate(-4)"/>'
        )
    for entry in bins:
        at, low, high = _n(x(entry.mean_probability)), _n(y(entry.interval[0])), _n(y(entry.interval[1]))
        parts.append(f'<path class="range" d="M{at} {low}V{high}"/>')
        parts.append(f'<circle class="dot" cx="{at}" cy="{_n(y(entry.share_right))}" r="5"/>')
    parts.append(
        f'<text class="axis" x="{left + side / 2:g}" y="{base + 38}" text-anchor="middle">probability it stated</text>'
    )
    parts.append(
        f'<text class="axis" transform="translate(11 {top + side / 2:g}) rotate(-90)" text-anchor="middle">share that was right</text>'
    )
    label = "Reliability plot: the probability it stated against the share that was right; the numbers are in the table below it."
    return _svg(
        "reliability",
        f'viewBox="0 0 {left + side + 20} {base + foot}" role="img" aria-label="{label}"',
        parts,
    )


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _svg(name: str, attributes: str, parts: Sequence[str]) -> "Markup":
    from markupsafe import Markup  # comes with jinja2; every number above is formatted by us

    return Markup(f'<svg class="{name}" {attributes}>{"".join(parts)}</svg>')  # noqa: S704
