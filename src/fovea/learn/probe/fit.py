"""Features and labels in, a fitted head and out-of-fold logits out.

Chosen by cross-validation on what is given, by the log loss after one temperature, since that is what a user sees: the
penalty, and, for up to 2,000 rows, whether the network's earlier stages count as much as its last one (many or unusual
pictures) or an eighth of it (few pictures of everyday things).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.features import available_cores
from fovea.learn.probe.head import Head
from fovea.learn.probe.products import computing, each
from fovea.learn.probe.solve import Problems, Solution, Start, solve
from fovea.learn.probe.spaces import Rows, Space, columns, span

if TYPE_CHECKING:
    from fovea.features import Stage

Features: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-8, 5))  # 1e-4 to 100, half a decade apart
FIRST_PENALTY = 0.1  # from here down each step warms the next; beginning lower takes longer in all
EARLIER_SHARES = (1.0, 0.125)  # of the last stage's variance: best for products and flowers, for ants_bees
_SPAN_ROWS = 1.5  # rows a column up to which the span is faster than feature space
_WEIGHED_ROWS = (
    2_000  # with more, how much earlier stages weigh is for the rows to say, and is not searched for
)
_EXACT_ROWS = 1_500  # so few rows are computed in float64, which then costs nothing
_WORTH = 1e-4  # a gain in log loss below this is none
_CHUNK_ROWS = 512
_MOST_NUMBERS = 2**24  # logits that are worked on at once
_SEARCHED, _REFINED, _FINAL = 1e-2, 1e-3, 1e-3  # shares of the first gradient at which the solver stops
_EXACT_FINAL = 1e-6  # the same in float64


@dataclass(frozen=True, slots=True)
class ProbeFit:
    """What `fit_probe` returns.

    `oof_logits` (n, k) float32 hold every row's logits from a head with the chosen penalty that did not see its fold.
    `path` holds (penalty, out-of-fold log loss after one temperature) of the chosen weighing of stages, by penalty.
    `earlier_share` is that weighing: the earlier stages' variance as a share of the last one's.
    """

    head: Head
    oof_logits: NDArray[np.float32]
    path: tuple[tuple[float, float], ...]
    seconds: float
    earlier_share: float = 1.0


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

    The head minimises mean cross-entropy + penalty / 2 * |weights|^2 (weights of standardised features; earlier stages
    are scaled by the root of `earlier_share` first). Standardised by all rows given, in every fold alike: no label enters.

    Args:
        features: (n, d) float32, any finite range; n from 4.
        labels: (n,) in [0, k), k from 2; a class may be absent.
        folds: (n,) fold numbers, at least two different ones; rows of a number are held out together.
        class_names: the k names, which go into the head.
        stages: columns of each stage in the network's order; without them all columns count alike.
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
        rows, scale = _standardised(np.asarray(features, np.float32), extra_views)
        data = _Data(
            labels=np.concatenate([labels, *([labels] * (len(rows.blocks) - 1))]),
            folds=np.concatenate([folds, *([folds] * (len(rows.blocks) - 1))]),
            weights=_row_weights(labels, k=len(class_names), balance=balance, n_views=len(rows.blocks) - 1),
            n_classes=len(class_names),
            n_plain=len(labels),
        )
        warm = warm_start if warm_start and _fits(warm_start, class_names, features.shape[1]) else None
        trials = _search(
            data, _spaces(rows, stages, seed=seed), first=warm.penalty if warm else FIRST_PENALTY
        )
        best = min(trials, key=lambda trial: trial.loss)
        refined = _cross_validate(data, best.view, penalty=best.penalty, tolerance=_REFINED, start=best.folds)
        final = _fit_all(data, refined, warm=warm.logits(features) if warm and extra_views is None else None)
        head = Head(
            weights=(best.view.space.weights(final.params[:, 0]) * best.view.emphasis).astype(np.float32),
            bias=(final.bias - final.bias.mean(0))[:, 0].astype(np.float32),  # a shift of all changes nothing
            mean=rows.mean,
            scale=scale,
            class_names=tuple(class_names),
            penalty=best.penalty,
        )
    path = sorted((trial.penalty, trial.loss) for trial in trials if trial.view is best.view)
    return ProbeFit(head, refined.logits, tuple(path), time.perf_counter() - begun, best.view.earlier_share)


@dataclass(frozen=True, slots=True)
class _Data:
    """Rows of all views (m,): labels, folds and weights; the first n_plain are the plain ones."""

    labels: Labels
    folds: NDArray[np.int64]
    weights: NDArray[np.float64]
    n_classes: int
    n_plain: int


@dataclass(frozen=True, slots=True)
class _View:
    """A space whose earlier stages are scaled: emphasis (d,) is what the standardised columns are multiplied by."""

    space: Space
    earlier_share: float
    emphasis: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Trial:
    """One cross-validation: out-of-fold logits (n, k) of the plain rows, their loss, and the folds' solutions."""

    view: _View
    penalty: float
    loss: float
    logits: NDArray[np.float32]
    folds: tuple[Start, ...]


