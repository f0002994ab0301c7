"""What an estimator answers: a number with its range, or the labels that a picture has."""

from dataclasses import dataclass, field
from typing import TypeAlias

from fovea.manifest import join_labels
from fovea.model.prediction import JSON, Prediction


@dataclass(frozen=True, slots=True)
class ValuePrediction:
    """The number of one picture, and the range that holds the true one as often as the model states.

    `unlike`: the picture is further from the training pictures than the model's limit (None: not judged). An unreadable
    picture has a `problem` and no number.
    """

    path: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unlike: bool | None = None
    problem: str = ""

    def to_json(self) -> dict[str, JSON]:
        """Return the row of `fovea predict --json`; numbers to seven digits."""
        numbers: dict[str, JSON] = {
            name: None if number is None else float(f"{number:.7g}")
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }
        return {"path": self.path, **numbers, "unlike": self.unlike, "problem": self.problem}

    @property
    def unsure(self) -> None:
        """Not judged: the range says how sure the number is."""

    @property
    def answer(self) -> tuple[str, None]:
        """What was answered, in words ("" where nothing)."""
        if self.value is None or self.low is None or self.high is None:
            return "", None
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})", None

    @property
    def answered(self) -> tuple[str, ...]:
        """The names to count: a number has none."""
        return ()

    @property
    def remark(self) -> str:
        """What to know beside the number: the problem, "unlike anything seen", or ""."""
        return self.problem or "unlike anything seen" * bool(self.unlike)

    def likeliest(self, n: int | None = None) -> list[tuple[str, float]]:
        """Return no classes."""
        return []


@dataclass(frozen=True, slots=True)
class LabelsPrediction:
    """The labels of one picture (() where it has none of them), and the calibrated probability (0 to 1) of every label.

    `unlike`: as for a number. An unreadable picture has a `problem`, and its labels are None.
    """

    path: str
    labels: tuple[str, ...] | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    unlike: bool | None = None
    problem: str = ""

    def to_json(self) -> dict[str, JSON]:
        """Return the row of `fovea predict --json`; probabilities to six decimals."""
        return {
            "path": self.path,
            "labels": None if self.labels is None else list(self.labels),
            "probabilities": {name: round(p, 6) for name, p in self.probabilities.items()},
            "unlike": self.unlike,
            "problem": self.problem,
        }

    @property
    def unsure(self) -> None:
        """Not judged: each label has a threshold of its own."""

    @property
    def answer(self) -> tuple[str, None]:
        """What was answered: `a;b`, or `none` ("" where nothing)."""
        return "" if self.labels is None else join_labels(self.labels), None

    @property
    def answered(self) -> tuple[str, ...]:
        """The names to count."""
        return self.labels or (join_labels(()),)

    @property
    def remark(self) -> str:
        """What to know beside the labels: the problem; or their probabilities, and "unlike anything seen"."""
        if self.problem:
            return self.problem
        told = ", ".join(f"{name} {self.probabilities[name]:.3f}" for name in self.labels or ())
        return "; ".join(part for part in (told, "unlike anything seen" * bool(self.unlike)) if part)

    def likeliest(self, n: int | None = None) -> list[tuple[str, float]]:
        """Return the n (all) likeliest labels, highest first."""
        return sorted(self.probabilities.items(), key=lambda pair: -pair[1])[:n]


AnyPrediction: TypeAlias = Prediction | ValuePrediction | LabelsPrediction
