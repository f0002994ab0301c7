"""What a classifier answers: one `Prediction` for every input, in a list; both show themselves in a notebook."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Protocol, TypeAlias, TypeVar

from fovea.manifest import with_words, words_of

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one picture.

    `probability` (0 to 1) is that of `class_name`, calibrated by a run; `unsure` says that it lies below the model's
    threshold, `unlike` that the picture is further from the training pictures than the model's limit; None: that was not
    judged. `sure_class` is the most specific meaning that is as probable as was asked for, "" where none is or nothing was
    asked. An unreadable picture has a `problem` and no class.
    """

    path: str
    class_name: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    unsure: bool | None = None
    unlike: bool | None = None
    problem: str = ""
    sure_class: str = ""
    sure_probability: float | None = None

    def to_json(self) -> dict[str, JSON]:
        """Return the row of `fovea predict --json`; probabilities to six decimals."""
        words: dict[str, JSON] = {"words": self.words} if self.words else {}
        sure: dict[str, JSON] = {}
        if self.sure_probability is not None:
            sure = {"sure_class": self.sure_class, "sure_probability": round(self.sure_probability, 6)}
            sure |= {"sure_words": self.sure_words} if self.sure_words else {}
        return {
            "path": self.path,
            "class": self.class_name,
            **words,
            "probability": None if self.probability is None else round(self.probability, 6),
            **sure,
            "probabilities": {name: round(p, 6) for name, p in self.probabilities.items()},
            "unsure": self.unsure,
            "unlike": self.unlike,
            "problem": self.problem,
        }

    @property
    def words(self) -> str:
        """What the class is called where its name is a WordNet id ("dog" for n02084071), else ""."""
        return words_of(self.class_name or "")

    @property
    def sure_words(self) -> str:
        """What the sure answer is called where it is a WordNet id, else ""."""
        return words_of(self.sure_class)

    @property
    def answer(self) -> tuple[str, float | None]:
        """What was answered, and its probability: the sure answer where there is one, else the class ("" where none)."""
        if self.sure_class:
            return self.sure_class, self.sure_probability
        return self.class_name or "", self.probability

    def likeliest(self, n: int | None = None) -> list[tuple[str, float]]:
        """Return the n (all) likeliest classes, highest first; of equal ones (rounded, or bf16) the answered class first."""
        pairs = self.probabilities.items()  # in the order of the classes: a stable sort keeps it
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0] != self.class_name))[:n]

    @property
    def answered(self) -> tuple[str, ...]:
        """The names to count."""
        return (self.answer[0],)

    @property
    def remark(self) -> str:
        """What to know beside the class: the problem, "unsure", "unlike anything seen", or ""."""
        if self.problem:
            return self.problem
        parts = ["unsure"] * bool(self.unsure) + ["unlike anything seen"] * bool(self.unlike)
        return ", ".join(parts)

    def _repr_html_(self) -> str:
        return Predictions([self])._repr_html_()


class Answer(Protocol):
    """What is shown of any prediction."""

    @property
    def path(self) -> str:
        """The picture."""

    @property
    def answer(self) -> tuple[str, float | None]:
        """What was answered, and its probability."""

    @property
    def remark(self) -> str:
        """What to know beside it."""

    def to_json(self) -> dict[str, JSON]:
        """Return a row."""


AnswerT = TypeVar("AnswerT", bound=Answer)


class Predictions(list[AnswerT]):
    """A list of predictions, in the order of the inputs; a notebook shows it as a table."""

    SHOWN = 50

    def to_json(self) -> list[JSON]:
        """Return one row for every input."""
        return [prediction.to_json() for prediction in self]

    def _repr_html_(self) -> str:
        rows = "".join(_cells(prediction) for prediction in self[: self.SHOWN])
        more = f"<p>and {len(self) - self.SHOWN:,} more</p>" if len(self) > self.SHOWN else ""
        head = "<tr><th>picture</th><th>answer</th><th>probability</th><th></th></tr>"
        return f"<table>{head}{rows}</table>{more}"


def _cells(prediction: Answer) -> str:
    answer, probability = prediction.answer
    sure = "" if probability is None else f"{probability:.3f}"
    cells: Iterable[str] = (prediction.path, with_words(answer), sure, prediction.remark)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