def _search(data: _Data, views: list[_View], *, first: float) -> list[_Trial]:
    """Return trials: every view at the first penalty, then the better view downhill along the penalties."""
    at = int(np.argmin(np.abs(np.log(PENALTIES) - np.log(first))))
    trials = [_cross_validate(data, view, penalty=PENALTIES[at], tolerance=_SEARCHED) for view in views]
    best = min(trials, key=lambda trial: trial.loss)
    for way in (-1, 1):
        place, moved = at + way, False
        while 0 <= place < len(PENALTIES):
            penalty = PENALTIES[place]
            trial = _cross_validate(data, best.view, penalty=penalty, tolerance=_SEARCHED, start=best.folds)
            trials.append(trial)
            if trial.loss >= best.loss - _WORTH:
                break
            best, place, moved = trial, place + way, True
        if moved:
            break
    return trials


def _cross_validate(
    data: _Data, view: _View, *, penalty: float, tolerance: float, start: tuple[Start, ...] | None = None
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
            _problems(data, view.space, kept, penalty),
            tolerance=tolerance,
            start=start[batch] if start else None,
        )
        solutions.append((found.params, found.bias))
        for place, number in enumerate(some):
            out = np.flatnonzero(data.folds[: data.n_plain] == number)
            logits[out] = found.logits[:, place, out].T
    loss = _tempered_log_loss(logits, data.labels[: data.n_plain], data.weights[: data.n_plain])
    return _Trial(view, penalty, loss, logits, tuple(solutions))


def _fit_all(data: _Data, trial: _Trial, *, warm: NDArray[np.float32] | None) -> Solution:
    """Fit the head on all rows, from the mean of the folds' solutions or from an earlier head's logits (n, k)."""
    space = trial.view.space
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
    return solve(problems, tolerance=_EXACT_FINAL if exact else _FINAL, start=best)


def _problems(data: _Data, space: Space, weights: NDArray[np.float64], penalty: float) -> Problems:
    shares = (weights / weights.sum(1, keepdims=True)).astype(space.dtype)
    return Problems(space, data.labels, data.n_classes, shares, penalty)


def _row_weights(labels: Labels, *, k: int, balance: bool, n_views: int) -> NDArray[np.float64]:
    """Return the weights (n * (1 + n_views),) of all rows."""
    plain = np.ones(len(labels))
    if balance:
        plain = 1 / np.bincount(labels, minlength=k)[labels]
    return np.concatenate([plain, *([plain / max(n_views, 1)] * n_views)])


def _fits(head: Head, class_names: Sequence[str], n_columns: int) -> bool:
    return head.class_names == tuple(class_names) and head.weights.shape[1] == n_columns


def _standardised(features: Features, views: Features | None) -> tuple[Rows, NDArray[np.float32]]:
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
    gain = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    blocks = (features, *(() if views is None else (np.asarray(views[:, v]) for v in range(views.shape[1]))))
    return Rows(blocks, mean.astype(np.float32), gain.astype(np.float32)), scale.astype(np.float32)


def _spaces(rows: Rows, stages: "Sequence[Stage]", *, seed: int) -> list[_View]:
    """Return a view for each share of the earlier stages; one where there are none."""
    n_rows, d = sum(len(block) for block in rows.blocks), len(rows.mean)
    last = _last_columns(stages, d)
    shares = EARLIER_SHARES if last.start > 0 and n_rows <= _WEIGHED_ROWS else EARLIER_SHARES[:1]
    in_span = n_rows <= _SPAN_ROWS * d
    dtype: type[np.floating] = np.float64 if n_rows <= _EXACT_ROWS else np.float32
    parts = (slice(0, last.start), last) if len(shares) > 1 else (slice(0, 0), slice(0, d))
    grams = [rows.gram(part, dtype) for part in parts] if in_span else []
    views = []
    for share in shares:
        emphasis = np.ones(d, np.float32)
        emphasis[: last.start] = share**0.5
        scaled = Rows(rows.blocks, rows.mean, rows.gain * emphasis)
        space = (
            span(scaled, grams[0] * dtype(share) + grams[1], seed=seed)
            if in_span
            else columns(scaled, seed=seed)
        )
        views.append(_View(space, share, emphasis))
    return views


def _last_columns(stages: "Sequence[Stage]", d: int) -> slice:
    """Return the columns of the last place in the network, however many ways it is pooled."""
    place = stages[-1].name.split(":")[0] if stages else ""
    return slice(min((s.start for s in stages if s.name.split(":")[0] == place), default=0), d)


def _tempered_log_loss(logits: NDArray[np.float32], labels: Labels, weights: NDArray[np.float64]) -> float:
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
