"""Parquet tables that hold pictures, as Hugging Face writes them: one row each, `data/train-00000.parquet#0`.

Pictures stay in the file and are read some at a time. Classes come from the schema's ClassLabel names, texts or
numbers; the split from the file's or its folder's name. Needs the extra `parquet` (pyarrow), imported late.
"""

import json
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import InputError, MissingExtraError, PictureError
from fovea.manifest.folders import DOCUMENT_SUFFIXES, SPLIT_NAMES
from fovea.manifest.packs import Wish
from fovea.manifest.rows import Manifest, Row
from fovea.wording import count, did_you_mean, some

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow.parquet import ParquetFile

_PICTURES = ("image", "img", "picture", "photo", "jpg", "png", "bytes")
_LABELS = ("label", "labels", "fine_label", "class", "category", "target")
_WINDOW_ROWS, _WINDOW_BYTES = 64, 8_000_000
"""Rows read at a time: this many, fewer where pictures are large."""
_KEPT = 8
"""Windows kept: decoding threads run a few batches ahead of each other."""


def open_parquet(file: Path) -> "ParquetFile":
    """Open a Parquet file, mapped.

    Raises:
        MissingExtraError: pyarrow is not there.
        InputError: it cannot be read, is cut short or no Parquet file.
    """
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtraError(
            f'Reading {str(file)!r} needs an optional package: pip install "fovea-vision[parquet]"'
        ) from error
    try:
        return ParquetFile(file, memory_map=True)
    except (ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"{str(file)!r} cannot be read: {os.strerror(error.errno)}.") from error
        raise InputError(
            f"{str(file)!r} is cut short or no Parquet file: its end, which says what is in it, cannot be read. "
            "Download it again."
        ) from error


