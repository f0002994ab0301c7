"""The learning curve as inline SVG: accuracy by pictures learned from, the law through it, and how far ahead it looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log2
from typing import TYPE_CHECKING

from fovea.pages.plots import number, svg
from fovea.pages.scatter import ticks

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT, LEFT, TOP = 460, 240, 60, 12  # the plot's area and where it begins, in its own pixels
_GAP = 34  # between numbers below the plot


@dataclass(frozen=True, slots=True)
class GrowthPoint:
    """One size: pictures learned from, accuracy and its interval, seconds of a fit."""

    n: int
    accuracy: float
    interval: tuple[float, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class GrowthPlot:
    """Measured points, the law through them as (n, accuracy), and what is expected of `ahead`; `scratch` are points beside them.

    `n_classes` tells pictures a class; `n_judged` by how many pictures, `n_judged_largest` the largest size by how many of
    them, and `protocol` how.
    """

    points: tuple[GrowthPoint, ...]
    law: tuple[tuple[float, float], ...]
    ahead: GrowthPoint
    n_classes: int
    n_judged: int
    n_judged_largest: int
    protocol: str
    scratch: tuple[GrowthPoint, ...] = ()
    net: str = ""


def growth_svg(plot: GrowthPlot) -> "Markup":
    """Return accuracy (up) by pictures learned from (across, each step twice as many), with 95 % intervals."""
    scale = _Scale.of([*plot.points, plot.ahead, *plot.scratch])
    parts = [f'<rect class="plot" x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}"/>']
    for tick in ticks(scale.low, 1.0, n_wanted=5):
        at = scale.y(tick)
        parts.append(f'<path class="rule" d="M{LEFT} {number(at)}H{LEFT + WIDTH}"/>')
        label = f"{100 * tick:.0f}\N{NO-BREAK SPACE}%"
        parts.append(f'<text x="{LEFT - 8}" y="{number(at + 4.5)}" text-anchor="end">{label}</text>')
    parts += _numbers(scale, [*plot.points, plot.ahead])
    path = "L".join(f"{number(scale.x(n))} {number(scale.y(share))}" for n, share in plot.law)
    parts.append(f'<path class="ideal" d="M{path}"/>')
    for kind, points in (("train", plot.scratch), ("valid", plot.points), ("ahead", (plot.ahead,))):
        parts += _dots(scale, points, kind=kind)
    middle = f'x="{LEFT + WIDTH // 2}" y="{TOP + HEIGHT + 38}"'
    parts.append(f'<text class="axis" {middle} text-anchor="middle">pictures learned from</text>')
    size = f"0 0 {LEFT + WIDTH + 20} {TOP + HEIGHT + 46}"
    label = "Learning curve: accuracy by pictures learned from, as in the table below"
    return svg("curves growth", f'viewBox="{size}" role="img" aria-label="{label}"', parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a number of pictures and an accuracy lie; the lowest accuracy drawn is `low`."""

    first: float
    last: float
    low: float

    @classmethod
    def of(cls, points: Sequence[GrowthPoint]) -> "_Scale":
        low = min(floor(10 * min(one.interval[0] for one in points)) / 10, 0.9)
        return cls(log2(min(one.n for one in points)), log2(max(one.n for one in points)), low)

    def x(self, n: float) -> float:
        return LEFT + WIDTH * (log2(n) - self.first + 0.2) / (self.last - self.first + 0.4)

    def y(self, share: float) -> float:
        return TOP + HEIGHT * (1 - (min(max(share, self.low), 1.0) - self.low) / (1 - self.low))


def _numbers(scale: _Scale, points: Sequence[GrowthPoint]) -> list[str]:
    """Return the numbers below the plot, from the right, without those that would run into another."""
    parts, room = [], float(LEFT + WIDTH + _GAP)
    for n in sorted({one.n for one in points}, reverse=True):
        if scale.x(n) <= room - _GAP:
            room = scale.x(n)
            parts.append(
                f'<text x="{number(room)}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{n:,}</text>'
            )
    return parts


def _dots(scale: _Scale, points: Sequence[GrowthPoint], *, kind: str) -> list[str]:
    """Return points with their intervals, and a line through them."""
    parts = []
    if len(points) > 1:
        path = "L".join(f"{number(scale.x(one.n))} {number(scale.y(one.accuracy))}" for one in points)
        parts.append(f'<path class="curve {kind}" d="M{path}"/>')
    for one in points:
        x, low, high = (number(at) for at in (scale.x(one.n), *map(scale.y, one.interval)))
        parts.append(f'<path class="range" d="M{x} {low}V{high}"/>')
        parts.append(f'<circle class="curve {kind}" cx="{x}" cy="{number(scale.y(one.accuracy))}" r="4"/>')
    return parts
