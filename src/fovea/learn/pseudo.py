"""Pseudo-labels: what a probe and the neighbours agree on best is learned from as if a person had labelled it.

In: features of labelled and unlabelled pictures. Out: a head, its out-of-fold logits, and what was added in which round. Every
round is judged by cross-validation on the labelled pictures alone, each fold without the labels of its pictures all the way (but
for one number: the others' answers, which give the temperature, have heard them).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.features import available_cores
from fovea.judge import fit_temperature, softmax
from fovea.learn.neighbourhood import Neighbourhood, find_neighbourhood
from fovea.learn.probe.fit import SMOOTHING, choose_space, fit_probe, standardise, tempered_log_loss
from fovea.learn.probe.head import Head
from fovea.learn.probe.losses import Softmax
from fovea.learn.probe.products import computing
from fovea.learn.probe.solve import Problems, solve
from fovea.learn.probe.spaces import Rows
from fovea.progress import Progress, silent

if TYPE_CHECKING:
    from fovea.features import Stage
    from fovea.learn.probe.fit import ProbeFit

SHARES = (0.5, 0.67)  # of the pictures answered with a class, the surest, by round: lab/LOG.md
LOWEST = 0.1  # of the labelled: what hears the labelled less than these hear each other may be of no class
LEAST = 0.5  # probability, calibrated, that a label is right: below it more often is not (lab/LOG.md)
MANY = 0.4  # of the pile below that: strangers are among it; without any at most 0.36 were (lab/LOG.md)
BY_HAND = 5.0  # what a label by hand weighs against a pseudo-label, while these are many
PENALTY = 0.1  # 0.01 is as good (lab/LOG.md)
N_DIRECTIONS = 256
_SAMPLE_ROWS = 4_096  # by which directions are chosen
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Added:
    """What was added: `rows` int64 (a,) of the unlabelled, ascending, their `labels` int64, `probabilities` and `rounds`.

    A probability is that of the label, calibrated (one temperature) by the same answers for labelled pictures whose own labels
    were not known then.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    rounds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Round:
    """A round: how many pictures it learned from beside the labelled, and what cross-validation on these says of it.

    `accuracy` in [0, 1], `log_loss` in nats after one temperature; round 0 is the probe on the labelled alone.
    """

    number: int
    n_added: int
    accuracy: float
    log_loss: float
    is_kept: bool


@dataclass(frozen=True, slots=True)
class PseudoFit:
    """The head of the last round kept, and the out-of-fold logits (n, k) of the labelled by it; `rounds` are all tried.

    `n_strangers` of the unlabelled were left out: they look like none of the labelled.
    """

    head: Head
    oof_logits: NDArray[np.float32]
    added: Added
    rounds: tuple[Round, ...]
    n_strangers: int = 0


@dataclass(frozen=True, slots=True)
class _Pool:
    """Labelled pictures (the first n rows), then unlabelled ones: their scores (m, r) in the leading directions."""

    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    basis: NDArray[np.float32]  # (d, r)
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    neighbourhood: Neighbourhood
    labels: NDArray[np.int64]  # (n,)
    class_names: tuple[str, ...]
    balance: bool
    threads: int
    has_strangers: bool = False


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Rows (a,) of the pool, the labels that they were answered with, and the logits (a, k) of these answers, not tempered."""

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Student:
    """Weights (k, r) and bias (k,) on scores, and what they were learned from beside the labelled."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    chosen: _Chosen


