"""Which of several classifiers of the same pictures is kept: the one that is better on the validation part by more than noise."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.judge import cross_fitted, softmax
from fovea.wording import percent

N_PARTS = 5
LEAST_ERRORS = 1.0
"""Standard errors of a paired difference by which another must be better than the simplest one."""
SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True)
class Candidate:
    """One classifier: what it is called, its logits float32 (m, k) on the validation part, and what it took."""

    name: str
    valid_logits: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a candidate stands against the first on the validation part.

    `accuracy` in [0, 1], `log_loss` and `brier` score (0 is best, 2 worst), after a temperature of its own fitted on other
    pictures; `gain` is the first one's Brier score less this one's, `gain_error` its standard error over pictures; `n_fixed`
    answers of the first were wrong and are right, `n_broken` the other way. The Brier score (1950) and right answers decide,
    for they are bounded: a few wrong labels that a network rightly contradicts do not outweigh what it answers better.
    """

    name: str
    n_right: int
    n: int
    log_loss: float
    brier: float
    gain: float
    gain_error: float
    n_fixed: int
    n_broken: int
    seconds: float

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.n_right / self.n

    @property
    def is_better(self) -> bool:
        """Whether it is better than the first by more than noise, in the Brier score or in right answers, and in neither worse."""
        more_right = self.n_fixed - self.n_broken
        is_better = self.gain > LEAST_ERRORS * self.gain_error or more_right > LEAST_ERRORS * self.right_error
        return is_better and not self.is_worse

    @property
    def is_worse(self) -> bool:
        """Whether it is worse than the first by more than noise, in the Brier score or in right answers."""
        more_right = self.n_fixed - self.n_broken
        return self.gain < -LEAST_ERRORS * self.gain_error or more_right < -LEAST_ERRORS * self.right_error

    @property
    def right_error(self) -> float:
        """The standard error of how many more answers are right: that of a walk of so many steps up and down."""
        return float((self.n_fixed + self.n_broken) ** 0.5)

    def to_json(self) -> dict[str, object]:
        """Return plain values for metrics.json."""
        told: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        return {**told, "accuracy": self.accuracy}


