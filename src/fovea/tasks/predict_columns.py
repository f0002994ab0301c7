"""The columns of `fovea predict --csv` for a run that tells numbers or labels; `predict_write.Columns` are those of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fovea.tasks.predict_write import FORMULA_STARTS, JUDGED, shown_judged, shown_path, shown_text

if TYPE_CHECKING:
    from fovea.model import Estimator, LabelsPrediction, ValuePrediction


@dataclass(frozen=True, slots=True)
class ValueColumns:
    """Columns of numbers with their ranges, to seven digits."""

    @property
    def header(self) -> list[str]:
        """The names of all columns."""
        return ["path", "value", "low", "high", "unlike", "problem"]

    def row(self, prediction: "ValuePrediction") -> list[str]:
        """Return the cells of one prediction, empty where there is a problem."""
        numbers = (prediction.value, prediction.low, prediction.high)
        told = ["" if number is None else f"{number:.7g}" for number in numbers]
        beside = (shown_judged(prediction.unlike), shown_text(prediction.problem))
        return [shown_path(prediction.path), *told, *beside]

    def prediction(self, row: Sequence[str]) -> "ValuePrediction":
        """Return the prediction that a row tells of."""
        from fovea.model import ValuePrediction

        path, value, low, high, unlike, problem = row
        if problem:
            return ValuePrediction(path, problem=problem)
        return ValuePrediction(path, float(value), float(low), float(high), JUDGED[unlike])


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """Columns of labels, as `a;b`, and the probability of each of `names`."""

    names: tuple[str, ...]

    @property
    def header(self) -> list[str]:
        """The names of all columns."""
        return ["path", "labels", "unlike", "problem", *(f"p_{name}" for name in self.names)]

    def row(self, prediction: "LabelsPrediction") -> list[str]:
        """Return the cells of one prediction; probabilities to six decimals, none where there is a problem."""
        shares = [f"{p:.6f}" for p in prediction.probabilities.values()]
        beside = (shown_judged(prediction.unlike), shown_text(prediction.problem))
        return [shown_path(prediction.path), shown_text(prediction.answer[0]), *beside, *shares]

    def prediction(self, row: Sequence[str]) -> "LabelsPrediction":
        """Return the prediction that a row tells of."""
        from fovea.manifest import labels_of
        from fovea.model import LabelsPrediction

        path, cell, unlike, problem, *shares = row
        if problem:
            return LabelsPrediction(path, problem=problem)
        is_quoted = cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS)
        told = {name: float(share) for name, share in zip(self.names, shares, strict=True)}
        return LabelsPrediction(path, labels_of(cell[1:] if is_quoted else cell), told, JUDGED[unlike])


def estimator_columns(model: "Estimator") -> ValueColumns | LabelColumns:
    """Return the columns of what an estimator tells."""
    return ValueColumns() if model.target.kind == "regression" else LabelColumns(model.names)
