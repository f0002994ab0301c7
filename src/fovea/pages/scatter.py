"""Plots of predicted numbers as inline SVG: predicted against true, and the error against the predicted number."""

from collections.abc import Sequence
from math import floor, log10
from typing import TYPE_CHECKING

from fovea.pages.plots import number, svg

if TYPE_CHECKING:
    from markupsafe import Markup

SIDE, LEFT, TOP = 300, 66, 12  # the plot's square and where it begins, in its own pixels
MOST_POINTS = 2_000
Points = Sequence[tuple[float, float]]


def predicted_svg(points: Points, *, half_width: float) -> "Markup":
    """Return true numbers (across) against predicted ones (up), with the line where they agree and the range about it."""
    ends = [end for pair in points for end in pair]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    frame = _Frame("predicted", (low, high), (low, high))
    band = [
        (low, low - half_width),
        (high, high - half_width),
        (high, high + half_width),
        (low, low + half_width),
    ]
    inside = [*frame.area(band, "band"), *frame.line((low, low), (high, high), "ideal"), *frame.dots(points)]
    return frame.draw(inside, across="true number", up="predicted", label="Predicted against true numbers")


def error_svg(points: Points, *, half_width: float) -> "Markup":
    """Return predicted numbers (across) against what they were too high by (up), with the range about zero."""
    errors = [(predicted, predicted - true) for true, predicted in points]
    low, high = min((x for x, _ in errors), default=0.0), max((x for x, _ in errors), default=1.0)
    most = max([half_width, *(abs(y) for _, y in errors)], default=1.0) or 1.0
    frame = _Frame("error", (low, high), (-most, most))
    band = [(low, -half_width), (high, -half_width), (high, half_width), (low, half_width)]
    inside = [*frame.area(band, "band"), *frame.line((low, 0), (high, 0), "ideal"), *frame.dots(errors)]
    return frame.draw(
        inside, across="predicted", up="too high by", label="Error of each prediction against the prediction"
    )


def ticks(low: float, high: float, *, n_wanted: int = 5) -> list[float]:
    """Return round numbers within [low, high], some `n_wanted` of them: steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if span <= 0:
        return [low]
    raw = span / n_wanted
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = -floor(-low / step + 1e-9)
    return [k * step for k in range(first, floor(high / step + 1e-9) + 1)]


class _Frame:
    """A square of numbers, called by a name of its own on the page: where a point lies in it."""

    def __init__(self, name: str, across: tuple[float, float], up: tuple[float, float]) -> None:
        self.name, self.across, self.up = name, across, up

    def x(self, value: float) -> float:
        return LEFT + SIDE * _share(value, self.across)

    def y(self, value: float) -> float:
        return TOP + SIDE * (1 - _share(value, self.up))

    def dots(self, points: Points) -> list[str]:
        step = max(1, -(-len(points) // MOST_POINTS))
        return [
            f'<circle class="point" cx="{number(self.x(x))}" cy="{number(self.y(y))}" r="3"/>'
            for x, y in points[::step]
        ]

    def line(self, start: tuple[float, float], end: tuple[float, float], kind: str) -> list[str]:
        places = " ".join(f"{number(self.x(x))} {number(self.y(y))}" for x, y in (start, end))
        return [f'<path class="{kind}" d="M{places}"/>']

    def area(self, corners: Points, kind: str) -> list[str]:
        places = " ".join(f"{number(self.x(x))},{number(self.y(y))}" for x, y in corners)
        return [f'<polygon class="{kind}" points="{places}" clip-path="url(#inside-{self.name})"/>']

    def draw(self, inside: list[str], *, across: str, up: str, label: str) -> "Markup":
        right, bottom = LEFT + SIDE, TOP + SIDE
        parts = [
            f'<clipPath id="inside-{self.name}"><rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/></clipPath>',
            f'<rect class="plot" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>',
        ]
        for tick in ticks(*self.across):
            at = number(self.x(tick))
            parts.append(f'<path class="rule" d="M{at} {TOP}V{bottom}"/>')
            parts.append(f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{tick:.6g}</text>')
        for tick in ticks(*self.up):
            at = number(self.y(tick))
            parts.append(f'<path class="rule" d="M{LEFT} {at}H{right}"/>')
            parts.append(
                f'<text x="{LEFT - 8}" y="{number(self.y(tick) + 4.5)}" text-anchor="end">{tick:.6g}</text>'
            )
        middle = f'x="{LEFT + SIDE // 2}" y="{bottom + 38}"'
        turned = f'transform="translate(12 {TOP + SIDE // 2}) rotate(-90)"'
        parts += [
            *inside,
            f'<text class="axis" {middle} text-anchor="middle">{across}</text>',
            f'<text class="axis" {turned} text-anchor="middle">{up}</text>',
        ]
        size = f"0 0 {LEFT + SIDE + 20} {TOP + SIDE + 44}"
        return svg("reliability", f'viewBox="{size}" role="img" aria-label="{label}"', parts)


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return (value - low) / (high - low) if high > low else 0.5