class ParquetPack:
    """The pictures of one Parquet file by number, read in windows; the last few stay in memory."""

    is_quick = False

    def __init__(self, file: Path, *, column: str) -> None:
        self._file, self._column = file, column
        self._open = open_parquet(file)
        meta = self._open.metadata
        groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
        self._starts = [0, *accumulate(group.num_rows for group in groups)]
        n_bytes = sum(_column_bytes(group, column) for group in groups)
        average = max(1, n_bytes // max(1, meta.num_rows))
        self._window_rows = min(_WINDOW_ROWS, max(1, _WINDOW_BYTES // average))
        self._windows: OrderedDict[tuple[int, int], list[Any]] = OrderedDict()
        self._ahead: tuple[int, int, Iterator[Any]] = (-1, 0, iter(()))
        self._lock = threading.Lock()

    def read(self, number: int) -> bytes:
        """Return the bytes of picture `number` as they stand in the table.

        Raises OSError where the table cannot be read, PictureError where the row holds no picture.
        """
        from bisect import bisect_right

        group = bisect_right(self._starts, number) - 1
        window, at = divmod(number - self._starts[group], self._window_rows)
        with self._lock:
            found = self._window(group, window)[at]
        content = found.get("bytes") if isinstance(found, dict) else found
        if not content:
            raise PictureError("the table's row holds no picture")
        return bytes(content)

    def _window(self, group: int, window: int) -> list[Any]:
        """Return one window; those between the last one read and this one pass by."""
        from pyarrow import ArrowException

        if (group, window) in self._windows:
            self._windows.move_to_end((group, window))
            return self._windows[group, window]
        open_group, following, ahead = self._ahead
        if open_group != group or following > window:
            following = 0
            ahead = self._open.iter_batches(self._window_rows, row_groups=[group], columns=[self._column])
        try:
            for _ in range(following, window):
                next(ahead)
            values: list[Any] = next(ahead).column(0).to_pylist()
        except (ArrowException, OSError, StopIteration) as error:
            self._ahead = -1, 0, iter(())
            row = self._starts[group] + window * self._window_rows
            raise OSError(f"damaged at row {row:,} and after") from error
        self._ahead = group, window + 1, ahead
        self._windows[group, window] = values
        if len(self._windows) > _KEPT:
            self._windows.popitem(last=False)
        return values


def _column_bytes(group: Any, leaf: str) -> int:
    """Return how many bytes a leaf column has in a row group, unpacked."""
    columns = (group.column(number) for number in range(group.num_columns))
    return sum(one.total_uncompressed_size for one in columns if one.path_in_schema == leaf)


def read_parquet(root: Path, *, files: Sequence[Path], wish: Wish) -> Manifest:
    """Return a row for every row of Parquet files below `root`.

    Raises:
        MissingExtraError: pyarrow is not there.
        InputError: a file is damaged, has no pictures or no labels, or lacks a column that was named.
    """
    rows: list[Row] = []
    packs = {}
    notes: dict[str, None] = {}
    n_unlabelled = 0
    for file in files:
        place = file.relative_to(root).as_posix()
        table = _Table(file, open_parquet(file))
        packs[place] = ParquetPack(file, column=table.picture_column())
        labels: Sequence[str | None] = [None] * table.n_rows
        split = ""
        if wish.labelled:
            column = table.label_column(wish.label_by)
            labels = table.labels(column)
            split = _split(file, root=root)
            notes |= dict.fromkeys(table.notes(column, chosen=wish.label_by))
        groups = (
            [""] * table.n_rows if wish.group_by is None else table.texts(table.group_column(wish.group_by))
        )
        for k, (label, group) in enumerate(zip(labels, groups, strict=True)):
            if wish.labelled and label is None:
                n_unlabelled += 1
                continue
            rows.append(Row(f"{place}#{k}", label, split, group))
    if n_unlabelled:
        notes[f"{count(n_unlabelled, 'row')} without a label left out."] = None
    return Manifest(root, tuple(rows), tuple(notes), packs=packs)


def _split(file: Path, *, root: Path) -> str:
    """Return the split that a file's name (train-00000-of-00002.parquet) or one of its folders gives."""
    word = file.name.replace(".", "-").replace("_", "-").partition("-")[0]
    folders = reversed(file.relative_to(root).parts[:-1])
    return next(
        (SPLIT_NAMES[one.casefold()] for one in (word, *folders) if one.casefold() in SPLIT_NAMES), ""
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """One Parquet file: which of its columns is what."""

    file: Path
    open: "ParquetFile"

    @property
    def schema(self) -> "Schema":
        return self.open.schema_arrow

    @property
    def n_rows(self) -> int:
        n: int = self.open.metadata.num_rows
        return n

    def picture_column(self) -> str:
        """Return the leaf column of the pictures' bytes."""
        found = picture_columns(self.schema)
        if not found:
            raise InputError(
                f"{str(self.file)!r} has no column of pictures: its columns are {self._columns()}, and none holds the bytes "
                "of files. Write each picture's bytes into a column 'image', or give a table with the columns path,label."
            )
        if len(found) > 1 and found[0].partition(".")[0] not in _PICTURES:
            raise InputError(
                f"{str(self.file)!r} has {len(found)} columns that may hold pictures: {some(found)}. Call the right one 'image'."
            )
        return found[0]

    def label_column(self, label_by: str | None) -> str:
        """Return the column of the labels: the one that was named, or the first known name."""
        if label_by is not None:
            return self._named(label_by, option="--label-by")
        found = self._label_columns()
        if not found:
            raise InputError(
                f"{str(self.file)!r} has no column of labels: its columns are {self._columns()}. Name one with --label-by "
                "COLUMN, or call it 'label'."
            )
        return found[0]

    def group_column(self, group_by: str) -> str:
        """Return the column that groups are taken from."""
        return self._named(group_by, option="--group-by")

    def texts(self, column: str) -> list[str]:
        """Return a column's values as texts, "" where there is none."""
        return ["" if value is None else str(value) for value in self._values(column)]

    def labels(self, column: str) -> list[str | None]:
        """Return the class of each row, None where it has none (null, an empty text, a number below zero)."""
        values = self._values(column)
        odd = next((one for one in values if not isinstance(one, str | int | None)), None)
        if odd is not None:
            raise InputError(
                f"{str(self.file)!r}: the column {column!r} holds {type(odd).__name__} values such as {str(odd)[:40]!r}, where a "
                "class is a text or a whole number. Name another column with --label-by COLUMN."
            )
        names = class_label_names(self.schema, column)
        if not names:
            return [None if one is None or one == "" else str(one).strip() or None for one in values]
        return [self._name(one, names=names, column=column) for one in values]

    def notes(self, column: str, *, chosen: str | None) -> list[str]:
        """Say which other labels could be taken."""
        others = [other for other in self._label_columns() if other != column]
        if not others or chosen is not None:
            return []
        return [f"The classes are the column {column!r}; for others: --label-by {others[0]}."]

    def _name(self, value: Any, *, names: Sequence[str], column: str) -> str | None:
        if value is None or isinstance(value, str):
            return value or None
        if value >= len(names):
            raise InputError(
                f"{str(self.file)!r}: the column {column!r} holds the number {value}, and its schema names "
                f"{count(len(names), 'class', 'classes')} (from 0). Write the table again."
            )
        return names[value] if value >= 0 else None

    def _values(self, column: str) -> list[Any]:
        from pyarrow import ArrowException

        try:
            values: list[Any] = self.open.read([column]).column(column).to_pylist()
        except (ArrowException, OSError) as error:
            raise InputError(
                f"{str(self.file)!r} is damaged: its column {column!r} cannot be read. Download it again."
            ) from error
        return values

    def _named(self, column: str, *, option: str) -> str:
        if column not in self.schema.names:
            raise InputError(
                f"{option} names the column {column!r}, which {str(self.file)!r} does not have"
                f"{did_you_mean(column, self.schema.names)}. Its columns: {self._columns()}."
            )
        return column

    def _label_columns(self) -> list[str]:
        known = [name for name in _LABELS if name in self.schema.names]
        named = [name for name in self.schema.names if class_label_names(self.schema, name)]
        others = [name for name in self.schema.names if name.endswith("_label")]
        return list(dict.fromkeys([*known, *named, *others]))

    def _columns(self) -> str:
        return some(self.schema.names, shown=20)


def holds_pictures(file: Path) -> bool:
    """Return whether a Parquet file has a column that may hold pictures, or no paths to them either.

    Raises as `open_parquet` does.
    """
    schema = open_parquet(file).schema_arrow
    return bool(picture_columns(schema)) or not {"path", "file_name"} & {*schema.names}


def read_cells(file: Path) -> dict[str, list[str]]:
    """Return the columns of texts and numbers as texts, classes by the names that the schema gives them.

    Raises as `open_parquet` does.
    """
    import pyarrow as pa

    table = _Table(file, open_parquet(file))
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_dictionary)
    plain = [one.name for one in table.schema if any(test(one.type) for test in tests)]
    named = {name for name in plain if class_label_names(table.schema, name)}
    return {
        name: [one or "" for one in table.labels(name)] if name in named else table.texts(name)
        for name in plain
    }


def find_tables(folder: Path) -> list[Path]:
    """Return the Parquet files in a folder that holds nothing else but documents, also in folders below.

    Raises InputError where these are several sets.
    """
    files: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        tables = sorted(name for name in names if name.lower().endswith(".parquet"))
        others = [name for name in names if name not in tables and not name.startswith(".")]
        if any(not name.lower().endswith(DOCUMENT_SUFFIXES) for name in others):
            return []
        files += [Path(place, name) for name in tables]
    sets: dict[str, Path] = {}
    for file in files:
        parts = file.relative_to(folder).parts[:-1]
        sets.setdefault("/".join(part for part in parts if part.casefold() not in SPLIT_NAMES), file.parent)
    if len(sets) > 1:
        raise InputError(
            f"{str(folder)!r} holds {len(sets)} sets of Parquet files: {some(sets)}. Give the folder of one of them, for "
            f"example {str(next(iter(sets.values())))!r}."
        )
    return files


def picture_columns(schema: "Schema") -> list[str]:
    """Return the leaf columns that may hold pictures' bytes, well-known names first."""
    import pyarrow as pa

    binary = (pa.types.is_binary, pa.types.is_large_binary)
    found = []
    for one in schema:
        if any(test(one.type) for test in binary):
            found.append(one.name)
        elif pa.types.is_struct(one.type) and one.type.get_field_index("bytes") >= 0:
            found.append(f"{one.name}.bytes")

    def rank(leaf: str) -> int:
        name = leaf.partition(".")[0]
        return _PICTURES.index(name) if name in _PICTURES else len(_PICTURES)

    return sorted(found, key=rank)


def class_label_names(schema: "Schema", column: str) -> list[str]:
    """Return the class names that Hugging Face's metadata give a column of numbers, [] where there are none."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        names = features[column]["names"] if features[column]["_type"] == "ClassLabel" else []
    except (KeyError, TypeError, ValueError):
        return []
    fits = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if fits and max(Counter(names).values(), default=0) == 1 else []
