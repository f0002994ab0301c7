"""Numbers of doubt in, lists of pictures by their paths out: doubted labels with their evidence, outliers, classes."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.features import nearest
from fovea.judge.suspects import far_out
from fovea.learn.suspects import Suspicion
from fovea.tasks.stored import Stored

N_EVIDENCE = 5
_MOST_SPARE = 200  # pictures of a picture's own unit, which are no evidence


@dataclass(frozen=True, slots=True)
class SuspectLabel:
    """A label that is likely wrong, and why.

    `doubt` in [0.5, 1]: the suggested class against the given one; (given, suggested) shares of the probe and of the
    neighbours' votes; the paths of the nearest pictures of both that are not doubted themselves.
    """

    path: str
    label: str
    suggested: str
    doubt: float
    probe: tuple[float, float]
    votes: tuple[float, float]
    nearest_label: tuple[str, ...]
    nearest_suggested: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("path", "label", "suggested", "doubt", "nearest_label", "nearest_suggested")
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
        plain["probability_label"], plain["probability_suggested"] = self.probe
        plain["votes_label"], plain["votes_suggested"] = self.votes
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


@dataclass(frozen=True, slots=True)
class Outlier:
    """A picture unlike all others: 1 minus the mean cosine to its five nearest, higher is stranger."""

    path: str
    label: str
    distance: float


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """One class: its pictures, how many labels are doubted, and the class most often suggested instead ("": none)."""

    name: str
    n_pictures: int
    n_doubted: int
    suggested: str = ""
    n_suggested: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """Labelled pictures: rows into `stored`, class numbers and names, units, and the features to compare by."""

    stored: Stored
    at: NDArray[np.int64]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    units: NDArray[np.int64]
    compared: NDArray[np.float32]
    notes: tuple[str, ...]

    def path(self, row: int) -> str:
        """Return the path of a judged row."""
        return self.stored.manifest.rows[int(self.stored.rows[self.at[row]])].path


def list_suspects(judged: Judged, found: Suspicion, *, threads: int | None) -> tuple[SuspectLabel, ...]:
    """Return the doubted labels, the most doubtful first."""
    doubts = found.doubts
    rows = np.flatnonzero(found.doubted)
    rows = rows[np.argsort(-doubts.doubt[rows], kind="stable")]
    given, suggested = judged.labels[rows], doubts.suggested[rows]
    for_given = _nearest_of(judged, rows, classes=given, doubted=found.doubted, threads=threads)
    for_suggested = _nearest_of(judged, rows, classes=suggested, doubted=found.doubted, threads=threads)
    made = []
    for place, row in enumerate(rows.tolist()):
        one, other = int(given[place]), int(suggested[place])
        p, votes = found.probabilities[row], found.votes[row]
        made.append(
            SuspectLabel(
                path=judged.path(row),
                label=judged.names[one],
                suggested=judged.names[other],
                doubt=round(float(doubts.doubt[row]), 6),
                probe=(round(float(p[one]), 6), round(float(p[other]), 6)),
                votes=(round(float(votes[one]), 6), round(float(votes[other]), 6)),
                nearest_label=for_given[place],
                nearest_suggested=for_suggested[place],
            )
        )
    return tuple(made)


def _nearest_of(
    judged: Judged,
    rows: NDArray[np.int64],
    *,
    classes: NDArray[np.int64],
    doubted: NDArray[np.bool_],
    threads: int | None,
) -> list[tuple[str, ...]]:
    """Return for each row the paths of the nearest pictures of a class that are not doubted, none a copy of it."""
    nearby: list[tuple[str, ...]] = [()] * len(rows)
    n_spare = min(int(np.bincount(judged.units).max()) - 1, _MOST_SPARE)
    for number in np.unique(classes).tolist():
        members = np.flatnonzero((judged.labels == number) & ~doubted)
        places = np.flatnonzero(classes == number)
        found, _ = nearest(
            judged.compared[rows[places]], judged.compared[members], k=N_EVIDENCE + n_spare, threads=threads
        )
        for place, alike in zip(places.tolist(), members[found], strict=True):
            others = alike[judged.units[alike] != judged.units[rows[place]]]
            nearby[place] = tuple(judged.path(other) for other in others[:N_EVIDENCE].tolist())
    return nearby


def list_outliers(judged: Judged, found: Suspicion, *, answered: NDArray[np.bool_]) -> tuple[Outlier, ...]:
    """Return the pictures far from all others, the farthest first, without those that a person has answered."""
    rows = np.flatnonzero(far_out(found.distances) & ~answered)
    rows = rows[np.argsort(-found.distances[rows], kind="stable")]
    return tuple(
        Outlier(
            judged.path(row), judged.names[int(judged.labels[row])], round(float(found.distances[row]), 4)
        )
        for row in rows.tolist()
    )


def list_classes(judged: Judged, found: Suspicion) -> tuple[ClassSummary, ...]:
    """Return each class's share of the doubts, the most doubted first."""
    doubted = found.doubted
    made = []
    for number, name in enumerate(judged.names):
        inside = judged.labels == number
        suggested = Counter(found.doubts.suggested[inside & doubted].tolist()).most_common(1)
        other, n = suggested[0] if suggested else (-1, 0)
        made.append(
            ClassSummary(
                name=name,
                n_pictures=int(inside.sum()),
                n_doubted=int((inside & doubted).sum()),
                suggested=judged.names[other] if n else "",
                n_suggested=n,
            )
        )
    return tuple(sorted(made, key=lambda one: (-one.n_doubted / max(one.n_pictures, 1), one.name)))