def fit_pseudo(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    unlabelled: NDArray[np.float32],
    folds: NDArray[np.int64],
    probe: "ProbeFit",
    stages: "Sequence[Stage]" = (),
    balance: bool = False,
    n_rounds: int = len(SHARES),
    threads: int | None = None,
    progress: Progress = silent,
) -> PseudoFit:
    """Learn from labelled pictures and from what is surest about unlabelled ones, as long as that does not hurt.

    Each round asks the answers so far and the neighbours (`Neighbourhood`), takes the surest share of each answered class (so
    that classes stay as common as they are; see `SHARES`) but nothing below `LEAST`, and fits a softmax regression on these and
    the labelled. Where much of the pile looks like none of the labelled, such pictures are never added. A round is kept where
    accuracy on the labelled pictures, by cross-validation, does not fall, nor log loss rise where accuracy stays the same; the
    first that is not kept ends it, as does one that finds nothing to add.

    Args:
        features: (n, d) float32 of the labelled pictures.
        labels: (n,) in [0, k).
        unlabelled: (u, d) float32, others than the labelled.
        folds: (n,) fold numbers, at least three different ones; rows of a number are held out together.
        probe: what `fit_probe` made of the labelled with these folds.
        stages: columns of each stage; by the last average the neighbours are found.
        balance: every class weighs the same in what is learned; rounds are judged by every picture alike.
        n_rounds: at most.
        threads: to compute in; all cores where None.
        progress: is told how many fits are done.
    """
    numbers = np.unique(folds)
    names = probe.head.class_names
    progress("pseudo-labels", 0, n_rounds + 1)
    pool = _make_pool(
        features,
        labels,
        unlabelled=unlabelled,
        class_names=names,
        stages=stages,
        balance=balance,
        threads=threads or available_cores(),
    )
    everything = np.ones(len(labels), bool)
    n_strange = int((~_near_labelled(pool, everything)[len(labels) :]).sum())
    pool = replace(pool, has_strangers=n_strange > MANY * len(unlabelled))
    answers = softmax(probe.head.logits(pool.features), fit_temperature(probe.oof_logits, labels))
    apart = [_probe_without(pool, folds != number, folds=folds, stages=stages) for number in numbers]
    best = PseudoFit(
        probe.head,
        probe.oof_logits,
        _none_added(),
        (_judge(0, 0, probe.oof_logits, labels),),
        n_strange * pool.has_strangers,
    )
    for number in range(1, n_rounds + 1):
        progress("pseudo-labels", number, n_rounds + 1)
        oof, heard = np.empty_like(probe.oof_logits), np.empty(probe.oof_logits.shape)
        told = [_hear(pool, apart[at], known=folds != fold) for at, fold in enumerate(numbers)]
        for at, fold in enumerate(numbers):
            heard[folds == fold] = told[at][: len(labels)][folds == fold]
        for at, fold in enumerate(numbers):
            others = folds != fold
            temperature = fit_temperature(heard[others], labels[others])
            student = _teach(pool, told[at], known=others, number=number, temperature=temperature)
            apart[at] = _answer(pool, student)
            out = np.flatnonzero(folds == fold)
            oof[out] = pool.scores[out] @ student.weights.T + student.bias
        temperature = fit_temperature(heard, labels)
        heard = _hear(pool, answers, known=everything)
        student = _teach(pool, heard, known=everything, number=number, temperature=temperature)
        if not len(student.chosen.rows):
            break
        answers = _answer(pool, student)
        tried = _judge(number, len(student.chosen.rows), oof, labels)
        tried = replace(tried, is_kept=not _hurts(tried, best.rounds[-1]))
        if not tried.is_kept:
            best = replace(best, rounds=(*best.rounds, tried))
            break
        best = PseudoFit(
            _head(pool, student),
            oof,
            _add(best.added, student.chosen, tried, n=len(labels), temperature=temperature),
            (*best.rounds, tried),
            best.n_strangers,
        )
    progress("pseudo-labels", n_rounds + 1, n_rounds + 1)
    return best


def _make_pool(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    unlabelled: NDArray[np.float32],
    class_names: tuple[str, ...],
    stages: "Sequence[Stage]",
    balance: bool,
    threads: int,
) -> _Pool:
    every = np.concatenate([features, unlabelled])
    with computing(threads):
        rows, scale = standardise(every, None, stages=stages)
        basis = _leading_directions(rows)
        scores = (rows.image(basis.T)).T
    averages = [stage for stage in stages if not stage.name.endswith((":max", ":softmax"))]
    compared = slice(averages[-1].start, averages[-1].stop) if averages else slice(None)
    return _Pool(
        features=every,
        scores=np.ascontiguousarray(scores, np.float32),
        basis=basis,
        mean=rows.mean,
        scale=scale,
        neighbourhood=find_neighbourhood(every[:, compared], threads=threads),
        labels=labels,
        class_names=class_names,
        balance=balance,
        threads=threads,
    )


def _leading_directions(rows: Rows) -> NDArray[np.float32]:
    """Return the directions (d, r) in which standardised rows vary most, by subspace iteration (Halko 2011)."""
    m, d = len(rows.blocks[0]), len(rows.mean)
    some = np.unique(np.linspace(0, m - 1, min(m, _SAMPLE_ROWS)).astype(np.int64))
    rows = Rows((rows.blocks[0][some],), rows.mean, rows.gain)
    r = min(N_DIRECTIONS, len(some), d)
    guess = np.random.default_rng(0).standard_normal((d, min(r + 16, d))).astype(np.float32)
    for _ in range(2):
        guess = np.linalg.qr(rows.gradient(rows.image(guess.T)).T)[0]
    image = rows.image(guess.T).astype(np.float64)
    _, turn = np.linalg.eigh(image @ image.T)
    return np.ascontiguousarray(guess @ turn[:, ::-1][:, :r], np.float32)


def _probe_without(
    pool: _Pool, known: NDArray[np.bool_], *, folds: NDArray[np.int64], stages: "Sequence[Stage]"
) -> NDArray[np.floating]:
    """Return the answers (m, k) of a probe that learned from the known ones of the labelled rows."""
    at = np.flatnonzero(known)
    fit = fit_probe(
        pool.features[at],
        pool.labels[at],
        folds=folds[at],
        class_names=pool.class_names,
        stages=stages,
        balance=pool.balance,
        threads=pool.threads,
    )
    return softmax(fit.head.logits(pool.features), fit_temperature(fit.oof_logits, pool.labels[at]))


