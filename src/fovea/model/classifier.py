"""The classifier a user holds: pictures in, predictions out. It is made by `load_model`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder, Store
from fovea.judge import CalibrationScores, NoveltyScore, softmax
from fovea.learn import Head
from fovea.model import chunks
from fovea.model.decide import answer
from fovea.model.document import Document
from fovea.model.parts import Thresholds
from fovea.model.prediction import Prediction, Predictions
from fovea.model.sources import Source, as_sources, expand
from fovea.progress import Progress, silent


@dataclass(frozen=True)
class Classifier:
    """A network, a head on its features, and what was learnt about how far to trust them.

    `fingerprint` names the model as a whole (the SHA-256 of its model.json); `document` holds what that says.
    """

    folder: Path
    fingerprint: str
    document: Document
    encoder: Encoder
    head: Head
    temperature: float
    thresholds: Thresholds
    calibration: CalibrationScores
    novelty: NoveltyScore | None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the head's rows."""
        return self.head.class_names

    def decide(
        self, features: NDArray[np.float32], names: Sequence[str], *, problems: Sequence[str] = ()
    ) -> list[Prediction]:
        """Return one prediction for every row of `features` float32 (n, d), called by `names`; a problem replaces it."""
        if not len(names):
            return []
        return answer(
            np.asarray(softmax(self.head.logits(features), self.temperature), np.float64),
            names,
            class_names=self.class_names,
            problems=problems,
            threshold=self.thresholds.unsure,
            unlike=None if self.novelty is None else self.novelty.is_unlike(features),
        )

    def predict(
        self, inputs: Source | Iterable[Source], *, store: Store | None = None, progress: Progress = silent
    ) -> Predictions[Prediction]:
        """Return one prediction for every picture, in order, unreadable ones too.

        `inputs`: a path, folder, encoded picture (bytes), PIL picture or uint8 array (h, w, 3) RGB or (h, w)
        grey, or any number of them. With a `store`, features are taken from it and kept in it.
        """
        given = list(expand(as_sources(inputs)))
        answered = chunks.predict_chunks(self, given, store=store, progress=progress)
        return Predictions(prediction for chunk in answered for prediction in chunk)

    def _repr_html_(self) -> str:
        names = ", ".join(self.class_names[:20]) + (", …" if len(self.class_names) > 20 else "")
        return (
            f"<p><b>fovea classifier</b>: {len(self.class_names)} classes ({escape(names)}), "
            f"backbone {escape(self.encoder.name)}, trained on {self.document.data.n_train:,} pictures</p>"
        )
