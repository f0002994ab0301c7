"""Linear heads with an L2 penalty, several at once: conjugate gradients, preconditioned by leading eigenvectors.

In: a space, a loss, and each problem's row weights (a held-out row weighs 0). Out: parameters, biases and logits on every
row. The objective of a problem is sum(weight * loss) + penalty / 2 * |weights|^2, biases all but free. The logits are
linear in the step, so that the line search costs no product with the features.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.learn.probe.losses import Loss
from fovea.learn.probe.products import Reals, each
from fovea.learn.probe.spaces import Space

Start: TypeAlias = tuple[Reals, Reals]
"""Parameters (k, problems, p) and biases (k, problems) to begin with."""

BIAS_PENALTY = 1e-6  # keeps the bias of a class that a problem has no row of from running away
_CURVATURE = 0.1  # what p (1 - p) is taken for in the preconditioner; any value between 0.03 and 0.25 does
_MAX_ITERATIONS = 200
# When the preconditioner is made anew; oftener loses conjugacy: every tenth step never converged on products.
_REFRESHED_AT = (3, 8, 16, 28, 45, 70, 110, 170)
_MOST_NUMBERS = 2**25


@dataclass(frozen=True, slots=True)
class Solution:
    """Parameters (k, problems, p), biases (k, problems), logits with bias (k, problems, m); sizes of the gradient.

    `gradient` is the preconditioned gradient's norm as a share of that at the start, the worst of the problems.
    """

    params: Reals
    bias: Reals
    logits: Reals
    objective: NDArray[np.float64]
    gradient: float
    n_iterations: int


@dataclass(slots=True)
class _Point:
    params: Reals
    image: Reals  # (k, problems, m), without bias
    bias: Reals

    def moved(self, step: Reals, by: "_Point") -> "_Point":
        wide = step[None, :, None]
        return _Point(
            self.params + wide * by.params, self.image + wide * by.image, self.bias + step * by.bias
        )


@dataclass(frozen=True, slots=True)
class Problems:
    """A loss over rows, row weights (problems, m) that sum to 1 each, and the penalty of all problems."""

    space: Space
    loss: Loss
    row_weights: Reals
    penalty: float

    def zero(self) -> _Point:
        """Return the point where every logit is 0."""
        n_problems, n_rows = self.row_weights.shape
        dtype = self.row_weights.dtype
        n_params = len(self.space.leading.read)
        return _Point(
            np.zeros((self.loss.n_columns, n_problems, n_params), dtype),
            np.zeros((self.loss.n_columns, n_problems, n_rows), dtype),
            np.zeros((self.loss.n_columns, n_problems), dtype),
        )

    def objective(self, start: Start) -> float:
        """Return the mean objective of the problems at a start."""
        return float(self.evaluate(_Point(start[0], self.image(start[0]), start[1]))[0].mean())

    def start_at(self, logits: Reals) -> Start:
        """Return the start whose weights would be best if these logits (k, problems, m) were its own (with bias)."""
        e = np.exp(logits - logits.max(0))
        zero = self.zero()
        residuals, _ = self.gradient(zero, e / e.sum(0))
        return -residuals / self.penalty, zero.bias

    def image(self, params: Reals) -> Reals:
        """Return the logits without bias (k, problems, m) of parameters (k, problems, p)."""
        k, n_problems, p = params.shape
        return self.space.image(params.reshape(-1, p)).reshape(k, n_problems, -1)

    def inner(self, left: Reals, right: Reals, image: Reals) -> NDArray[np.float64]:
        """Return the inner products (problems,) of two parameters' weights."""
        k, n_problems, _ = left.shape
        flat = [part.reshape(k * n_problems, -1) for part in (left, right, image)]
        products = self.space.inner(flat[0], flat[1], flat[2]).reshape(k, n_problems)
        return np.asarray(products.sum(0), np.float64)

    def evaluate(self, point: _Point) -> tuple[NDArray[np.float64], Reals]:
        """Return the objective (problems,) and the probabilities (k, problems, m) at a point."""
        loss, probabilities = self.loss.value(point.image + point.bias[:, :, None], self.row_weights)
        size = self.inner(point.params, point.params, point.image)
        return loss + self.penalty / 2 * size + BIAS_PENALTY / 2 * np.square(point.bias).sum(0), probabilities

    def gradient(self, point: _Point, probabilities: Reals) -> tuple[Reals, Reals]:
        """Return the gradient for parameters (k, problems, p) and biases (k, problems)."""
        residuals = self.loss.residuals(probabilities, self.row_weights)
        k, n_problems, m = residuals.shape
        back = self.space.gradient(residuals.reshape(-1, m)).reshape(k, n_problems, -1)
        bias = residuals.sum(2, dtype=np.float64) + BIAS_PENALTY * point.bias
        return back + self.penalty * point.params, bias.astype(point.bias.dtype)

    def preconditioner(self, probabilities: Reals | None) -> Reals:
        """Return (curvature + penalty)^-1 - 1 / penalty along the leading directions and the bias, (k, problems, r + 1, r + 1).

        The curvature is that at the probabilities (k, problems, m), or a uniform one; the first axis is 1 (a mean over
        classes) where k of them would take too much memory.
        """
        scores, sampled = self.space.leading.scores, self.space.leading.sampled
        scores = np.column_stack([scores, np.ones(len(scores), scores.dtype)])
        k, n_problems, r = self.loss.n_columns, len(self.row_weights), scores.shape[1]
        weights = self.row_weights[:, sampled]
        weights = weights / weights.sum(1, keepdims=True)
        if probabilities is None:
            rows = (_CURVATURE * weights)[None]
        else:
            p = probabilities[:, :, sampled]
            rows = weights * p * (1 - p)
            if k * n_problems * r * r > _MOST_NUMBERS:
                rows = (
                    rows.sum(0, keepdims=True) / 2
                )  # the mean, weighted by itself, of two classes in dispute
        made = np.empty((len(rows), n_problems, r, r), scores.dtype)
        ridge = np.append(np.full(r - 1, self.penalty), BIAS_PENALTY + 1e-4).astype(scores.dtype)
        known = np.append(np.full(r - 1, 1 / self.penalty), 0).astype(scores.dtype)

        def compute(number: int) -> None:
            c, j = divmod(number, n_problems)
            inside = (scores * rows[c, j][:, None]).T @ scores
            made[c, j] = np.linalg.inv(inside + np.diag(ridge)) - np.diag(known)

        each(compute, range(len(rows) * n_problems))
        return made

    def precondition(self, gradient: Reals, bias: Reals, inverse: Reals) -> tuple[Reals, Reals]:
        """Return about (curvature + penalty)^-1 times the gradient, for parameters and biases."""
        leading = self.space.leading
        k, n_problems, p = gradient.shape
        along = (gradient.reshape(-1, p) @ leading.read).reshape(k, n_problems, -1)
        along = np.concatenate([along, bias[:, :, None]], axis=2)[:, :, None]
        moved = (along @ inverse)[:, :, 0]
        back = moved[:, :, :-1].reshape(k * n_problems, -1) @ leading.write.T
        return gradient / self.penalty + back.reshape(gradient.shape), moved[:, :, -1]

    def curvature(self, probabilities: Reals, by: _Point) -> NDArray[np.float64]:
        """Return the objective's second derivative (problems,) along a direction."""
        along = by.image + by.bias[:, :, None]
        spread = self.loss.spread(probabilities, along)
        size = self.inner(by.params, by.params, by.image)
        bias = BIAS_PENALTY * np.square(by.bias).sum(0)
        rows = np.einsum("pm,pm->p", self.row_weights.astype(np.float64), spread)
        return np.asarray(rows + self.penalty * size + bias, np.float64)


