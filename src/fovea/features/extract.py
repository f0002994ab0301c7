"""Pictures to features: what the store has is read, the rest is decoded in threads beside inference.

Memory holds the feature matrix and a few batches. A picture that cannot be read becomes a problem, no stop.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from fovea import pictures
from fovea.errors import PictureError
from fovea.features.encoder import Encoder, Features, Pixels
from fovea.features.store import Known, Store, StoredRow
from fovea.features.views import make_views
from fovea.progress import Progress, silent

_COMMIT_ROWS = 256
_COMMIT_SECONDS = 1.0
_LARGEST_HALF = float(np.finfo(np.float16).max)
EVERY_COLUMN = slice(None)


@dataclass(frozen=True, slots=True)
class Item:
    """One picture: the sha256 of its content, and how to get that content when its turn comes."""

    sha256: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Extraction:
    """Features of pictures, row by row in the order given.

    `features` is float32 (n, d) of the columns asked for, or (n, views, d) where several views were; each value is one that
    float16 can hold, so that stored and fresh ones are the same. Rows with a problem are zero. `problems` is
    "" where all is well. `n_decoded` counts the pictures that had to be decoded, `seconds` is the whole time.
    """

    features: Features
    problems: tuple[str, ...]
    facts: tuple[pictures.Facts | None, ...]
    n_decoded: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What a decoding thread gives back: the asked views of one picture, or why there are none."""

    sha256: str
    views: tuple[int, ...]
    pixels: list[NDArray[np.uint8]]
    known: Known
    is_lasting: bool  # whether the same content will have the same problem again


def extract(
    encoder: Encoder,
    items: Sequence[Item],
    *,
    store: Store | None,
    views: int = 1,
    columns: slice = EVERY_COLUMN,
    progress: Progress = silent,
) -> Extraction:
    """Return the features of `items`, decoding and encoding only what `store` does not have.

    View 0 is the plain picture, 1 its mirror image, further ones random crops fixed by content and number. Of the encoder's
    columns only `columns` are held in memory and returned; all are stored.
    On Ctrl-C (KeyboardInterrupt, its text says how far it came) what is computed is stored first.
    Raises StoreError where the store cannot be read, BackboneError where the network cannot be prepared.
    """
    started = time.perf_counter()
    work = _Work(encoder, items, store=store, n_views=views, columns=columns, progress=progress)
    work.read_stored()
    try:
        work.compute()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(work.how_far()) from None
    return work.result(seconds=time.perf_counter() - started)


