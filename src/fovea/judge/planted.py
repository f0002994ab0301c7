"""What to expect of a list of likely label errors: errors planted in the data itself, looked for like the real ones.

Two kinds: easy ones, any picture moved to a class that its own is confused with (as confident learning tells), and hard ones,
pictures that resemble the other class, by the square root of its odds. The most doubtful labels are then nearly all wrong, and
how the unplanted ones lie there between the kinds tells how many there are of each: as marked fish in a catch tell how many
swim in a lake (Petersen 1896). On CIFAR-10N people's errors turn out to be hard ones, on random flips easy ones (lab/LOG.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Labels, Mask, Probabilities, Scores
from fovea.judge.intervals import Interval
from fovea.judge.labels import confident_classes, confident_joint
from fovea.judge.suspects import WEIGHTS, doubt_labels, mix, row_blocks

SHARE = 0.05  # of the labels, of each kind: more would change what is learned
FEWEST, MOST_SHARE = 30, 0.1
ENOUGH, MOST_ROUNDS = 600, 5  # planted errors in all, and times that they are planted
N_DRAWS = 400
_STEP = 0.05  # of the hard ones from one limit of doubt to the next
_DEPTHS = (
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
)  # shares of them down to which the catch is counted; looser ones catch right labels too
_DEPTH = 0.5
_EVEN = 0.1  # of the moves between classes go to any class


@dataclass(frozen=True, slots=True)
class Planted:
    """Labels int64 (n,) of which those at `easy` and `hard`, int64 (m,) each, were moved to another class."""

    labels: NDArray[np.int64]
    easy: NDArray[np.int64]
    hard: NDArray[np.int64]

    @property
    def is_planted(self) -> Mask:
        """Whether each label was moved: bool (n,)."""
        found = np.zeros(len(self.labels), np.bool_)
        found[self.easy] = found[self.hard] = True
        return found


@dataclass(frozen=True, slots=True)
class Round:
    """What was planted once, and the out-of-fold probabilities and votes float (n, k) learned from these labels."""

    planted: Planted
    probabilities: Probabilities
    votes: Probabilities

    def doubt(self, weight: float) -> NDArray[np.float64]:
        """Return how doubtful each label is, float64 (n,), with this weight of the votes."""
        return doubt_labels(self.planted.labels, self.probabilities, votes=self.votes, weight=weight).doubt


@dataclass(frozen=True, slots=True)
class Yield:
    """What the `n` most doubtful labels hold: the share that is wrong, and the share of all wrong ones; 95 % intervals."""

    n: int
    precision: float
    precision_interval: Interval
    recall: float
    recall_interval: Interval


@dataclass(frozen=True, slots=True)
class Expected:
    """How many labels are wrong in all, with a 95 % interval, and what lists of the most doubtful hold; from `n_planted`."""

    n_errors: float
    n_errors_interval: Interval
    n_planted: int
    yields: tuple[Yield, ...]


def plant_errors(
    labels: Labels, probabilities: Probabilities, *, votes: Probabilities, weight: float, seed: int
) -> Planted:
    """Move labels that are believed to be right, a twentieth easily found and a twentieth hardly.

    Those with a doubt of at least 0.5 stay as they are.

    Args:
        labels: int (n,), 0 to k - 1.
        probabilities: float (n, k), out of fold.
        votes: float (n, k), see `neighbours_vote`.
        weight: of the votes, as in `doubt_labels`.
        seed: draws which, and where to.
    """
    rng = np.random.default_rng(seed)
    n = len(labels)
    wanted = min(max(round(SHARE * n), FEWEST), int(MOST_SHARE * n))
    believed = doubt_labels(labels, probabilities, votes=votes, weight=weight).doubt < 0.5

    def odds(rows: slice | NDArray[np.int64]) -> NDArray[np.float64]:
        return _odds(labels[rows], mix(probabilities[rows], votes[rows], weight=weight))

    resembling = np.concatenate([odds(some).sum(axis=1) for some in row_blocks(*probabilities.shape)])
    hard = _draw(np.where(believed, resembling, 0), wanted, rng=rng)
    moves = confusion(labels, probabilities)
    believed[hard] = False
    easy = _draw(np.where(believed, moves.sum(axis=1)[labels], 0), wanted, rng=rng)
    planted = labels.astype(np.int64)
    planted[hard], planted[easy] = _class_of(odds(hard), rng=rng), _class_of(moves[labels[easy]], rng=rng)
    return Planted(planted, easy, hard)


def _odds(labels: Labels, mixed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the square root of each other class's odds against the given one, (n, k); 0 for that one."""
    rows = np.arange(len(labels))
    own = np.maximum(mixed[rows, labels], 1e-12)
    odds: NDArray[np.float64] = np.sqrt(np.maximum(mixed, 1e-6) / own[:, None])
    odds[rows, labels] = 0
    return odds


