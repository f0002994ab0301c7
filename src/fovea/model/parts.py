"""What a model is made of: the values that `write_model` saves and `load_model` brings back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fovea.features import Encoder
from fovea.judge import CalibrationScores, NoveltyScore
from fovea.learn import Head
from fovea.model.prediction import JSON
from fovea.model.targets import Target


@dataclass(frozen=True, slots=True)
class Thresholds:
    """An answer whose probability lies below `unsure` (0 to 1) is unsure.

    Among the others at most 1 - `precision` are wrong, with this `confidence`, for pictures drawn like those
    the model was calibrated on; both are None where the data could not support a guarantee.
    """

    unsure: float
    precision: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What the model was trained on: a fingerprint over content, labels and splits, and counts."""

    fingerprint: str
    n_train: int
    n_valid: int = 0
    n_test: int = 0
    n_quarantined: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class ModelParts:
    """Everything that goes into a model folder. `metrics` holds metrics.json's keys, for the card.

    With `private` the place of the pictures is left out. `target` says what the head tells where that is not one class;
    then there are no calibration scores, and `thresholds` say nothing."""

    encoder: Encoder
    head: Head
    temperature: float
    thresholds: Thresholds
    calibration: CalibrationScores | None
    data: DataFacts
    novelty: NoveltyScore | None = None
    seed: int = 0
    settings: Mapping[str, JSON] = field(default_factory=dict)
    metrics: Mapping[str, object] = field(default_factory=dict)
    private: bool = False
    target: Target | None = None
