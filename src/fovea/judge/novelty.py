"""How unlike anything seen a picture is: its distance to the nearest training pictures, with a limit.

The distance is 1 minus the mean cosine to the five nearest, of features as they are (centring them or distances to
classes find less, see lab/LOG.md), in their 64 leading directions but scaled by their full length: what points out
of these directions is far from everything. The limit holds a stated share of false alarms on training pictures,
each compared with other folds only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.judge.arrays import Counts, Features, Labels, Numbers
from fovea.judge.leaks import normalise

N_NEAREST = 5
N_DIRECTIONS = 64
MAX_REFERENCES = 5000
BASIS_ROWS = 1000
BLOCK_ROWS = 1024


@dataclass(frozen=True, slots=True)
class NoveltyScore:
    """A fitted distance; above `limit` a picture counts as unlike anything seen.

    `columns`: (first, after the last) of the features used. `directions` float32 (c, r), orthonormal;
    `references` float32 (m, r), training pictures there. `false_alarm`: the share of pictures like the
    training ones above it.
    """

    columns: tuple[int, int]
    directions: NDArray[np.float32]
    references: NDArray[np.float32]
    limit: float
    false_alarm: float

    def score(self, features: Features) -> NDArray[np.float32]:
        """Return the distance of each row of features (n, d): float32 (n,) in [0, 2], higher is stranger."""
        return _distances(_project(features[:, slice(*self.columns)], self.directions), self.references)

    def is_unlike(self, features: Features) -> NDArray[np.bool_]:
        """Return whether each row of features (n, d) is further than the limit: bool (n,)."""
        return self.score(features) > self.limit

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for a file of arrays: some 1 MB."""
        return {
            "novelty_columns": np.array(self.columns, np.int64),
            "novelty_directions": self.directions,
            # rounded when fitted, so nothing is lost
            "novelty_references": self.references.astype(np.float16),
            "novelty_limit": np.array([self.limit, self.false_alarm], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "NoveltyScore":
        """Take the arrays of `to_arrays` back.

        Raises:
            ValueError: an array is missing, or their shapes do not fit together.
        """
        names = [f"novelty_{name}" for name in ("columns", "directions", "references", "limit")]
        missing = [name for name in names if name not in arrays]
        if missing:
            raise ValueError(f"the arrays {missing} of the distance to what was seen are missing")
        columns, directions, references, limit = (arrays[name] for name in names)
        shapes = [array.shape for array in (columns, directions, references, limit)]
        fit = columns.shape == limit.shape == (2,) and directions.ndim == references.ndim == 2
        if not fit or shapes[1] != (columns[1] - columns[0], shapes[2][1]) or not len(references):
            raise ValueError(f"the shapes {shapes} of the distance to what was seen do not fit together")
        return cls(
            columns=(int(columns[0]), int(columns[1])),
            directions=directions.astype(np.float32),
            references=references.astype(np.float32),
            limit=float(limit[0]),
            false_alarm=float(limit[1]),
        )


def fit_novelty(
    features: Features,
    labels: Labels,
    *,
    folds: Numbers,
    columns: tuple[int, int] | None = None,
    false_alarm: float = 0.01,
    seed: int = 0,
) -> NoveltyScore:
    """Fit the distance on the training part; of many pictures 5,000 stand for all, rare classes in full.

    Args:
        features: float (n, d).
        labels: int (n,), 0 to k - 1.
        folds: int (n,), at least two folds: a picture is compared with the other folds when the limit is set.
        columns: (first, after the last) of the features to use; None: all.
        false_alarm: the share of pictures like the training ones that may be called unlike, in (0, 1).
        seed: for the directions and for which pictures stand for all.
    """
    rng = np.random.default_rng(seed)
    columns = (0, features.shape[1]) if columns is None else columns
    used = features[:, slice(*columns)]
    shuffled = rng.permutation(len(used))
    chosen = shuffled[np.argsort(_turns(labels[shuffled]), kind="stable")[:MAX_REFERENCES]]
    judged = chosen if len(used) <= MAX_REFERENCES else shuffled[:MAX_REFERENCES]
    directions = leading_directions(normalise(used[chosen[:BASIS_ROWS]]), rng=rng)
    rows = _project(used, directions, picked=judged)
    stored = rows if judged is chosen else _project(used, directions, picked=chosen)
    references = stored.astype(np.float16).astype(np.float32)
    distances = np.empty(len(judged), np.float32)
    for fold in np.unique(folds[judged]):
        inside = folds[judged] == fold
        distances[inside] = _distances(rows[inside], references[folds[chosen] != fold])
    return NoveltyScore(columns, directions, references, _limit(distances, false_alarm), false_alarm)


def _limit(distances: NDArray[np.float32], false_alarm: float) -> float:
    """Return what a further picture exceeds with probability at most `false_alarm` (split conformal).

    Of too few pictures for that, it is the largest.
    """
    rank = int(np.ceil((len(distances) + 1) * (1 - false_alarm)))
    return float(np.sort(distances)[min(rank, len(distances)) - 1])


def _turns(labels: Labels) -> Counts:
    """Return for each picture how many of its class come before it, int64 (n,)."""
    order = np.argsort(labels, kind="stable")
    first = np.concatenate([[0], np.flatnonzero(np.diff(labels[order])) + 1])
    starts = np.repeat(first, np.diff(np.append(first, len(labels))))
    turns = np.empty(len(labels), np.int64)
    turns[order] = np.arange(len(labels)) - starts
    return turns


def leading_directions(rows: NDArray[np.float32], *, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return orthonormal float32 (d, r) along which the rows are longest (randomised, Halko 2011); r is 64, or what there is."""
    n_wanted = min(N_DIRECTIONS, *rows.shape)
    guess = rng.normal(size=(rows.shape[1], min(n_wanted + 16, *rows.shape))).astype(np.float32)
    for _ in range(2):
        guess = np.linalg.qr(rows.T @ (rows @ guess))[0]
    turned = np.linalg.svd(rows @ guess, full_matrices=False)[2][:n_wanted]
    return np.ascontiguousarray((guess @ turned.T).astype(np.float32))


def _project(
    features: Features, directions: NDArray[np.float32], *, picked: Counts | None = None
) -> NDArray[np.float32]:
    """Return the picked rows (None: all) in the directions, scaled by their full length, block by block."""
    picked = np.arange(len(features)) if picked is None else picked
    out = np.empty((len(picked), directions.shape[1]), np.float32)
    for start in range(0, len(picked), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        out[block] = normalise(features[picked[block]]) @ directions
    return out


def _distances(rows: NDArray[np.float32], references: NDArray[np.float32]) -> NDArray[np.float32]:
    n_nearest = min(N_NEAREST, len(references))
    out = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        cosines = rows[block] @ references.T
        out[block] = 1 - np.partition(cosines, -n_nearest, axis=1)[:, -n_nearest:].mean(axis=1)
    return out
