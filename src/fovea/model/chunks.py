"""Any number of pictures through a network, a chunk at a time: features or a problem for each, then answers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fovea.errors import PictureError
from fovea.features import Encoder, Item, Store, extract, read_hashes
from fovea.manifest import PackedPicture
from fovea.model.sources import Input, content_item, why_not_a_file
from fovea.progress import Progress, silent

CHUNK = 512  # pictures a step: its features are some 6 MB, and a killed run repeats at most these


AnswerT_co = TypeVar("AnswerT_co", covariant=True)


class Decider(Protocol[AnswerT_co]):
    """A network, and what makes predictions of its features."""

    @property
    def encoder(self) -> Encoder:
        """The network."""

    def decide(
        self, features: NDArray[np.float32], names: Sequence[str], *, problems: Sequence[str] = ()
    ) -> Sequence[AnswerT_co]:
        """Return one prediction for every row of `features` float32 (n, d), called by `names`; a problem replaces it."""


def predict_chunks(
    model: Decider[AnswerT_co],
    given: Sequence[Input],
    *,
    start: int = 0,
    store: Store | None = None,
    progress: Progress = silent,
) -> Iterator[Sequence[AnswerT_co]]:
    """Yield the predictions of the pictures from number `start` on, at most `CHUNK` at a time, whatever their number."""
    progress("predict", start, len(given))
    for first in range(start, len(given), CHUNK):
        chunk = given[first : first + CHUNK]
        features, problems = _read(model.encoder, chunk, store=store)
        yield model.decide(features, [one.name for one in chunk], problems=problems)
        progress("predict", first + len(chunk), len(given))


def _read(
    encoder: Encoder, chunk: Sequence[Input], *, store: Store | None
) -> tuple[NDArray[np.float32], list[str]]:
    """Return the features of every input (zeros where there is a problem), and what is wrong with it."""
    items, problems = _items(chunk, store=store)
    features = np.zeros((len(chunk), encoder.n_features), np.float32)
    if items:
        extraction = extract(encoder, list(items.values()), store=store)
        features[list(items)] = extraction.features
        for i, problem in zip(items, extraction.problems, strict=True):
            problems[i] = problem
    return features, problems


def _items(chunk: Sequence[Input], *, store: Store | None) -> tuple[dict[int, Item], list[str]]:
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
