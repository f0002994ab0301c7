"""The test split, read once at the end: its figures, and which of its pictures (nearly) stand in the other splits too."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder, Store
from fovea.judge import Verdict, figures_json, measure, softmax
from fovea.manifest import Manifest, Row
from fovea.progress import Progress
from fovea.tasks.copies import find_copies
from fovea.tasks.gather import Gathered, gather, last_average

if TYPE_CHECKING:
    from fovea.tasks.train.learn import Learned
    from fovea.tasks.train.prepare import Prepared

PairOfRows = tuple[int, int, str]
"""Two rows of the manifest that show the same, and how: "same bytes", "same pixels" or "near"."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: `figures` (None where nothing could be judged), and the manifest with its problems filled in.

    `pairs` join each picture of the test split that shows what one of another split does to that one.
    """

    figures: Mapping[str, Any] | None
    manifest: Manifest
    pairs: tuple[PairOfRows, ...] = ()


@dataclass(frozen=True, slots=True)
class TestPart:
    """The test split, gathered but not judged: its rows (numbers into the manifest) and the plain features of each.

    `leaked` bool (m,): what stands in the other splits too, or nearly so.
    """

    __test__ = False  # nothing for pytest

    manifest: Manifest
    pairs: tuple[PairOfRows, ...]
    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    leaked: NDArray[np.bool_]

    def told(self, figures: Callable[[NDArray[np.bool_]], dict[str, Any]]) -> dict[str, Any]:
        """Return what `figures` makes of all rows, and of those that stand nowhere else; it takes bool (m,)."""
        return figures(np.ones(len(self.rows), np.bool_)) | {
            "n_leaked": int(self.leaked.sum()),
            "leaked": [self.manifest.rows[k].path for k in self.rows[self.leaked].tolist()],
            "without_leaks": figures(~self.leaked) if self.leaked.any() and not self.leaked.all() else None,
        }


def gather_test(
    parts: "Learned | Prepared",
    *,
    is_used: Callable[[Row], bool],
    encoder: Encoder,
    store: Store,
    threads: int | None,
    progress: Progress,
) -> TestPart | None:
    """Return the rows of the test split that can be read and that `is_used` wants; None where there is no such split."""
    manifest = parts.plan.manifest
    numbers = [k for k, row in enumerate(manifest.rows) if row.split == "test" and not row.problem]
    if not numbers:
        return None
    gathered = gather(
        manifest.with_rows(manifest.rows[k] for k in numbers), encoder=encoder, store=store, progress=progress
    )
    rows = list(manifest.rows)
    for k, row in zip(numbers, gathered.manifest.rows, strict=True):
        rows[k] = row
    manifest = manifest.with_rows(rows)
    pairs = _pairs(parts, gathered, np.array(numbers), encoder=encoder, store=store, threads=threads)
    inside = enumerate(gathered.manifest.rows)
    used = np.array([k for k, row in inside if not row.problem and is_used(row)], np.int64)
    places = np.array(numbers)[used]
    seen = parts.units[np.concatenate([parts.rows_train, parts.rows_valid])]
    leaked = np.isin(parts.units[places], seen) | np.isin(places, [test for test, _, _ in pairs])
    return TestPart(manifest, pairs, places, gathered.features[gathered.place[used], 0], leaked)


def read_test(
    parts: "Learned",
    *,
    verdict: Verdict,
    encoder: Encoder,
    store: Store,
    threads: int | None,
    progress: Progress,
) -> Reading:
    """Judge the saved head on the test split, with and without what stands in the other splits too."""
    known = {name: k for k, name in enumerate(parts.class_names)}
    part = gather_test(
        parts,
        is_used=lambda row: row.label in known,
        encoder=encoder,
        store=store,
        threads=threads,
        progress=progress,
    )
    if part is None or not len(part.rows):
        return Reading(None, *((parts.plan.manifest,) if part is None else (part.manifest, part.pairs)))
    labels = np.array([known[part.manifest.rows[k].label or ""] for k in part.rows.tolist()], np.int64)
    probabilities = softmax(parts.fit.head.logits(part.features), verdict.temperature)
    commonest = int(np.bincount(parts.train_labels).argmax())

    def figures(chosen: NDArray[np.bool_]) -> dict[str, Any]:
        return figures_json(
            measure(labels[chosen], probabilities[chosen], class_names=parts.class_names, commonest=commonest)
        )

    return Reading(part.told(figures), part.manifest, part.pairs)


def _pairs(
    parts: "Learned | Prepared",
    test: Gathered,
    numbers: NDArray[np.int64],
    *,
    encoder: Encoder,
    store: Store,
    threads: int | None,
) -> tuple[PairOfRows, ...]:
    """Return each picture of the test split that shows what one of another split does, the surest ground first."""
    last, manifest = last_average(encoder), parts.plan.manifest
    others = np.concatenate([parts.rows_train, parts.rows_valid])
    inside = np.flatnonzero(test.place >= 0)
    places = np.concatenate([others, numbers[inside]])
    sha256s, first = np.unique([manifest.rows[k].sha256 for k in places.tolist()], return_index=True)
    # The same content in test and elsewhere: one entry, whose row is the first, one of the others.
    content = np.searchsorted(sha256s, [manifest.rows[k].sha256 for k in places.tolist()])
    columns = slice(last.start, last.stop)
    features = np.concatenate(
        [
            parts.train_features[:, columns],
            parts.valid_features[:, columns],
            test.features[test.place[inside], 0, columns],
        ]
    )[first]
    copies = find_copies(
        features,
        sha256s=sha256s.tolist(),
        read=lambda k: manifest.read(manifest.rows[places[first[k]]]),
        store=store,
        threads=threads,
        one_of=first >= len(others),  # the others among themselves were compared before training
    )
    near = _twins(copies.near.tolist())
    same = _twins(copies.same)
    in_others = dict(zip(content[: len(others)][::-1].tolist(), others[::-1].tolist(), strict=True))
    found: list[PairOfRows] = []
    for k, number in zip(content[len(others) :].tolist(), numbers[inside].tolist(), strict=True):
        for kind, twins in (("same bytes", [k]), ("same pixels", same.get(k, [])), ("near", near.get(k, []))):
            there = [in_others[twin] for twin in twins if twin in in_others]
            if there:
                found.append((number, there[0], kind))
                break
    return tuple(found)


def _twins(pairs: Sequence[Sequence[int]]) -> dict[int, list[int]]:
    """Return for every content those that it is paired with."""
    twins: dict[int, list[int]] = {}
    for one, other in pairs:
        twins.setdefault(one, []).append(other)
        twins.setdefault(other, []).append(one)
    return twins
