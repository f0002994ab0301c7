"""Features and labels in, a fitted head and out-of-fold logits out.

The penalty is chosen by cross-validation on what is given, by the log loss after one temperature, since that is what a
user sees.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.features import available_cores
from fovea.learn.probe.head import Head
from fovea.learn.probe.losses import Softmax
from fovea.learn.probe.penalty import search_penalty
from fovea.learn.probe.products import computing, each
from fovea.learn.probe.solve import Problems, Solution, Start, solve
from fovea.learn.probe.spaces import Rows, Space, columns, span

if TYPE_CHECKING:
    from fovea.features import Stage

Features: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-8, 5))  # 1e-4 to 100, half a decade apart
SMOOTHING = (
    0.05  # of the labels (Szegedy 2016): flowers +0.4, products +0.3 points, and the fit converges sooner
)
FIRST_PENALTY = 0.1  # from here down each step warms the next; beginning lower takes longer in all
SPAN_ROWS = 1.5  # rows a column up to which the span is faster than feature space
EXACT_ROWS = 1_500  # so few rows are computed in float64, which then costs nothing
WORTH = 1e-4  # a gain in log loss below this is none
_SMALLEST_SCALE = 0.1  # of the median: a channel that hardly ever spoke would shout when it does
_CHUNK_ROWS = 512
_MOST_NUMBERS = 2**24  # logits that are worked on at once
SEARCHED, REFINED, FINAL = 1e-2, 1e-3, 1e-3  # shares of the first gradient at which the solver stops
EXACT_FINAL = 1e-6  # the same in float64


@dataclass(frozen=True, slots=True)
class ProbeFit:
    """What `fit_probe` returns.

    `oof_logits` (n, k) float32 hold every row's logits from a head with the chosen penalty that did not see its fold.
    `path` holds (penalty, out-of-fold log loss after one temperature), by penalty.
    """

    head: Head
    oof_logits: NDArray[np.float32]
    path: tuple[tuple[float, float], ...]
    seconds: float


def fit_probe(
    features: Features,
    labels: Labels,
    *,
    folds: NDArray[np.int64],
    class_names: Sequence[str],
    stages: "Sequence[Stage]" = (),
    balance: bool = False,
    seed: int = 0,
    warm_start: Head | None = None,
    extra_views: Features | None = None,
    threads: int | None = None,
) -> ProbeFit:
    """Fit a softmax regression on standardised features, its penalty chosen by cross-validation.

    The head minimises mean cross-entropy + penalty / 2 * |weights|^2, the labels smoothed by 0.05 (Szegedy 2016), the weights
    those of standardised features. Standardised by all rows given, in every fold alike: no label enters. The columns of a
    softmax share one deviation: which of its classes vary says what the pictures are of. No deviation counts as less than
    a tenth of the median.

    Args:
        features: (n, d) float32, any finite range; n from 4.
        labels: (n,) in [0, k), k from 2; a class may be absent.
        folds: (n,) fold numbers, at least two different ones; rows of a number are held out together.
        class_names: the k names, which go into the head.
        stages: columns of each stage; those of a softmax are told by its name.
        balance: every class weighs the same, however many rows it has.
        seed: of the random vectors that the solver's preconditioner starts from.
        warm_start: an earlier head; where classes and columns are the same, the search begins with its penalty and the
            last fit with its answers. Folds never do: it has seen their held-out rows.
        extra_views: (n, v, d) float32, further views of the same pictures; each enters the fit with weight 1 / v.
        threads: to compute in; all cores that this process may use where None. The result does not depend on it.

    Returns:
        The head, fitted on all rows, and the evidence. The same input gives the same bytes on one machine.

    Raises:
        ValueError: fewer than two folds.

    """
    begun = time.perf_counter()
    if len(np.unique(folds)) < 2:
        raise ValueError(f"cross-validation needs two folds or more, found the numbers {np.unique(folds)}")
    with computing(threads or available_cores()):
        rows, scale = standardise(np.asarray(features, np.float32), extra_views, stages=stages)
        data = _Data(
            labels=np.concatenate([labels, *([labels] * (len(rows.blocks) - 1))]),
            folds=np.concatenate([folds, *([folds] * (len(rows.blocks) - 1))]),
            weights=_row_weights(labels, k=len(class_names), balance=balance, n_views=len(rows.blocks) - 1),
            n_classes=len(class_names),
            n_plain=len(labels),
        )
        warm = warm_start if warm_start and _fits(warm_start, class_names, features.shape[1]) else None
        trials = _search(data, choose_space(rows, seed=seed), first=warm.penalty if warm else FIRST_PENALTY)
        best = min(trials, key=lambda trial: trial.loss)
        refined = _cross_validate(data, best.space, penalty=best.penalty, tolerance=REFINED, start=best.folds)
        final = _fit_all(data, refined, warm=warm.logits(features) if warm and extra_views is None else None)
        head = Head(
            weights=best.space.weights(final.params[:, 0]).astype(np.float32),
            bias=(final.bias - final.bias.mean(0))[:, 0].astype(np.float32),  # a shift of all changes nothing
            mean=rows.mean,
            scale=scale,
            class_names=tuple(class_names),
            penalty=best.penalty,
        )
    path = sorted((trial.penalty, trial.loss) for trial in trials)
    return ProbeFit(head, refined.logits, tuple(path), time.perf_counter() - begun)


@dataclass(frozen=True, slots=True)
class _Data:
    """Rows of all views (m,): labels, folds and weights; the first n_plain are the plain ones."""

    labels: Labels
    folds: NDArray[np.int64]
    weights: NDArray[np.float64]
    n_classes: int
    n_plain: int


@dataclass(frozen=True, slots=True)
class _Trial:
    """One cross-validation: out-of-fold logits (n, k) of the plain rows, their loss, and the folds' solutions."""

    space: Space
    penalty: float
    loss: float
    logits: NDArray[np.float32]
    folds: tuple[Start, ...]