def _hear(pool: _Pool, answers: NDArray[np.floating], *, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the logits (m, k) of answers (m, k) mixed with those of what looks alike; known labels speak for themselves."""
    by_hand = np.flatnonzero(known)
    sure = answers.astype(np.float64)
    sure[by_hand] = np.eye(len(pool.class_names))[pool.labels[by_hand]]
    return pool.neighbourhood.logits(sure)


def _teach(
    pool: _Pool, heard: NDArray[np.float64], *, known: NDArray[np.bool_], number: int, temperature: float
) -> _Student:
    """Return what the known labels and the surest of what was heard (m, k) teach together; labelled rows not known stay out."""
    k, by_hand = len(pool.class_names), np.flatnonzero(known)
    free = np.arange(len(heard)) >= len(known)
    free &= softmax(heard, temperature).max(axis=1) >= LEAST
    if pool.has_strangers:
        free &= _near_labelled(pool, known)
    share = SHARES[min(number, len(SHARES)) - 1]
    chosen = _choose(heard, free=free, share=share)
    rows = np.concatenate([by_hand, chosen.rows])
    labels = np.concatenate([pool.labels[by_hand], chosen.labels])
    weight = float(np.clip(len(chosen.rows) / len(by_hand), 1, BY_HAND))
    weights = np.where(np.arange(len(rows)) < len(by_hand), weight, 1.0)
    if pool.balance:
        weights /= np.bincount(labels, weights=weights, minlength=k)[labels]
    still = np.zeros(pool.scores.shape[1], np.float32)
    with computing(pool.threads):
        space = choose_space(Rows((pool.scores[rows],), still, still + 1), seed=0)
        shares = (weights / weights.sum())[None].astype(space.dtype)
        found = solve(Problems(space, Softmax(labels, k, SMOOTHING), shares, PENALTY), tolerance=_TOLERANCE)
        learned = space.weights(found.params[:, 0])
    bias = found.bias[:, 0] - found.bias[:, 0].mean()
    return _Student(learned.astype(np.float32), bias.astype(np.float32), chosen)


def _near_labelled(pool: _Pool, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows (m,) look as much like the known labelled ones as these look like each other, the lowest tenth left out."""
    loud, others = pool.neighbourhood.loudness(np.flatnonzero(known))
    near: NDArray[np.bool_] = loud >= np.quantile(others, LOWEST)
    return near


def _choose(logits: NDArray[np.float64], *, free: NDArray[np.bool_], share: float) -> _Chosen:
    """Return of each answered class the surest share of the free rows, ascending."""
    answered, surest = logits.argmax(axis=1), logits.max(axis=1)
    kept = []
    for number in range(logits.shape[1]):
        inside = np.flatnonzero(free & (answered == number))
        best = inside[np.argsort(-surest[inside], kind="stable")]
        kept.append(best[: int(np.ceil(share * len(best)))])
    rows = np.sort(np.concatenate(kept))
    return _Chosen(rows, answered[rows], logits[rows].astype(np.float32))


def _answer(pool: _Pool, student: _Student) -> NDArray[np.floating]:
    return softmax(pool.scores @ student.weights.T + student.bias)


def _head(pool: _Pool, student: _Student) -> Head:
    """Return the student as a head on the features themselves."""
    weights = student.weights @ pool.basis.T
    return Head(weights, student.bias, pool.mean, pool.scale, pool.class_names, PENALTY)


def _judge(number: int, n_added: int, oof_logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Round:
    accuracy = float((oof_logits.argmax(axis=1) == labels).mean())
    return Round(
        number, n_added, accuracy, tempered_log_loss(oof_logits, labels, np.ones(len(labels))), is_kept=True
    )


def _hurts(tried: Round, before: Round) -> bool:
    """Return whether a round is worse; of equally many right answers, the log loss decides."""
    return (tried.accuracy, -tried.log_loss) < (before.accuracy, -before.log_loss)


def _none_added() -> Added:
    nothing = np.empty(0, np.int64)
    return Added(nothing, nothing, np.empty(0), nothing)


def _add(earlier: Added, chosen: _Chosen, tried: Round, *, n: int, temperature: float) -> Added:
    """Return what a round learned from; what an earlier one had with the same label keeps that round's number."""
    rows = chosen.rows - n
    first = {
        (row, label): number
        for row, label, number in zip(earlier.rows, earlier.labels, earlier.rounds, strict=True)
    }
    rounds = [first.get(pair, tried.number) for pair in zip(rows, chosen.labels, strict=True)]
    probabilities = softmax(chosen.logits, temperature).max(axis=1)
    return Added(rows, chosen.labels, probabilities, np.array(rounds, np.int64))
