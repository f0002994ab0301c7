"""What a run learned, and what differs from the earlier run: the values that its files are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder
from fovea.judge import Comparison, NoveltyScore, Verdict, compare, softmax
from fovea.learn import ProbeFit
from fovea.manifest import SplitPlan
from fovea.tasks.copies import Copies
from fovea.tasks.gather import Gathered
from fovea.tasks.train.method import TrainingFacts
from fovea.tasks.train.since import Answer, Earlier

if TYPE_CHECKING:
    from fovea.tasks.train.train import Config


@dataclass(frozen=True)
class Evidence:
    """What a run learned, as arrays and objects; rows are numbers into the manifest."""

    config: "Config"
    encoder: Encoder
    gathered: Gathered
    plan: SplitPlan
    copies: Copies
    rows_train: NDArray[np.int64]
    rows_valid: NDArray[np.int64]
    leaked: NDArray[np.bool_]
    fit: ProbeFit
    valid_logits: NDArray[np.float32]
    verdict: Verdict
    novelty: NoveltyScore | None
    n_unlike: int
    test: Mapping[str, Any] | None
    test_pairs: Sequence[tuple[int, int, str]]
    earlier: Earlier | None
    seconds: Mapping[str, float]
    notes: Sequence[str]
    training: TrainingFacts | None = None

    @property
    def measured_rows(self) -> NDArray[np.int64]:
        """The rows that the verdict's indices count."""
        return self.rows_valid if self.verdict.measured == "valid" else self.rows_train


@dataclass(frozen=True)
class Changes:
    """What differs from the earlier run: rows compared, the answers before (in the classes of now) and now."""

    earlier: Earlier
    rows: NDArray[np.int64]
    before: Sequence[Answer]
    probabilities: NDArray[np.float64]
    comparison: Comparison


def fair_probabilities(evidence: Evidence) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows of both parts and their probabilities by a head that had not seen them.

    Of a network trained from scratch, the validation part's only.
    """
    verdict, oof = evidence.verdict, evidence.fit.oof_logits
    rows = np.concatenate([evidence.rows_train[: len(oof)], evidence.rows_valid])
    train = softmax(oof, verdict.train_temperature)
    return rows, np.concatenate([train, softmax(evidence.valid_logits, verdict.temperature)])


def find_changes(evidence: Evidence) -> Changes | None:
    """Compare the answers with those of the earlier run, over the pictures in both; None where there is none."""
    earlier = evidence.earlier
    if earlier is None:
        return None
    rows, probabilities = fair_probabilities(evidence)
    all_rows, answers = evidence.plan.manifest.rows, earlier.answers_under(evidence.config.source.merge)
    both = np.array([all_rows[k].sha256 in answers for k in rows.tolist()], np.bool_)
    rows, probabilities = rows[both], probabilities[both]
    before = [answers[all_rows[k].sha256] for k in rows.tolist()]
    names = list(evidence.verdict.class_names)
    names += sorted({one.answer for one in answers.values()} - set(names))
    number = {name: k for k, name in enumerate(names)}
    old = np.array([number[one.answer] for one in before], np.int64)
    labels = np.array([number.get(all_rows[k].label or "", -1) for k in rows.tolist()], np.int64)
    new = probabilities.argmax(axis=1) if len(rows) else np.zeros(0, np.int64)
    return Changes(earlier, rows, before, probabilities, compare(old, new, labels=labels))