@dataclass(frozen=True, slots=True)
class LossStanding:
    """How a candidate that tells numbers or labels stands against the first on the n validation pictures.

    `loss`: of numbers the mean squared error, in the square of their unit; of labels the mean log loss a label. `gain` is the
    first one's loss less this one's, `gain_error` its standard error over pictures.
    """

    name: str
    n: int
    loss: float
    gain: float
    gain_error: float
    seconds: float

    @property
    def is_better(self) -> bool:
        """Whether it is better than the first by more than noise."""
        return self.gain > LEAST_ERRORS * self.gain_error

    def to_json(self) -> dict[str, object]:
        """Return plain values for metrics.json."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Choice:
    """The number of the candidate that is kept, how all stand, and why in a sentence."""

    chosen: int
    standings: tuple[Standing, ...] | tuple[LossStanding, ...]
    text: str


def choose_by_loss(
    candidates: Sequence[Candidate], *, losses: Sequence[NDArray[np.float64]], is_number: bool
) -> Choice:
    """Choose among candidates by their losses (m,) on the same pictures, one array each; the first stays in doubt."""
    standings = tuple(
        LossStanding(
            name=one.name,
            n=len(loss),
            loss=float(loss.mean()),
            gain=float((losses[0] - loss).mean()),
            gain_error=float((losses[0] - loss).std() / max(len(loss), 1) ** 0.5),
            seconds=one.seconds,
        )
        for one, loss in zip(candidates, losses, strict=True)
    )
    better = [number for number, one in enumerate(standings) if one.is_better]
    chosen = min(better, key=lambda number: standings[number].loss, default=0)
    first, kept = standings[0], standings[chosen].name
    told = standings[chosen] if chosen else max(standings[1:], key=lambda one: one.gain)
    own, other = (one.loss**0.5 if is_number else one.loss for one in (told, first))
    text = (
        f"{kept[:1].upper()}{kept[1:]} is kept. On the {first.n:,} validation pictures {told.name} has "
        f"{'a root mean square error' if is_number else 'a log loss a label'} of {own:.4g}, {first.name} of {other:.4g}; the mean "
        f"{'squared error' if is_number else 'log loss'} changes by {-told.gain:+.3g} ± {told.gain_error:.3g}: "
        f"{'better' if chosen else 'not better'} by more than noise."
    )
    return Choice(chosen, standings, text)


def choose(candidates: Sequence[Candidate], *, labels: NDArray[np.int64], seed: int = 0) -> Choice:
    """Choose among candidates judged on the same pictures; the first is the simplest and stays in doubt.

    `labels` int (m,), -1 for classes that none of them knows: those pictures do not count.
    """
    standings = standings_of(candidates, labels=labels, seed=seed)
    better = [number for number, one in enumerate(standings) if one.is_better]
    chosen = min(better, key=lambda number: standings[number].brier, default=0)
    return Choice(chosen, standings, _reason(standings, chosen=chosen))


def compare(candidates: Sequence[Candidate], *, labels: NDArray[np.int64], seed: int = 0) -> Choice:
    """Set the last candidate, which is kept whatever comes out, beside the others; `labels` as in `choose`."""
    standings = standings_of(candidates, labels=labels, seed=seed)
    *others, last = standings
    best = max(others, key=lambda one: one.n_right)
    text = (
        f"{last.name[:1].upper()}{last.name[1:]}: right on {last.n_right:,} of the {last.n:,} validation pictures "
        f"({percent(last.accuracy)}, log loss {last.log_loss:.3f}); the best of the others, {best.name}, on {best.n_right:,} "
        f"({percent(best.accuracy)}, log loss {best.log_loss:.3f})."
    )
    return Choice(len(others), standings, text)


def standings_of(
    candidates: Sequence[Candidate], *, labels: NDArray[np.int64], seed: int = 0
) -> tuple[Standing, ...]:
    """Return how each stands against the first; `labels` as in `choose`."""
    known = labels >= 0
    parts = np.random.default_rng(seed).permutation(int(known.sum())) % N_PARTS
    told = [
        cross_fitted(one.valid_logits[known], labels[known], parts=parts)
        if len(np.unique(parts)) > 1
        else softmax(one.valid_logits[known])
        for one in candidates
    ]
    rows = np.arange(len(parts))
    losses = [-np.log(np.maximum(p[rows, labels[known]], SMALLEST_PROBABILITY)) for p in told]
    briers = [np.square(p - (np.arange(p.shape[1]) == labels[known][:, None])).sum(1) for p in told]
    right = [p.argmax(1) == labels[known] for p in told]
    return tuple(
        Standing(
            name=one.name,
            n_right=int(hit.sum()),
            n=len(rows),
            log_loss=float(loss.mean()),
            brier=float(brier.mean()),
            gain=float((briers[0] - brier).mean()),
            gain_error=float((briers[0] - brier).std() / max(len(rows), 1) ** 0.5),
            n_fixed=int((hit & ~right[0]).sum()),
            n_broken=int((~hit & right[0]).sum()),
            seconds=one.seconds,
        )
        for one, loss, brier, hit in zip(candidates, losses, briers, right, strict=True)
    )


def _reason(standings: Sequence[Standing], *, chosen: int) -> str:
    """Say which one is kept, and by how much it is better or not."""
    first = standings[0]
    if len(standings) == 1:
        return f"Only {first.name} was tried."
    told = standings[chosen] if chosen else max(standings[1:], key=lambda one: one.gain)
    points = 100 * (told.n_fixed - told.n_broken) / max(told.n, 1)
    verdict = "better by more than noise" if chosen else "not better by more than noise"
    kept = standings[chosen].name
    return (
        f"{kept[:1].upper()}{kept[1:]} is kept. On the {first.n:,} validation pictures {told.name} has {points:+.1f} "
        f"points of accuracy against {first.name} ({told.n_fixed} answers mended, {told.n_broken} broken); its Brier score, 0 at "
        f"best, changes by {-told.gain:+.4f} ± {told.gain_error:.4f}: {verdict}."
    )