def solve(problems: Problems, *, tolerance: float, start: Start | None = None) -> Solution:
    """Minimise every problem's objective until its preconditioned gradient is `tolerance` of that at zero.

    The same input gives the same bytes on one machine.
    """
    point = problems.zero()
    value, probabilities = problems.evaluate(point)
    inverse = problems.preconditioner(None)
    floor = _slope_at(problems, point, probabilities, inverse) * tolerance**2
    if start is not None:
        point = _Point(start[0], problems.image(start[0]), start[1])
        value, probabilities = problems.evaluate(point)
        inverse = problems.preconditioner(probabilities)
    direction: _Point | None = None
    before = left = np.ones_like(value)
    old = (point.params, point.bias)
    for n_iterations in range(_MAX_ITERATIONS):
        g, g_bias = problems.gradient(point, probabilities)
        if n_iterations in _REFRESHED_AT:
            inverse, direction = problems.preconditioner(probabilities), None
            point.image = problems.image(point.params)  # the sum of many steps has drifted
        step, step_bias = problems.precondition(g, g_bias, inverse)
        down = _Point(-step, -problems.image(step), -step_bias)
        left = -_slope_along(problems, (g, g_bias), down)
        if (left <= floor).all():
            break
        if direction is not None:
            keep = np.maximum((left + _slope_along(problems, old, down)) / np.maximum(before, 1e-30), 0)
            moved = down.moved(keep.astype(g.dtype), direction)
            downhill = _slope_along(problems, (g, g_bias), moved) < 0
            down = (
                moved
                if downhill.all()
                else down.moved(np.where(downhill, keep, 0).astype(g.dtype), direction)
            )
        direction, before, old = down, left, (g, g_bias)
        point, value, probabilities, stuck = _search(
            problems,
            point,
            value=value,
            probabilities=probabilities,
            direction=direction,
            slope=_slope_along(problems, old, direction),
            active=left > floor,
        )
        if stuck:
            break
    point.image = problems.image(point.params)
    share = float(np.sqrt(np.maximum(left / np.maximum(floor, 1e-300), 0).max()) * tolerance)
    return Solution(
        point.params, point.bias, point.image + point.bias[:, :, None], value, share, n_iterations
    )


