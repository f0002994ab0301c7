"""One row per picture: what every source becomes and every task starts from."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class Row:
    """One picture: where it lies, what it is said to show, and on which side it stands."""

    path: str
    """As the user would recognise it: relative to `Manifest.root`, with forward slashes."""
    label: str | None
    """The class's name, None when the picture has no label."""
    split: str = ""
    """"train", "valid", "test", or "" for none."""
    group: str = ""
    """Pictures of one group stay on one side; "" for none."""
    problem: str = ""
    """Why the row is quarantined; "" when it is fine."""
    sha256: str = ""
    """Of the file's content, hexadecimal; "" while it has not been read."""
    width: int = 0
    """Upright width in pixels; 0 while unknown."""
    height: int = 0
    """Upright height in pixels; 0 while unknown."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All pictures of one source, with plain sentences for the user about what was left out or looked odd."""

    root: Path
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def class_names(self) -> tuple[str, ...]:
        """The sorted names of the classes that have at least one row without a problem."""
        return tuple(sorted({row.label for row in self.rows if row.label is not None and not row.problem}))

    @property
    def class_counts(self) -> dict[str, int]:
        """How many rows without a problem each class has, in the order of `class_names`."""
        counts = Counter(row.label for row in self.rows if row.label is not None and not row.problem)
        return dict(sorted(counts.items()))

    def file(self, row: Row) -> Path:
        """Return where the row's picture lies."""
        return self.root / row.path

    def with_rows(self, rows: Iterable[Row], *, notes: Iterable[str] = ()) -> "Manifest":
        """Return the same manifest with other rows, and with `notes` added to its own."""
        return replace(self, rows=tuple(rows), notes=(*self.notes, *notes))


def fingerprint(manifest: Manifest) -> str:
    """Return the sha256 of what a model learns from: sorted (sha256, label, split) of the rows in use.

    Neither names nor order of files count, nor quarantined rows.
    """
    used = sorted((row.sha256, row.label or "", row.split) for row in manifest.rows if not row.problem)
    return hashlib.sha256(json.dumps(used).encode()).hexdigest()