def _search(data: _Data, space: Space, *, first: float) -> list[_Trial]:
    """Return trials: the first penalty, then downhill along the penalties."""

    def attempt(penalty: float, best: _Trial | None) -> _Trial:
        start = None if best is None else best.folds
        return _cross_validate(data, space, penalty=penalty, tolerance=SEARCHED, start=start)

    return search_penalty(attempt, penalties=PENALTIES, first=first, worth=WORTH)


def _cross_validate(
    data: _Data, space: Space, *, penalty: float, tolerance: float, start: tuple[Start, ...] | None = None
) -> _Trial:
    """Fit every fold's head and return the logits of the rows that it did not see."""
    numbers = np.unique(data.folds)
    together = max(1, int(_MOST_NUMBERS // (data.n_classes * len(data.labels))))
    logits = np.empty((data.n_plain, data.n_classes), np.float32)
    solutions: list[Start] = []
    for batch, begin in enumerate(range(0, len(numbers), together)):
        some = numbers[begin : begin + together]
        kept = data.weights * (data.folds != some[:, None])
        found = solve(
            _problems(data, space, kept, penalty),
            tolerance=tolerance,
            start=start[batch] if start else None,
        )
        solutions.append((found.params, found.bias))
        for place, number in enumerate(some):
            out = np.flatnonzero(data.folds[: data.n_plain] == number)
            logits[out] = found.logits[:, place, out].T
    loss = tempered_log_loss(logits, data.labels[: data.n_plain], data.weights[: data.n_plain])
    return _Trial(space, penalty, loss, logits, tuple(solutions))


def _fit_all(data: _Data, trial: _Trial, *, warm: NDArray[np.float32] | None) -> Solution:
    """Fit the head on all rows, from the mean of the folds' solutions or from an earlier head's logits (n, k)."""
    space = trial.space
    exact = space.dtype == np.float64
    problems = _problems(data, space, data.weights[None], trial.penalty)
    starts = [
        (
            np.concatenate([params for params, _ in trial.folds], axis=1).mean(1, keepdims=True),
            np.concatenate([bias for _, bias in trial.folds], axis=1).mean(1, keepdims=True),
        )
    ]
    if warm is not None:
        starts.append(problems.start_at(warm.T[:, None].astype(space.dtype)))
    best = min(starts, key=problems.objective)
    return solve(problems, tolerance=EXACT_FINAL if exact else FINAL, start=best)


def _problems(data: _Data, space: Space, weights: NDArray[np.float64], penalty: float) -> Problems:
    shares = (weights / weights.sum(1, keepdims=True)).astype(space.dtype)
    return Problems(space, Softmax(data.labels, data.n_classes, SMOOTHING), shares, penalty)


def _row_weights(labels: Labels, *, k: int, balance: bool, n_views: int) -> NDArray[np.float64]:
    """Return the weights (n * (1 + n_views),) of all rows."""
    plain = np.ones(len(labels))
    if balance:
        plain = 1 / np.bincount(labels, minlength=k)[labels]
    return np.concatenate([plain, *([plain / max(n_views, 1)] * n_views)])


def _fits(head: Head, class_names: Sequence[str], n_columns: int) -> bool:
    return head.class_names == tuple(class_names) and head.weights.shape[1] == n_columns


def standardise(
    features: Features, views: Features | None, *, stages: "Sequence[Stage]"
) -> tuple[Rows, NDArray[np.float32]]:
    """Return the rows of all views, gain 1 / deviation of the plain ones, and the deviation (d,), 0 where constant."""
    chunks = [features[i : i + _CHUNK_ROWS] for i in range(0, len(features), _CHUNK_ROWS)]
    mean = np.sum([chunk.sum(0, dtype=np.float64) for chunk in chunks], axis=0) / len(features)
    squares = np.zeros((len(chunks), len(mean)))

    def measure(number: int) -> None:
        away = chunks[number] - mean.astype(np.float32)
        squares[number] = np.einsum("nd,nd->d", away, away)

    each(measure, range(len(chunks)))
    squares = squares.sum(0)
    scale = np.sqrt(squares / len(features))
    scale[scale <= 1e-6 * np.abs(mean)] = 0
    tapped = np.ones(len(scale), bool)
    for stage in stages:
        if stage.name.endswith(":softmax"):
            part = slice(stage.start, stage.stop)
            scale[part], tapped[part] = np.sqrt(np.mean(scale[part] ** 2)), False
    live = tapped & (scale > 0)
    if live.any():
        scale[live] = np.maximum(scale[live], _SMALLEST_SCALE * np.median(scale[live]))
    gain = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    blocks = (features, *(() if views is None else (np.asarray(views[:, v]) for v in range(views.shape[1]))))
    return Rows(blocks, mean.astype(np.float32), gain.astype(np.float32)), scale.astype(np.float32)


def choose_space(rows: Rows, *, seed: int) -> Space:
    """Return the space in which the search is faster."""
    n_rows, d = sum(len(block) for block in rows.blocks), len(rows.mean)
    if n_rows > SPAN_ROWS * d:
        return columns(rows, seed=seed)
    return span(rows, rows.gram(np.float64 if n_rows <= EXACT_ROWS else np.float32), seed=seed)


def tempered_log_loss(logits: NDArray[np.float32], labels: Labels, weights: NDArray[np.float64]) -> float:
    """Return the mean log loss under the temperature that makes it smallest (Newton's steps on 1 / temperature)."""
    z = logits.astype(np.float64)
    z -= z.max(1, keepdims=True)
    share = weights / weights.sum()
    hit = z[np.arange(len(z)), labels]
    sharpness, loss = 1.0, np.inf
    for _ in range(20):
        e = np.exp(sharpness * z)
        total = e.sum(1)
        loss = float(share @ (np.log(total) - sharpness * hit))
        mean = (e * z).sum(1) / total
        spread = (e * z * z).sum(1) / total - mean**2
        slope, bend = float(share @ (mean - hit)), float(share @ spread)
        step = slope / max(bend, 1e-12)
        new = float(np.clip(sharpness - step, sharpness / 3, sharpness * 3))
        if abs(new - sharpness) < 1e-6 * sharpness:
            break
        sharpness = min(max(new, 0.05), 20.0)  # where nothing is wrong, the best is without bound
    return loss