def confusion(labels: Labels, probabilities: Probabilities) -> NDArray[np.float64]:
    """Return the share of pictures of each class that are labelled as each other one: float64 (k, k), true by given.

    From the confident joint (Northcutt et al. 2021), each given class at its own size; a tenth spread evenly. Zero on the
    diagonal.
    """
    k = probabilities.shape[1]
    joint = confident_joint(labels, confident_classes(labels, probabilities), k=k).astype(np.float64)
    joint *= (np.bincount(labels, minlength=k) / np.maximum(joint.sum(axis=1), 1))[:, None]
    moved = joint.T.copy()
    np.fill_diagonal(moved, 0)
    moved += _EVEN * moved.sum() / (k * (k - 1)) + 1e-3
    np.fill_diagonal(moved, 0)
    shares: NDArray[np.float64] = moved / np.maximum(joint.sum(axis=0), 1)[:, None]
    return shares


def _draw(weights: NDArray[np.float64], wanted: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    wanted = min(wanted, int(np.count_nonzero(weights)))
    if not wanted:
        return np.zeros(0, np.int64)
    return np.sort(rng.choice(len(weights), wanted, replace=False, p=weights / weights.sum())).astype(
        np.int64
    )


def _class_of(weights: NDArray[np.float64], *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a class for each row by its weights (m, k)."""
    limits = np.cumsum(weights, axis=1)
    drawn = rng.random(len(weights)) * limits[:, -1] if len(weights) else np.zeros(0)
    classes: NDArray[np.int64] = (limits <= drawn[:, None]).sum(axis=1).astype(np.int64)
    return classes


def n_rounds(n: int) -> int:
    """Return how many times to plant in n labels, so that few pictures do not leave it to chance: 1 to 5 times."""
    each = 2 * min(max(round(SHARE * n), FEWEST), int(MOST_SHARE * n))
    return min(MOST_ROUNDS, max(1, -(-ENOUGH // each))) if each else 1


def choose_weight(rounds: Sequence[Round], *, believed: Mask) -> float:
    """Return the vote's weight with which planted errors stand highest, by average precision; of equals the smallest.

    Args:
        rounds: what was planted and found, one or more times.
        believed: bool (n,), labels that were not doubted before: among the others are errors that nobody planted.
    """

    def reached(weight: float) -> float:
        found = []
        for one in rounds:
            hits = one.planted.is_planted[believed][np.argsort(-one.doubt(weight)[believed], kind="stable")]
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            found.append(float(precision[hits].mean()) if hits.any() else 0.0)
        return float(np.mean(found))

    return max(WEIGHTS, key=reached)


def expect(
    planted: Sequence[Planted],
    doubts: Sequence[Scores],
    *,
    listed: Mask,
    lengths: Sequence[int],
    seed: int,
) -> Expected:
    """Tell how many of the listed labels are wrong, and how many of the most doubtful ones are.

    Args:
        planted: the labels with known errors, of one or more rounds.
        doubts: float (n,) each, of these labels; the list of the others ranks as the list of all labels as given does.
        listed: bool (n,), which labels are asked about: errors may be planted among the others too, but none is sought there.
        lengths: numbers from 1 of the most doubtful listed labels to tell the yield of.
        seed: for the intervals, drawn anew from what was seen (bootstrap), each at another depth of the catch.
    """
    rng = np.random.default_rng(seed)
    n = int(listed.sum())
    pairs = list(zip(planted, doubts, strict=True))
    hard = np.sort(np.concatenate([doubt[one.hard] for one, doubt in pairs]))
    easy = np.sort(np.concatenate([doubt[one.easy] for one, doubt in pairs]))
    rest = np.sort(np.concatenate([doubt[listed & ~one.is_planted] for one, doubt in pairs]))
    if not len(hard) or not len(easy) or len(rest) < len(pairs):
        return Expected(0.0, (0.0, float(n)), 0, ())
    n_rest = len(rest) // len(pairs)
    kept = np.maximum(np.round(np.array(lengths) * n_rest / n).astype(int), 1)  # of each list
    n_errors, caught = _catch((hard, easy), rest, kept=kept * len(pairs), depth=_DEPTH)
    n_errors, caught = n_errors / len(pairs), caught / len(pairs)
    precision = _falling(caught / kept)
    draws = []
    for number in range(N_DRAWS):
        some = [np.sort(rng.choice(kind, len(kind))) for kind in (hard, easy)]
        again = np.sort(rng.choice(rest, n_rest))  # the same pictures stand in every round
        draws.append(_catch(some, again, kept=kept, depth=_DEPTHS[number % len(_DEPTHS)]))
    totals = np.array([total for total, _ in draws])
    drawn = _falling(np.array([one for _, one in draws]).reshape(N_DRAWS, len(lengths)) / kept)
    recall, recalls = _share(precision * kept, np.array(n_errors)), _share(drawn * kept, totals[:, None])
    yields = tuple(
        Yield(
            n=length,
            precision=float(precision[place]),
            precision_interval=_spread(drawn[:, place]),
            recall=float(recall[place]),
            recall_interval=_spread(recalls[:, place]),
        )
        for place, length in enumerate(lengths)
    )
    return Expected(n_errors, _spread(totals), len(hard) + len(easy), yields)


def _catch(
    kinds: Sequence[Scores], rest: Scores, *, kept: NDArray[np.int64], depth: float
) -> tuple[float, NDArray[np.float64]]:
    """Return how many errors are among the rest, and among so many (`kept`) most doubtful of them; all scores ascending.

    Counts between limits of doubt, down to where the hard ones reach `depth`, are taken apart into those of the kinds by least
    squares, no share below zero.
    """
    from scipy.optimize import nnls

    shares = np.arange(_STEP, depth + _STEP / 2, _STEP)
    edges = np.unique(np.quantile(kinds[0], 1 - shares))[::-1]
    steps = [np.diff(_above(scores, edges), prepend=0) for scores in (*kinds, rest)]
    weights = 1 / np.sqrt(steps[-1] + 1)
    table = np.stack([step / len(scores) for step, scores in zip(steps[:-1], kinds, strict=True)], axis=1)
    numbers = nnls(table * weights[:, None], steps[-1] * weights)[0]
    limits = np.asarray(rest[len(rest) - kept], np.float64)
    found = sum(
        number * _above(scores, limits) / len(scores) for number, scores in zip(numbers, kinds, strict=True)
    )
    return float(numbers.sum()), np.asarray(found, np.float64)


def _above(scores: Scores, limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many of the scores, ascending, reach each limit."""
    return (len(scores) - np.searchsorted(scores, limits, side="left")).astype(np.float64)


def _falling(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return shares (..., lengths) that never rise with the length, at most 1: a list is best at its beginning."""
    highest = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(np.minimum(highest, 1.0), np.float64)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return parts of a whole, in [0, 1]; of nothing, all."""
    shares = np.divide(part, whole, out=np.ones_like(part), where=whole > 0)
    return np.asarray(np.minimum(shares, 1.0), np.float64)


def _spread(values: NDArray[np.float64]) -> Interval:
    """Return the interval that holds 95 % of the values."""
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