def _slope_along(problems: Problems, gradient: tuple[Reals, Reals], along: _Point) -> NDArray[np.float64]:
    """Return the slope of each problem's objective in a direction, of the gradient and that of the biases."""
    product = problems.inner(gradient[0], along.params, along.image) + (gradient[1] * along.bias).sum(0)
    return np.asarray(product, np.float64)


def _slope_at(problems: Problems, point: _Point, probabilities: Reals, inverse: Reals) -> NDArray[np.float64]:
    """Return the squared norm (problems,) of the preconditioned gradient."""
    g, g_bias = problems.gradient(point, probabilities)
    step, step_bias = problems.precondition(g, g_bias, inverse)
    norm = problems.inner(g, step, problems.image(step)) + (g_bias * step_bias).sum(0)
    return np.asarray(norm, np.float64)


def _search(
    problems: Problems,
    point: _Point,
    *,
    value: NDArray[np.float64],
    probabilities: Reals,
    direction: _Point,
    slope: NDArray[np.float64],
    active: NDArray[np.bool_],
) -> tuple[_Point, NDArray[np.float64], Reals, bool]:
    """Take Newton's step along a direction, shortened where it does not go down; the last value: nobody moved."""
    bend = problems.curvature(probabilities, direction)
    # Convex as it is, it cannot bend downwards: where it seems to, rounding is all that is left of the direction.
    steps = np.where(active & (slope < 0) & (bend > 0), -slope / np.maximum(bend, 1e-30), 0.0)
    slack = 1e-7 * np.abs(value)  # float32 cannot tell smaller differences
    for _ in range(12):
        new = point.moved(steps.astype(point.params.dtype), direction)
        new_value, new_probabilities = problems.evaluate(new)
        worse = ~(new_value <= value + slack)
        if not worse.any():
            break
        steps = np.where(worse, steps * 0.25, steps)
    else:
        steps = np.where(worse, 0.0, steps)
        new = point.moved(steps.astype(point.params.dtype), direction)
        new_value, new_probabilities = problems.evaluate(new)
    return new, new_value, new_probabilities, not (steps > 0).any()