class _Work:
    """One extraction under way."""

    def __init__(
        self,
        encoder: Encoder,
        items: Sequence[Item],
        *,
        store: Store | None,
        n_views: int,
        columns: slice,
        progress: Progress,
    ) -> None:
        self.encoder = encoder
        self.store = store
        self.progress = progress
        self.n_views, self.columns = n_views, columns
        self.items = {item.sha256: item for item in reversed(items)}
        self.order = [item.sha256 for item in items]
        self.rows: dict[str, list[int]] = {}
        for row, sha256 in enumerate(self.order):
            self.rows.setdefault(sha256, []).append(row)
        n_columns = len(range(*columns.indices(encoder.n_features)))
        self.features = np.zeros((len(items), n_views, n_columns), np.float32)
        self.has_row = np.zeros((len(items), n_views), bool)
        self.known: dict[str, Known] = {}
        self.n_decoded = 0
        self.unsaved_rows: list[StoredRow] = []
        self.unsaved_known: dict[str, Known] = {}
        self.saved_at = time.perf_counter()

    def read_stored(self) -> None:
        """Fill in what the store has."""
        if self.store is None:
            return
        self.known = self.store.known(list(self.rows))
        fine = [sha256 for sha256, known in self.known.items() if not known.problem]
        for view in range(self.n_views):
            for sha256, vector in self.store.features(self.encoder.fingerprint, fine, view=view):
                self._put(sha256, view, vector)
        self.store.touch(self.encoder.fingerprint)

    def _put(self, sha256: str, view: int, vector: NDArray[np.float16]) -> None:
        for row in self.rows[sha256]:
            self.features[row, view] = vector[self.columns]
            self.has_row[row, view] = True

    def _missing(self) -> list[tuple[Item, tuple[int, ...]]]:
        """Return the pictures to decode, each with its views to compute, in the order given."""
        missing = []
        for sha256, rows in self.rows.items():
            known = self.known.get(sha256)
            if known is None or not (known.problem or self.has_row[rows[0]].all()):
                views = tuple(np.flatnonzero(~self.has_row[rows[0]]).tolist())
                missing.append((self.items[sha256], views))
        return missing

    def compute(self) -> None:
        """Decode, encode and store what is missing."""
        missing = self._missing()
        n_before = len(self.rows) - len(missing)
        self.progress("extract", n_before, len(self.rows))
        if not missing:
            return
        waiting: deque[list[tuple[str, int]]] = deque()
        # Closed here and now: left to the garbage collector, a stopped decoder could be closed in a thread of its own.
        batches = self._batches(missing, waiting)
        try:
            with closing(batches):
                for features in self.encoder.encode_batches(batches):
                    self._take(waiting.popleft(), features)
                    self.progress("extract", n_before + self.n_decoded, len(self.rows))
        finally:
            self._save()
        self.progress("extract", len(self.rows), len(self.rows))

    def _batches(
        self, missing: list[tuple[Item, tuple[int, ...]]], waiting: deque[list[tuple[str, int]]]
    ) -> Generator[Pixels, None, None]:
        """Yield batches of pixels as they are decoded, noting in `waiting` whose they are."""
        size = self.encoder.batch_size
        keys: list[tuple[str, int]] = []
        pixels: list[NDArray[np.uint8]] = []
        with closing(decode_ahead(self.encoder, missing)) as ahead:
            for decoded in ahead:
                self.n_decoded += 1
                self.known[decoded.sha256] = decoded.known
                if decoded.is_lasting:
                    self.unsaved_known[decoded.sha256] = decoded.known
                keys += [(decoded.sha256, view) for view in decoded.views[: len(decoded.pixels)]]
                pixels += decoded.pixels
                while len(pixels) >= size:
                    waiting.append(keys[:size])
                    yield np.stack(pixels[:size])
                    del keys[:size], pixels[:size]
        if pixels:
            waiting.append(keys)
            yield np.stack(pixels)

    def _take(self, keys: list[tuple[str, int]], features: Features) -> None:
        """Put a batch's features where they belong, and store them now and then."""
        halves = np.clip(features, -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16)
        for (sha256, view), vector in zip(keys, halves, strict=True):
            self._put(sha256, view, vector)
            self.unsaved_rows.append(StoredRow(sha256, view, vector))
        late = time.perf_counter() - self.saved_at > _COMMIT_SECONDS
        if late or len(self.unsaved_rows) >= _COMMIT_ROWS:
            self._save()

    def _save(self) -> None:
        """Store what is not stored yet, in one step."""
        if self.store is not None and (self.unsaved_rows or self.unsaved_known):
            self.store.write_features(
                self.encoder.fingerprint, self.unsaved_rows, name=self.encoder.name, facts=self.unsaved_known
            )
        self.unsaved_rows, self.unsaved_known = [], {}
        self.saved_at = time.perf_counter()

    def how_far(self) -> str:
        """Say how much is stored, for one who stopped it."""
        n_done = sum(1 for rows in self.rows.values() if self.has_row[rows[0]].all())
        if self.store is None or not self.store.is_storing:
            return f"stopped after {n_done} of {len(self.rows)} pictures; none of them are stored."
        return (
            f"stopped: the features of {n_done} of {len(self.rows)} pictures are stored. "
            "The same command continues from there."
        )

    def result(self, *, seconds: float) -> Extraction:
        """Return everything, in the order of the items."""
        known = [self.known[sha256] for sha256 in self.order]
        return Extraction(
            features=self.features[:, 0] if self.n_views == 1 else self.features,
            problems=tuple(one.problem for one in known),
            facts=tuple(one.facts for one in known),
            n_decoded=self.n_decoded,
            seconds=seconds,
        )


def decode_ahead(
    encoder: Encoder, missing: Iterable[tuple[Item, tuple[int, ...]]]
) -> Generator[_Decoded, None, None]:
    """Yield decoded pictures in order, a few batches ahead of who takes them, decoded in a thread a core."""
    todo = iter(missing)
    with ThreadPoolExecutor(encoder.threads, thread_name_prefix="fovea-decode") as pool:

        def start(item: Item, views: tuple[int, ...]) -> "Future[_Decoded]":
            return pool.submit(_decode, item, views, encoder)

        ahead = deque(start(*one) for one in islice(todo, 4 * encoder.batch_size))
        try:
            while ahead:
                yield ahead.popleft().result()
                ahead.extend(start(*one) for one in islice(todo, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _decode(item: Item, views: tuple[int, ...], encoder: Encoder) -> _Decoded:
    """Read and decode one picture; whatever is wrong with it becomes its problem."""

    def failed(problem: str, *, is_lasting: bool) -> _Decoded:
        return _Decoded(item.sha256, views, [], Known(None, problem), is_lasting)

    try:
        content = item.read()
    except OSError as error:
        return failed(f"cannot be read: {error.strerror or error}", is_lasting=False)
    except PictureError as error:  # a table's row that held a picture when it was hashed
        return failed(str(error), is_lasting=False)
    if pictures.content_sha256(content) != item.sha256:
        return failed("changed while it was being read", is_lasting=False)
    try:
        pixels, facts = make_views(content, encoder.preprocess, views=views, sha256=item.sha256)
    except PictureError as error:
        return failed(str(error), is_lasting=True)
    return _Decoded(item.sha256, views, pixels, Known(facts, ""), True)
