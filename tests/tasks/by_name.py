"""A classifier that answers by the names of files, and a sort with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fovea.judge import CalibrationScores
from fovea.model import Prediction, Predictions, Thresholds
from fovea.tasks.options import configure
from fovea.tasks.sort import Config


def calibration(n: int, *, n_wrong: int, n_classes: int = 2) -> CalibrationScores:
    """n answers with falling probabilities 1.0 to 0.5, the last `n_wrong` of them wrong."""
    right = np.arange(n) < n - n_wrong
    return CalibrationScores(np.linspace(1.0, 0.5, n), right, np.arange(n) % n_classes)


@dataclass
class ByName:
    """Answers by the file's name: `cat-0.9.png` is a cat at 0.9; `-far` is unlike; `broken` has a problem."""

    class_names: tuple[str, ...] = ("cat", "dog")
    fingerprint: str = "f" * 64
    thresholds: Thresholds = field(default_factory=lambda: Thresholds(unsure=0.6))
    calibration: CalibrationScores = field(default_factory=lambda: calibration(400, n_wrong=20))

    def predict(self, files: Sequence[Path], **named: Any) -> Predictions:
        return Predictions(self._answer(Path(file)) for file in files)

    def _answer(self, file: Path) -> Prediction:
        if "broken" in file.name:
            return Prediction(str(file), problem="it is cut short")
        class_name, probability, *far = file.stem.split("-")
        return Prediction(str(file), class_name, float(probability), unlike=far == ["far"])


def config(scraped: Path, **changes: Any) -> Config:
    into = scraped.parent / "into"
    return configure(Config, {"model": Path("model"), "source": scraped, "into": into, **changes})


def placed(into: Path) -> list[str]:
    return sorted(p.relative_to(into).as_posix() for p in into.rglob("*.*") if p.is_file())
