"""The same pictures by a network that begins from random weights, on some of the curve's sizes: what transfer learning saves."""

import csv
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fovea.errors import InputError
from fovea.judge import Interval
from fovea.learn import nested_order
from fovea.manifest import Manifest, Row
from fovea.progress import Progress
from fovea.tasks.learning import MeasuredLearning
from fovea.tasks.lists import is_utf8
from fovea.wording import percent

if TYPE_CHECKING:
    from fovea.manifest import SplitPlan
    from fovea.tasks.curve import Config

N_SIZES = 3
"""All pictures, half of them, a quarter: each is a training of minutes."""


@dataclass(frozen=True, slots=True)
class ScratchPoint:
    """What a network from scratch reached with n pictures: accuracy with its interval, and seconds in all."""

    n: int
    accuracy: float
    interval: Interval
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "n_pictures": self.n,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.interval),
            "seconds": self.seconds,
        }


def require_files(manifest: Manifest) -> None:
    """Raise InputError where the pictures are no files of their own."""
    if manifest.packs:
        raise InputError(
            "--scratch takes pictures that are files of their own; these are packed. Write them out with `fovea data`, or "
            "leave --scratch out."
        )


def is_nameable(manifest: Manifest, row: Row) -> bool:
    """Return whether a table can name a picture, as training from scratch is given it."""
    return is_utf8(_path(manifest, row)) and is_utf8(row.label or "") and is_utf8(row.group)


def _path(manifest: Manifest, row: Row) -> str:
    return manifest.file(row).absolute().as_posix()


def learn_from_scratch(
    config: "Config", plan: "SplitPlan", *, measured: MeasuredLearning, progress: Progress
) -> tuple[ScratchPoint, ...]:
    """Train the network from nothing on nested subsets of the training part; the same pictures judge it.

    Those that no table can name take no part. Raises InputError where nothing is held out to judge it by.
    """
    manifest = plan.manifest
    if measured.protocol != "held-out":
        raise InputError(
            f"--scratch needs pictures to judge by, and {str(config.photos)!r} has too few to hold any out. Label more, or "
            "leave --scratch out."
        )
    names = measured.class_names
    used = [
        row for row in manifest.rows if row.label in names and not row.problem and is_nameable(manifest, row)
    ]
    train, valid = ([row for row in used if row.split == side] for side in ("train", "valid"))
    order = nested_order(np.array([names.index(row.label or "") for row in train]), seed=config.seed)
    sizes = [max(len(train) // 2**k, 2 * len(names)) for k in range(N_SIZES)]
    return tuple(
        _train(config, manifest, train=[train[k] for k in order[:n]], valid=valid, progress=progress)
        for n in sorted(set(sizes))
    )


def _train(
    config: "Config", manifest: Manifest, *, train: Sequence[Row], valid: Sequence[Row], progress: Progress
) -> ScratchPoint:
    from fovea.tasks.train.train import train as train_network

    with tempfile.TemporaryDirectory(prefix="fovea-curve-") as folder:
        table = Path(folder) / "some.csv"
        table.write_bytes(_table(manifest, [*train, *valid]))
        steps: dict[str, Any] = {} if config.epochs is None else {"epochs": config.epochs}
        told = train_network(
            table,
            out=Path(folder) / "run",
            method="scratch",
            net=config.scratch,
            seed=config.seed,
            threads=config.backbone.threads,
            progress=progress,
            **steps,
        ).metrics
    low, high = told["accuracy_interval"]
    return ScratchPoint(len(train), told["accuracy"], (low, high), told["seconds"]["total"])


def _table(manifest: Manifest, rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(("path", "label", "split", "group"))
    table.writerows((_path(manifest, row), row.label, row.split, row.group) for row in rows)
    return text.getvalue().encode()


def savings(
    points: Sequence[ScratchPoint], measured: MeasuredLearning, *, net: str, features_seconds: float
) -> tuple[str, ...]:
    """Say what the probe saves against the network from scratch: labels for the same accuracy, and seconds for all pictures."""
    best = max(points, key=lambda one: one.accuracy)
    learning = measured.learning
    enough = [
        n for n, share in zip(learning.sizes, learning.accuracies, strict=True) if share >= best.accuracy
    ]
    if enough:
        labels = (
            f"{net} from scratch reaches {percent(best.accuracy)} with {best.n:,} pictures; the probe as much with "
            f"{enough[0]:,}."
        )
    else:
        labels = (
            f"{net} from scratch reaches {percent(best.accuracy)} with {best.n:,} pictures, more than the probe "
            f"({percent(max(learning.accuracies))}): these pictures are worth training a network."
        )
    last = max(points, key=lambda one: one.n)
    seconds = (
        f"With {last.n:,} pictures: {last.seconds:,.0f} s from scratch; the probe {measured.seconds[-1]:,.1f} s, and "
        f"{features_seconds:,.1f} s for its features (kept from then on)."
    )
    return labels, seconds
