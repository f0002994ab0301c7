"""The classifier a user holds: pictures in, predictions out. It is made by `load_model`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.errors import PictureError
from fovea.features import Encoder, Item, Store, extract, read_hashes
from fovea.judge import CalibrationScores, NoveltyScore
from fovea.learn import Head
from fovea.manifest import PackedPicture
from fovea.model.decide import answer
from fovea.model.document import Document
from fovea.model.parts import Thresholds
from fovea.model.prediction import Prediction, Predictions
from fovea.model.sources import Input, Source, as_sources, content_item, expand, why_not_a_file
from fovea.progress import Progress, silent

CHUNK = 512  # pictures a step: its features are some 6 MB, and a killed run repeats at most these


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

    def decide(self, features: NDArray[np.float32], names: Sequence[str]) -> list[Prediction]:
        """Return one prediction for every row of `features` float32 (n, d), called by `names`."""
        return self._answer(features, names, problems=[""] * len(names))

    def predict(
        self, inputs: Source | Iterable[Source], *, store: Store | None = None, progress: Progress = silent
    ) -> Predictions:
        """Return one prediction for every picture, in order, unreadable ones too.

        `inputs`: a path, folder, encoded picture (bytes), PIL picture or uint8 array (h, w, 3) RGB or (h, w)
        grey, or any number of them. With a `store`, features are taken from it and kept in it.
        """
        given = list(expand(as_sources(inputs)))
        chunks = self.predict_chunks(given, store=store, progress=progress)
        return Predictions(prediction for chunk in chunks for prediction in chunk)

    def predict_chunks(
        self,
        given: Sequence[Input],
        *,
        start: int = 0,
        store: Store | None = None,
        progress: Progress = silent,
    ) -> Iterator[list[Prediction]]:
        """Yield predictions from number `start` on, at most `CHUNK` at a time, whatever their number."""
        progress("predict", start, len(given))
        for first in range(start, len(given), CHUNK):
            chunk = given[first : first + CHUNK]
            yield self._predict_chunk(chunk, store=store)
            progress("predict", first + len(chunk), len(given))

    def _predict_chunk(self, chunk: Sequence[Input], *, store: Store | None) -> list[Prediction]:
        items, problems = self._items(chunk, store=store)
        features = np.zeros((len(chunk), self.encoder.n_features), np.float32)
        if items:
            extraction = extract(self.encoder, list(items.values()), store=store)
            features[list(items)] = extraction.features
            for i, problem in zip(items, extraction.problems, strict=True):
                problems[i] = problem
        return self._answer(features, [given.name for given in chunk], problems=problems)

    def _items(self, chunk: Sequence[Input], *, store: Store | None) -> tuple[dict[int, Item], list[str]]:
        """Return the item of every readable input by its number, and what is wrong with the others."""
        items: dict[int, Item] = {}
        problems = [""] * len(chunk)
        files: dict[int, Path] = {}
        for i, given in enumerate(chunk):
            if isinstance(given.source, PackedPicture):
                try:
                    items[i] = content_item(given.source)
                except PictureError as error:
                    problems[i] = str(error)
                except OSError as error:
                    problems[i] = f"cannot be read: {error.strerror or error}"
                continue
            if not isinstance(given.source, str | Path):
                items[i] = content_item(given.source)
                continue
            problems[i] = why_not_a_file(Path(given.source))
            if not problems[i]:
                files[i] = Path(given.source)
        for (i, file), hashed in zip(files.items(), read_hashes(list(files.values()), store), strict=True):
            problems[i] = hashed.problem
            if not hashed.problem:
                items[i] = Item(sha256=hashed.sha256, read=file.read_bytes)
        return dict(sorted(items.items())), problems

    def _answer(
        self, features: NDArray[np.float32], names: Sequence[str], *, problems: Sequence[str]
    ) -> list[Prediction]:
        return answer(
            features,
            names,
            problems=problems,
            head=self.head,
            temperature=self.temperature,
            thresholds=self.thresholds,
            novelty=self.novelty,
        )

    def _repr_html_(self) -> str:
        names = ", ".join(self.class_names[:20]) + (", …" if len(self.class_names) > 20 else "")
        return (
            f"<p><b>fovea classifier</b>: {len(self.class_names)} classes ({escape(names)}), "
            f"backbone {escape(self.encoder.name)}, trained on {self.document.data.n_train:,} pictures</p>"
        )
