"""One row per picture: what every source becomes and every task starts from."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from fovea.manifest.packs import Pack, PackedPicture

SPLITS = ("train", "valid", "test")
LEFT_OUT = "left out: "
"""How the problem of a row begins whose picture is fine, but which a person left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture: where it lies, what it is said to show, and on which side it stands."""

    path: str
    """As the user would recognise it: relative to `Manifest.root`, with forward slashes; `FILE#NUMBER` inside a pack."""
    label: str | None
    """The class's name, None when the picture has no label."""
    split: str = ""
    """"train", "valid", "test", or "" for none."""
    group: str = ""
    """Pictures of one group stay on one side; "" for none."""
    problem: str = ""
    """Why the row is quarantined; "" when it is fine."""
    sha256: str = ""
    """Of the picture's content, hexadecimal; "" while it has not been read."""
    width: int = 0
    """Upright width in pixels; 0 while unknown."""
    height: int = 0
    """Upright height in pixels; 0 while unknown."""
    pseudo_round: int = 0
    """The round of pseudo-labelling that gave the label; 0: a person did, or nobody."""
    probability: float = 0.0
    """Of a pseudo-label, in [0, 1]; 0 where a person labelled."""

    @property
    def is_left_out(self) -> bool:
        """Whether a person said that the picture belongs to no class."""
        return self.problem.startswith(LEFT_OUT)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All pictures of one source, with plain sentences for the user about what was left out or looked odd."""

    root: Path
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())
    packs: Mapping[str, Pack] = field(default_factory=dict, compare=False, repr=False)
    """The files that hold many pictures, by their path below the root."""

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
        """Return where the row's picture lies; of a picture in a pack, the pack."""
        place = self._in_pack(row)
        return self.root / (place[0] if place else row.path)

    def pack(self, row: Row) -> Pack | None:
        """Return the pack that holds the row's picture, None where it is a file of its own."""
        place = self._in_pack(row)
        return self.packs[place[0]] if place else None

    def read(self, row: Row) -> bytes:
        """Return the row's picture as the bytes of a file.

        Raises OSError where it cannot be read, PictureError where its place in a pack holds none.
        """
        place = self._in_pack(row)
        if place is None:
            return self.file(row).read_bytes()
        return self.packs[place[0]].read(place[1])

    def source(self, row: Row) -> Path | PackedPicture:
        """Return what a classifier takes for the row's picture: its file, or the picture in its pack."""
        if self._in_pack(row) is None:
            return self.file(row)
        return PackedPicture(str(self.root / row.path), partial(self.read, row))

    def _in_pack(self, row: Row) -> tuple[str, int] | None:
        name, mark, number = row.path.rpartition("#")
        return (name, int(number)) if mark and name in self.packs else None

    def with_rows(self, rows: Iterable[Row], *, notes: Iterable[str] = ()) -> "Manifest":
        """Return the same manifest with other rows, and with `notes` added to its own."""
        return replace(self, rows=tuple(rows), notes=(*self.notes, *notes))


def fingerprint(manifest: Manifest) -> str:
    """Return the sha256 of what a model learns from: sorted (sha256, label, split) of the rows in use.

    Neither names nor order of files count, nor quarantined rows.
    """
    used = sorted((row.sha256, row.label or "", row.split) for row in manifest.rows if not row.problem)
    return hashlib.sha256(json.dumps(used).encode()).hexdigest()
