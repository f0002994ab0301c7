"""How networks were trained, as values for a report: what was tried, the curves of each, what they tell. Draws the curves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fovea.pages.plots import number, svg
from fovea.pages.scatter import ticks
from fovea.pages.templating import render

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT, LEFT, TOP = 340, 190, 54, 26  # a plot's area and where it begins, in its own pixels


@dataclass(frozen=True, slots=True)
class Point:
    """One epoch: losses and accuracies in [0, 1], of training (augmented pictures) and validation; None: not known."""

    epoch: int
    train_loss: float | None = None
    valid_loss: float | None = None
    train_accuracy: float | None = None
    valid_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """One classifier among those compared; `points` of accuracy above the first, answers mended and broken."""

    name: str
    accuracy: float
    brier: float
    seconds: float
    points: float = 0.0
    n_fixed: int = 0
    n_broken: int = 0
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class LossStanding:
    """One of those compared that tell numbers or labels: the measure of its error, and how its loss stands to the first's."""

    name: str
    measure: float
    loss_change: float
    loss_error: float
    seconds: float
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One training: the plan and notes in sentences, its epochs, and what they tell with the options to try next.

    `tried` are (learning rate, loss) where the rate was found by a trial, `rate` the one that was taken. `accuracy` is what
    the accuracies of its points are called.
    """

    name: str
    plan: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    best_epoch: int = -1
    findings: tuple[tuple[str, str], ...] = ()
    export: str = ""
    notes: tuple[str, ...] = ()
    tried: tuple[tuple[float, float], ...] = ()
    rate: float = 0.0
    accuracy: str = "accuracy"


@dataclass(frozen=True, slots=True)
class Training:
    """What is kept and why, how all that was tried stands (`measure`: what is compared of losses), and each training."""

    text: str
    standings: tuple[Standing, ...] | tuple[LossStanding, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    measure: str = ""


def loss_svg(attempt: Attempt) -> "Markup":
    """Return the losses by epoch."""
    lines = [
        ("train", [(one.epoch, one.train_loss) for one in attempt.points]),
        ("valid", [(one.epoch, one.valid_loss) for one in attempt.points]),
    ]
    return _curves(lines, what="loss", best=attempt.best_epoch, top=None)


def accuracy_svg(attempt: Attempt) -> "Markup":
    """Return the accuracies by epoch."""
    lines = [
        ("train", [(one.epoch, one.train_accuracy) for one in attempt.points]),
        ("valid", [(one.epoch, one.valid_accuracy) for one in attempt.points]),
    ]
    return _curves(lines, what=attempt.accuracy, best=attempt.best_epoch, top=1.0)


def rate_svg(attempt: Attempt) -> "Markup":
    """Return the loss by learning rate, on a scale of powers of ten, a mark at the rate that was taken."""
    exponents = [math.log10(rate) for rate, _ in attempt.tried]
    first, last = exponents[0], max(exponents[-1], exponents[0] + 1e-9)
    losses = [loss for _, loss in attempt.tried]
    low, high = min(losses), max(*losses, min(losses) + 1e-9)

    def x(exponent: float) -> str:
        return number(LEFT + WIDTH * (exponent - first) / (last - first))

    def y(loss: float) -> str:
        return number(TOP + HEIGHT * (1 - (loss - low) / (high - low)))

    parts = _axes(
        [(y(tick), f"{tick:g}") for tick in ticks(low, high, n_wanted=4)],
        [(x(power), f"{10.0**power:g}") for power in range(math.ceil(first), math.floor(last) + 1)],
        below="learning rate",
    )
    if attempt.rate > 0:
        parts.append(f'<path class="ideal" d="M{x(math.log10(attempt.rate))} {TOP}V{TOP + HEIGHT}"/>')
    path = "L".join(f"{x(one)} {y(loss)}" for one, loss in zip(exponents, losses, strict=True))
    parts.append(f'<path class="curve valid" d="M{path}"/>')
    return _plot(parts, f"Loss by learning rate, which rises from step to step; {attempt.rate:.2g} was taken")


def render_curves(attempt: Attempt, *, lead: str) -> str:
    """Return a piece of HTML with the curves so far, for a notebook."""
    return render("curves_fragment.html", lead=lead, loss=loss_svg(attempt), accuracy=accuracy_svg(attempt))


def _curves(
    lines: Sequence[tuple[str, list[tuple[int, float | None]]]], *, what: str, best: int, top: float | None
) -> "Markup":
    """Return lines over epochs (from 1), a mark at the best one; losses are drawn from 0."""
    values = [value for _, line in lines for _, value in line if value is not None]
    last = max((epoch for _, line in lines for epoch, _ in line), default=0) + 1
    low = 0.0 if top is None else min([*values, top])
    high = top if top is not None else max([*values, 1e-9])

    def x(epoch: int) -> str:
        return number(LEFT + WIDTH * (epoch / max(last - 1, 1)))

    def y(value: float) -> str:
        return number(TOP + HEIGHT * (1 - (value - low) / max(high - low, 1e-9)))

    def shown(value: float) -> str:
        return f"{value:g}" if top is None else f"{100 * value:g}\N{NO-BREAK SPACE}%"

    numbers = sorted({round(tick) for tick in ticks(1, max(last, 2), n_wanted=6)})
    parts = _axes(
        [(y(tick), shown(tick)) for tick in ticks(low, high, n_wanted=4)],
        [(x(epoch - 1), str(epoch)) for epoch in numbers if epoch <= last],
        below="epoch",
    )
    if 0 <= best < last:
        parts.append(f'<path class="ideal" d="M{x(best)} {TOP}V{TOP + HEIGHT}"/>')
    for kind, line in lines:
        known = [(epoch, value) for epoch, value in line if value is not None]
        if known:
            path = "L".join(f"{x(epoch)} {y(value)}" for epoch, value in known)
            parts.append(f'<path class="curve {kind}" d="M{path}"/>')
            parts += [
                f'<circle class="curve {kind}" cx="{x(e)}" cy="{y(v)}" r="2.5"/>' for e, v in known[:60]
            ]
    parts.append(f'<text class="axis" x="{LEFT}" y="{TOP - 8}">{what}</text>')
    return _plot(parts, f"{what.capitalize()} by epoch, of training and validation, as in the table below")


def _axes(heights: Sequence[tuple[str, str]], places: Sequence[tuple[str, str]], *, below: str) -> list[str]:
    """Return a plot's frame, with (place, label) of the rules across it and of the numbers below it, and what these are."""
    parts = [f'<rect class="plot" x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}"/>']
    for y, label in heights:
        parts.append(f'<path class="rule" d="M{LEFT} {y}H{LEFT + WIDTH}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{number(float(y) + 4.5)}" text-anchor="end">{label}</text>')
    parts += [
        f'<text x="{x}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{label}</text>' for x, label in places
    ]
    middle = f'x="{LEFT + WIDTH / 2:g}" y="{TOP + HEIGHT + 38}" text-anchor="middle"'
    return [*parts, f'<text class="axis" {middle}>{below}</text>']


def _plot(parts: Sequence[str], label: str) -> "Markup":
    """Return the picture of a plot; `label` says what it shows to those who cannot see it."""
    size = f"0 0 {LEFT + WIDTH + 16} {TOP + HEIGHT + 46}"
    return svg("curves", f'viewBox="{size}" role="img" aria-label="{label}"', parts)
