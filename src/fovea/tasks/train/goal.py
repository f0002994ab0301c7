"""What a network is trained to tell, of which pictures: the same for classes, numbers and labels from here on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.learn import Head
from fovea.learn.trained import CLASSES, Meaning
from fovea.manifest import Manifest, require_trainable
from fovea.tasks.train.learn import Learned, names_and_labels

Numbers = NDArray[np.int64]
Targets: TypeAlias = NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Goal:
    """Rows by side (numbers into the manifest, rising) and what is to be told of each, as `learn.trained.Pictures` takes it.

    Class numbers of held-out rows may be -1: a class that is not learned. `start` is the probe, in the network's terms;
    `notes` say what is left out.
    """

    manifest: Manifest
    rows_train: Numbers
    rows_valid: Numbers
    names: tuple[str, ...]
    train_labels: Targets
    valid_labels: Targets
    meaning: Meaning = CLASSES
    start: Head | None = None
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which held-out rows (m,) can be judged."""
        if self.meaning.kind != "class":
            return np.ones(len(self.rows_valid), np.bool_)
        known: NDArray[np.bool_] = self.valid_labels >= 0
        return known


Aim: TypeAlias = Callable[[Manifest], Goal]
"""From a manifest with its sides and problems to what is to be learned."""


def goal_of(learned: Learned) -> Goal:
    """Return the classes that a probe learned, to be learned on from it."""
    return Goal(
        manifest=learned.plan.manifest,
        rows_train=learned.rows_train,
        rows_valid=learned.rows_valid,
        names=learned.class_names,
        train_labels=learned.train_labels,
        valid_labels=learned.valid_labels,
        start=learned.fit.head,
    )


def aim_at_classes(manifest: Manifest) -> Goal:
    """Return the classes of a manifest's sides. Raises InputError where too little can be read."""
    require_trainable(manifest)
    names, labels = names_and_labels(manifest)
    train, valid = (rows_of(manifest, side) for side in ("train", "valid"))
    return Goal(manifest, train, valid, names, labels[train], labels[valid])


def rows_of(manifest: Manifest, side: str) -> Numbers:
    """Return the numbers of the labelled rows on a side that can be read."""
    rows = enumerate(manifest.rows)
    inside = [k for k, row in rows if row.split == side and not row.problem and row.label is not None]
    return np.array(inside, np.int64)
