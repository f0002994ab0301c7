"""Figures of several labels a picture: each label's precision, recall and average precision, and all together.

Arrays in, numbers out. `has` and `answers` are bool (n, k): which labels a picture has, and which were answered; no label
at all is a legal answer.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Numbers, Probabilities
from fovea.judge.intervals import wilson_interval
from fovea.judge.resample import Interval, resampled_interval

Marks: TypeAlias = NDArray[np.bool_]
"""(n, k): True where a picture has the label."""

N_DRAWS = 500  # for each label's average precision: its interval moves by a hundredth of its width from seed to seed


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """One label: counts, and shares with 95 % intervals (None where nothing was there to count).

    `average_precision`: mean precision over all places of the ranking where a picture has the label; `share`: how many
    have it, which is what ranking at random reaches.
    """

    label: str
    n: int
    n_answered: int
    n_right: int
    share: float
    precision: float | None
    precision_interval: Interval
    recall: float | None
    recall_interval: Interval
    f1: float | None
    average_precision: float | None
    average_precision_interval: Interval | None


@dataclass(frozen=True, slots=True)
class LabelsFigures:
    """All figures of n pictures; higher is better, but for `log_loss` (nats a label).

    `all_right`: share of pictures whose labels were all answered and no others; `baseline_all_right`: always answering
    `baseline_labels`, the commonest set of the training part. `micro_f1`: of all answers together (None: nothing to find
    and nothing answered); `baseline_micro_f1` that of the commonest set.
    """

    n: int
    all_right: float
    all_right_interval: Interval
    baseline_all_right: float
    baseline_labels: tuple[str, ...]
    micro_f1: float | None
    micro_f1_interval: Interval | None
    baseline_micro_f1: float | None
    macro_f1: float | None
    mean_average_precision: float | None
    log_loss: float
    per_label: tuple[LabelFigures, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures under the names of metrics.json; per-label figures by label."""
        plain = {name: _listed(getattr(self, name)) for name in self.__slots__ if name != "per_label"}
        plain["per_label"] = {
            one.label: {name: _listed(value) for name, value in asdict(one).items() if name != "label"}
            for one in self.per_label
        }
        return plain


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def measure_labels(
    has: Marks,
    answers: Marks,
    *,
    probabilities: Probabilities,
    names: Sequence[str],
    commonest: NDArray[np.bool_],
    units: Numbers,
    seed: int = 0,
) -> LabelsFigures:
    """Compute every figure of n pictures, n from 1.

    Args:
        has: bool (n, k), the labels of each picture.
        answers: bool (n, k), those that were answered.
        probabilities: float (n, k) in [0, 1], of each label by itself.
        names: the k labels.
        commonest: bool (k,), the commonest set of labels of the training part.
        units: int (n,), copies and groups, which are resampled together.
        seed: of the resampling.
    """
    n = len(has)
    right = (has == answers).all(axis=1)
    per_label = tuple(
        _label_figures(name, has[:, k], answers[:, k], scores=probabilities[:, k], units=units, seed=seed)
        for k, name in enumerate(names)
    )
    baseline = np.tile(commonest, (n, 1))
    both, either = (has & answers).sum(axis=1), has.sum(axis=1) + answers.sum(axis=1)

    def micro(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        under = counts @ either
        share: NDArray[np.float64] = np.divide(
            2 * (counts @ both), under, out=np.full(len(counts), np.nan), where=under > 0
        )
        return share

    found = [one.f1 for one in per_label if one.f1 is not None]
    ranked = [one.average_precision for one in per_label if one.average_precision is not None]
    return LabelsFigures(
        n=n,
        all_right=float(right.mean()),
        all_right_interval=wilson_interval(int(right.sum()), n),
        baseline_all_right=float((has == baseline).all(axis=1).mean()),
        baseline_labels=tuple(name for name, is_in in zip(names, commonest, strict=True) if is_in),
        micro_f1=_f1(has, answers),
        micro_f1_interval=resampled_interval(micro, units=units, seed=seed),
        baseline_micro_f1=_f1(has, baseline),
        macro_f1=float(np.mean(found)) if found else None,
        mean_average_precision=float(np.mean(ranked)) if ranked else None,
        log_loss=_log_loss(has, probabilities),
        per_label=per_label,
    )


def commonest_set(has: Marks) -> NDArray[np.bool_]:
    """Return the set of labels that most pictures have, bool (k,); of equally common ones the first in `has`."""
    first = Counter(row.tobytes() for row in has).most_common(1)[0][0]
    return np.frombuffer(first, np.bool_)


def average_precision(
    has: NDArray[np.bool_], scores: NDArray[np.floating[Any]], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the average precision (draws,) of a ranking, each picture counted `counts` (draws, n) times.

    Pictures of equal score stand together: each sees all of them as answered. Not a number where nobody has the label.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.searchsorted(-ranked, -ranked, side="right") - 1  # the last place of equal scores
    weights = counts[:, order]
    hits = weights * has[order]
    precision = np.cumsum(hits, axis=1)[:, last] / np.maximum(np.cumsum(weights, axis=1)[:, last], 1e-300)
    total = hits.sum(axis=1)
    found: NDArray[np.float64] = np.divide(
        (hits * precision).sum(axis=1), total, out=np.full(len(counts), np.nan), where=total > 0
    )
    return found


def _label_figures(
    name: str,
    has: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    *,
    scores: NDArray[np.floating[Any]],
    units: Numbers,
    seed: int,
) -> LabelFigures:
    n, n_answered, n_right = int(has.sum()), int(answered.sum()), int((has & answered).sum())
    ranking = float(average_precision(has, scores, np.ones((1, len(has))))[0])
    return LabelFigures(
        label=name,
        n=n,
        n_answered=n_answered,
        n_right=n_right,
        share=n / len(has),
        precision=n_right / n_answered if n_answered else None,
        precision_interval=wilson_interval(n_right, n_answered),
        recall=n_right / n if n else None,
        recall_interval=wilson_interval(n_right, n),
        f1=_f1(has, answered),
        average_precision=ranking if n else None,
        average_precision_interval=resampled_interval(
            lambda counts: average_precision(has, scores, counts), units=units, seed=seed, n_draws=N_DRAWS
        )
        if n
        else None,
    )


def _f1(has: NDArray[np.bool_], answers: NDArray[np.bool_]) -> float | None:
    under = int(has.sum()) + int(answers.sum())
    return 2 * int((has & answers).sum()) / under if under else None


def _log_loss(has: Marks, probabilities: Probabilities) -> float:
    given = np.where(has, probabilities, 1 - probabilities).astype(np.float64)
    return float(-np.log(np.maximum(given, np.finfo(np.float64).tiny)).mean())
