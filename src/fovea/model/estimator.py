"""The estimator a user holds: pictures in; a number, or labels, of each out. It is made by `load_model`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder, Store
from fovea.judge import NoveltyScore
from fovea.learn import Head
from fovea.model import chunks
from fovea.model.document import Document
from fovea.model.estimates import LabelsPrediction, ValuePrediction
from fovea.model.prediction import Predictions
from fovea.model.sources import Source, as_sources, expand
from fovea.model.targets import Target, Values
from fovea.progress import Progress, silent


@dataclass(frozen=True)
class Estimator:
    """A network, a head on its features that tells a number or labels, and what was learnt about how far to trust it.

    `fingerprint` names the model as a whole (the SHA-256 of its model.json); `document` holds what that says.
    """

    folder: Path
    fingerprint: str
    document: Document
    encoder: Encoder
    head: Head
    temperature: float
    target: Target
    novelty: NoveltyScore | None

    @property
    def names(self) -> tuple[str, ...]:
        """The labels in the order of the head's rows, or what the number is called."""
        return self.head.class_names

    def decide(
        self, features: NDArray[np.float32], names: Sequence[str], *, problems: Sequence[str] = ()
    ) -> "list[ValuePrediction | LabelsPrediction]":
        """Return one prediction for every row of `features` float32 (n, d), called by `names`; a problem replaces it."""
        if not len(names):
            return []
        logits = self.head.logits(features)
        answers = self.target.answers(logits, self.temperature)
        unlike = [None] * len(names) if self.novelty is None else self.novelty.is_unlike(features).tolist()
        told = zip(names, problems or [""] * len(names), logits, answers, unlike, strict=True)
        if isinstance(self.target, Values):
            width = self.target.half_width
            return [
                ValuePrediction(name, problem=problem)
                if problem
                else ValuePrediction(name, float(row[0]), float(row[0]) - width, float(row[0]) + width, far)
                for name, problem, row, _, far in told
            ]
        limits = np.array(self.target.thresholds)
        return [
            LabelsPrediction(name, problem=problem)
            if problem
            else LabelsPrediction(
                name,
                tuple(label for label, is_in in zip(self.names, row >= limits, strict=True) if is_in),
                dict(zip(self.names, row.tolist(), strict=True)),
                far,
            )
            for name, problem, _, row, far in told
        ]

    def predict(
        self, inputs: Source | Iterable[Source], *, store: Store | None = None, progress: Progress = silent
    ) -> "Predictions[ValuePrediction | LabelsPrediction]":
        """Return one prediction for every picture, in order, unreadable ones too; see `Classifier.predict`."""
        given = list(expand(as_sources(inputs)))
        answered = chunks.predict_chunks(self, given, store=store, progress=progress)
        return Predictions(prediction for chunk in answered for prediction in chunk)

    def _repr_html_(self) -> str:
        what = "the number" if isinstance(self.target, Values) else f"{len(self.names)} labels"
        names = ", ".join(self.names[:20]) + (", …" if len(self.names) > 20 else "")
        return (
            f"<p><b>fovea estimator</b>: {what} ({escape(names)}), backbone {escape(self.encoder.name)}, "
            f"trained on {self.document.data.n_train:,} pictures</p>"
        )
