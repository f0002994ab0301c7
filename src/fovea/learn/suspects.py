"""Likely label errors among labelled pictures: cross-validation as they are, and again with errors planted in the labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.features import nearest, unit_rows
from fovea.judge import fit_temperature, softmax
from fovea.judge.planted import Expected, Round, choose_weight, expect, n_rounds, plant_errors
from fovea.judge.suspects import N_VOTERS, Doubts, doubt_labels, neighbours_vote, row_blocks
from fovea.learn.probe import Head, fit_probe
from fovea.progress import Progress, silent

if TYPE_CHECKING:
    from fovea.features import Stage

_SPARE = (
    5,
    200,
)  # further neighbours that are sought at once, at least and at most: those of one's own unit do not vote
_NEAREST = 5
_BLOCK_ROWS = 256
_FIRST_WEIGHT = 0.5
_LENGTHS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What was found: the doubts of all labels, what to expect of the most doubtful ones, the vote's weight.

    `probabilities` float32 (n, k) are the probe's, out of fold; `votes` float32 (n, k) the neighbours'; `distances` float64 (n,)
    1 minus the mean cosine to the five nearest, higher is stranger. `doubted` bool (n,): a doubt of 0.5 or more, and no answer yet.
    """

    doubts: Doubts
    expected: Expected
    weight: float
    probabilities: NDArray[np.float32]
    votes: NDArray[np.float32]
    distances: NDArray[np.float64]
    doubted: NDArray[np.bool_]


def find_suspects(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    compared: NDArray[np.float32],
    units: NDArray[np.int64],
    folds: NDArray[np.int64],
    class_names: Sequence[str],
    stages: "Sequence[Stage]" = (),
    answered: NDArray[np.bool_] | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress = silent,
) -> Suspicion:
    """Look for labels that are likely wrong.

    Args:
        features: float32 (n, d), what the probe learns from; n from 4.
        labels: int (n,), 0 to k - 1, k from 2.
        compared: float32 (n, c), by whose cosine, centred, pictures are neighbours; as they are, how strange one is.
        units: int (n,): pictures of one unit (copies) say nothing of each other's labels.
        folds: int (n,), at least two; no unit in two of them.
        class_names: the k names.
        stages: columns of `features`, see `fit_probe`.
        answered: bool (n,), labels that a person has confirmed or corrected: learned from, but neither doubted nor counted as
            wrong; None: none.
        seed: of the planted errors, intervals and the solver.
        threads: to compute in; all cores where None.
        progress: is told of the stages "fit".
    """
    k, n_fits = len(class_names), 1 + n_rounds(len(labels))
    progress("fit", 0, n_fits)
    cross_validate = partial(
        _cross_validate,
        features,
        folds=folds,
        class_names=class_names,
        stages=stages,
        seed=seed,
        threads=threads,
    )
    probabilities, head = cross_validate(labels)
    progress("fit", 1, n_fits)
    centred = compared - compared.mean(axis=0)
    indices, cosines, counted = find_voters(centred, units, threads=threads)
    votes = neighbours_vote(labels, indices, similarities=cosines, n_classes=k, counted=counted)
    rounds = []
    for number in range(n_fits - 1):
        planted = plant_errors(labels, probabilities, votes=votes, weight=_FIRST_WEIGHT, seed=seed + number)
        again, _ = cross_validate(planted.labels, head=head)
        voted = neighbours_vote(planted.labels, indices, similarities=cosines, n_classes=k, counted=counted)
        rounds.append(Round(planted, again, voted))
        progress("fit", number + 2, n_fits)
    first = doubt_labels(labels, probabilities, votes=votes, weight=_FIRST_WEIGHT).doubt
    weight = choose_weight(rounds, believed=first < 0.5)
    doubts = doubt_labels(labels, probabilities, votes=votes, weight=weight)
    listed = np.ones(len(labels), np.bool_) if answered is None else ~answered
    doubted = (doubts.doubt >= 0.5) & listed
    n_doubted = int(doubted.sum())
    lengths = [length for length in _LENGTHS if length < n_doubted] + [n_doubted] * (n_doubted > 0)
    return Suspicion(
        doubts=doubts,
        expected=expect(
            [one.planted for one in rounds],
            [one.doubt(weight) for one in rounds],
            listed=listed,
            lengths=lengths,
            seed=seed,
        ),
        weight=weight,
        probabilities=probabilities,
        votes=np.asarray(votes, np.float32),
        distances=_distances(compared, indices, counted=counted),
        doubted=doubted,
    )


def _cross_validate(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    folds: NDArray[np.int64],
    class_names: Sequence[str],
    stages: "Sequence[Stage]",
    seed: int,
    threads: int | None,
    head: Head | None = None,
) -> tuple[NDArray[np.float32], Head]:
    """Return out-of-fold probabilities at the temperature that suits the labels, and the head; `head` begins the search."""
    fit = fit_probe(
        features,
        labels,
        folds=folds,
        class_names=class_names,
        stages=stages,
        seed=seed,
        threads=threads,
        warm_start=head,
    )
    temperature = fit_temperature(fit.oof_logits, labels)
    probabilities = np.empty(
        fit.oof_logits.shape, np.float32
    )  # half the memory: a thousand classes make it the most
    for some in row_blocks(*fit.oof_logits.shape):
        probabilities[some] = softmax(fit.oof_logits[some], temperature)
    return probabilities, fit.head


def find_voters(
    compared: NDArray[np.float32], units: NDArray[np.int64], *, threads: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """Return each picture's nearest of other units, the best first, their cosines, and which of them vote: (n, 20) each.

    Where there are not so many others, those of its own unit stand behind them, and do not vote. `compared` float32 (n, c);
    `units` int (n,).
    """
    _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    n_spare = int(np.clip(sizes.max() - 1, *_SPARE))
    found, alike = nearest(compared, compared, k=N_VOTERS + n_spare, threads=threads, leave_out_self=True)
    order = np.argsort(unit[found] == unit[:, None], axis=1, kind="stable")[:, :N_VOTERS]
    indices, cosines = np.take_along_axis(found, order, axis=1), np.take_along_axis(alike, order, axis=1)
    crowded = np.flatnonzero((unit[indices] == unit[:, None]).any(axis=1))
    for number in np.unique(unit[crowded]).tolist():  # a larger unit: sought among the others alone
        rows, others = crowded[unit[crowded] == number], np.flatnonzero(unit != number)
        found, alike = nearest(compared[rows], compared, k=N_VOTERS, threads=threads, among=others)
        indices[rows, : found.shape[1]], cosines[rows, : found.shape[1]] = found, alike
    votes: NDArray[np.bool_] = unit[indices] != unit[:, None]
    return indices, cosines, votes


def _distances(
    compared: NDArray[np.float32], indices: NDArray[np.int64], *, counted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return 1 minus the mean cosine to the five nearest that vote, as the features are: centred ones lie out less clearly."""
    rows = unit_rows(compared)
    near = counted & (np.cumsum(counted, axis=1) <= _NEAREST)
    distances = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK_ROWS):
        some = slice(start, start + _BLOCK_ROWS)
        cosines = np.einsum("nd,nkd->nk", rows[some], rows[indices[some]])
        distances[some] = 1 - (cosines * near[some]).sum(axis=1) / np.maximum(near[some].sum(axis=1), 1)
    return distances
