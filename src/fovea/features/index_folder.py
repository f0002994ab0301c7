"""The index of a catalogue: a folder with a row for each picture (SQLite) and their vectors (one file that grows).

Rows are the truth: vectors are written and synced before the rows that name them are committed, and a file goes only when
what takes its place is. A crash leaves what was there, and processes write one after the other. All of it can be made again
from pictures and the store.
"""

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import StoreError
from fovea.features.folder import cache_folder
from fovea.features.index_rows import Entry, Made, as_blob, as_text, entry_of, row_of
from fovea.features.index_trouble import is_damage, trouble

COLUMNS = ("path", "label", "split", "sha256")
"""What pictures can be chosen by."""
BUSY_SECONDS = 600.0
_FILE = "index-1.sqlite"  # the number is the format: another fovea makes another file
_CHUNK = 400  # values in one question; SQLite's lowest limit is 999
_SLACK = 1000  # vectors of pictures that are gone which are let lie, beside as many as there are
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS picture (
    slot INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, label BLOB, split BLOB NOT NULL, sha256 BLOB NOT NULL,
    size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL);
"""


class CatalogueIndex:
    """An open index; use it in a `with`, or close it. Methods raise StoreError where it is damaged or cannot be written."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection
        self._replaced: list[str] = []  # files that go once what takes their place is committed

    def __enter__(self) -> "CatalogueIndex":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def made(self) -> Made:
        """What it is of."""
        return Made(**self.read_meta("made"))

    def read_meta(self, key: str) -> Any:
        """Return what was noted under a name, None where nothing was."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else None

    def write_meta(self, **values: Any) -> None:
        """Note values under their names."""
        with self._writing():
            self._note(**values)

    def write_graph(self, graph: Mapping[str, Any]) -> None:
        """Note a graph of the vectors in the file `graph["vectors"]`; the one before goes.

        Where the vectors were moved to another file meanwhile it is the new one that goes.
        """
        with self._writing():
            is_of_these = graph["vectors"] == self.read_meta("vectors")
            before = self.read_meta("graph") if is_of_these else graph
            self._replaced += [before["file"]] if before else []
            if is_of_these:
                self._note(graph=dict(graph))

    def entries(self) -> dict[str, Entry]:
        """Return all pictures by their path."""
        found = self._rows("SELECT path, label, split, sha256, size_bytes, mtime_ns, inode FROM picture")
        return {one.path: one for one in map(entry_of, found)}

    def append(self, entries: Sequence[Entry], vectors: NDArray[np.float32]) -> int:
        """Add pictures, or put new content in place of what their paths had; float32 (n, width). Return how many were new.

        What another process has added meanwhile with the same content is not added twice.
        """
        with self._writing():
            paths = [as_blob(one.path) for one in entries]
            known = dict(self._chunked("SELECT path, sha256 FROM picture WHERE path IN", paths))
            fresh = [k for k, one in enumerate(entries) if known.get(paths[k]) != as_blob(one.sha256)]
            first = self.read_meta("n_slots")
            self._write_vectors(first, vectors[fresh])
            rows = [(first + at, *row_of(entries[k])) for at, k in enumerate(fresh)]
            self._connection.executemany(
                "INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            n_new = sum(paths[k] not in known for k in fresh)
            self._note(n_slots=first + len(fresh), n_pictures=self.read_meta("n_pictures") + n_new)
        return n_new

    def update(self, entries: Sequence[Entry], *, gone: Sequence[str] = ()) -> None:
        """Note labels and files of pictures whose content is the same, and take out the paths that are gone."""
        with self._writing():
            self._connection.executemany(
                "UPDATE picture SET label = ?, split = ?, size_bytes = ?, mtime_ns = ?, inode = ? "
                "WHERE path = ? AND sha256 = ?",
                [(row[1], row[2], *row[4:], row[0], row[3]) for row in map(row_of, entries)],
            )
            self._connection.executemany(
                "DELETE FROM picture WHERE path = ?", [(as_blob(path),) for path in gone]
            )
            ((n_pictures,),) = self._rows("SELECT count(*) FROM picture")
            self._note(n_pictures=n_pictures)
            if self.read_meta("n_slots") > 2 * n_pictures + _SLACK:
                self._compact()

    def clear(self) -> None:
        """Take out every picture. A process that is adding some goes on with what is there then."""
        with self._writing():
            self._connection.execute("DELETE FROM picture")
            self._begin_vectors(0)
            self._note(n_pictures=0, timed=None)

    def is_whole(self) -> bool:
        """Return whether the database is not damaged, by reading all of it."""
        return self._rows("PRAGMA quick_check") == [("ok",)]

    def read_vectors(self) -> NDArray[np.float32]:
        """Return the vectors of all slots, float32 (n_slots, width), mapped from the file."""
        n, width = self.read_meta("n_slots"), self.made.width
        file = self.folder / self.read_meta("vectors")
        if n == 0:
            return np.empty((0, width), np.float32)
        try:
            mapped: NDArray[np.float32] = np.memmap(file, np.float32, "r", shape=(n, width))
        except (OSError, ValueError) as error:
            raise self.damage(
                f"{file.name!r} should hold {n:,} rows of {width:,} numbers ({error})"
            ) from error
        return mapped

    def slots(self, where: Mapping[str, str] | None = None, *, first: int = 0) -> NDArray[np.int64]:
        """Return the slots in use (m,) from `first` on, ascending; only of pictures whose columns have the values in `where`.

        Raises ValueError where a column is none of COLUMNS.
        """
        where = where or {}
        if not set(where) <= set(COLUMNS):
            raise ValueError(f"columns are {', '.join(COLUMNS)}")
        chosen = "".join(f" AND {column} = ?" for column in COLUMNS if column in where)
        values = (first, *(as_blob(where[column]) for column in COLUMNS if column in where))
        found = self._rows(f"SELECT slot FROM picture WHERE slot >= ?{chosen} ORDER BY slot", values)
        return np.fromiter((slot for (slot,) in found), np.int64)

    @property
    def has_gaps(self) -> bool:
        """Whether there are slots that no picture is in."""
        return bool(self.read_meta("n_pictures") != self.read_meta("n_slots"))

    def values(self, column: str) -> list[str]:
        """Return the values that a column has; ValueError where there is no such column."""
        if column not in COLUMNS:
            raise ValueError(f"columns are {', '.join(COLUMNS)}")
        found = self._rows(
            f"SELECT DISTINCT {column} FROM picture WHERE length({column}) > 0 ORDER BY {column}"
        )
        return [as_text(value) for (value,) in found]

    def read(self, slots: Sequence[int]) -> dict[int, Entry]:
        """Return the pictures in these slots."""
        query = (
            "SELECT slot, path, label, split, sha256, size_bytes, mtime_ns, inode FROM picture WHERE slot IN"
        )
        return {row[0]: entry_of(row[1:]) for row in self._chunked(query, list(dict.fromkeys(slots)))}

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See the index as it is now for as long as this lasts, whoever writes meanwhile."""
        self._rows("BEGIN")
        try:
            yield
        finally:
            self._rows("COMMIT")

    def damage(self, what: object) -> StoreError:
        """Return what to tell the user where the index cannot be used, by the error or what is wrong."""
        return trouble(self.folder, what)

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of an answer: a damaged page shows only when its rows are fetched."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self.damage(error) from error

    def _chunked(self, query: str, keys: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            yield from self._rows(f"{query} ({','.join('?' * len(chunk))})", chunk)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One step, all or nothing; other processes wait."""
        self._rows("BEGIN IMMEDIATE")
        self._replaced.clear()
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error | OSError) and not isinstance(error, StoreError):
                raise self.damage(error) from error
            raise
        for name in self._replaced:
            with suppress(OSError):
                (self.folder / name).unlink()

    def _note(self, **values: Any) -> None:
        rows = [(key, json.dumps(value)) for key, value in values.items()]
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def _write_vectors(self, first: int, vectors: NDArray[np.float32]) -> None:
        name, start = self.read_meta("vectors"), first * self.made.width * 4
        with (self.folder / name).open("r+b") as file:
            if file.seek(0, os.SEEK_END) < start:  # writing on would leave rows of zeros
                raise self.damage(f"{name!r} should hold {first:,} rows and was cut")
            file.seek(start)
            file.write(np.ascontiguousarray(vectors, np.float32).data)
            file.flush()
            os.fsync(file.fileno())

    def _compact(self) -> None:
        """Move the vectors in use to a new file without gaps; who has mapped the old one keeps it."""
        kept, vectors = self.slots(), self.read_vectors()
        self._begin_vectors(len(kept))
        for start in range(0, len(kept), 1024):
            self._write_vectors(start, vectors[kept[start : start + 1024]])
        self._connection.executemany(
            "UPDATE picture SET slot = ? WHERE slot = ?", list(enumerate(kept.tolist()))
        )

    def _begin_vectors(self, n_slots: int) -> None:
        """Note a new, empty file of vectors in place of the one that is there, which goes with its graph.

        Its name is no other's, so that who writes into an index that was deleted does not write into the next one.
        """
        old, graph = self.read_meta("vectors"), self.read_meta("graph")
        for left in self.folder.glob("vectors-*.f32"):  # of a process that was killed: nobody else is writing
            if left.name != old:
                left.unlink()
        self._replaced += [old, graph["file"]] if graph else [old]
        new = _new_name()
        (self.folder / new).open("xb").close()
        self._note(vectors=new, n_slots=n_slots, graph=None)


def _new_name() -> str:
    return f"vectors-{time.time_ns()}.f32"


def index_folder(made: Made) -> Path:
    """Return where the index of this catalogue, network and space lies, whether there is one or not."""
    key = json.dumps([made.fingerprint, made.space])
    return _catalogue_folder(made.catalogue) / sha256(key.encode()).hexdigest()[:16]


def _catalogue_folder(catalogue: str) -> Path:
    name = sha256(catalogue.encode(errors="surrogateescape")).hexdigest()[:16]
    return cache_folder() / "indexes" / name


def list_indexes(catalogue: str) -> list[Made]:
    """Return the indexes that there are of a catalogue; those that cannot be read, or hold no picture yet, are left out."""
    folders = sorted(_catalogue_folder(catalogue).glob("*"))
    return [made for made in (_made_in(folder, least_pictures=1) for folder in folders) if made]


def _made_in(folder: Path, *, least_pictures: int = 0) -> Made | None:
    with suppress(StoreError, sqlite3.Error), open_folder(folder) as index:
        return index.made if index.read_meta("n_pictures") >= least_pictures else None
    return None


def index_bytes() -> list[int]:
    """Return how large each index of the cache folder is."""
    return [sum(file.stat().st_size for file in folder.iterdir()) for folder in _all_folders()]


def delete_indexes(*, fingerprint: str, before: float) -> None:
    """Delete the indexes whose network's fingerprint begins so, last written before then (seconds since 1970).

    With no fingerprint those that cannot be read go too.
    """
    for folder in _all_folders():
        made = _made_in(folder)
        is_meant = made.fingerprint.startswith(fingerprint) if made else not fingerprint
        if is_meant and max((file.stat().st_mtime for file in folder.iterdir()), default=0) < before:
            shutil.rmtree(folder, ignore_errors=True)


def _all_folders() -> list[Path]:
    return [folder for folder in sorted((cache_folder() / "indexes").glob("*/*")) if folder.is_dir()]


def open_index(made: Made) -> CatalogueIndex:
    """Return the index of this catalogue, network and space; made where there is none. Raises StoreError."""
    folder = index_folder(made)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The index of {made.catalogue!r} cannot be written to {str(folder)!r}: {error.strerror or error}. Set "
            "FOVEA_CACHE to a folder that can be written."
        ) from error
    index = CatalogueIndex(folder, _connect(folder))
    try:
        index._connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
        with index._writing():
            if index.read_meta("made") is None:
                vectors = _new_name()
                (folder / vectors).touch()
                index._note(made=asdict(made), n_slots=0, n_pictures=0, vectors=vectors)
    except BaseException as error:
        index.close()
        if isinstance(error, sqlite3.Error):
            raise index.damage(error) from error
        raise
    return index


def open_folder(folder: Path) -> CatalogueIndex:
    """Return the index that lies in a folder. Raises StoreError where there is none that can be read."""
    if not (folder / _FILE).is_file():  # asked first: connecting makes it
        raise trouble(folder, "it was never finished")
    index = CatalogueIndex(folder, _connect(folder))
    try:
        if index.read_meta("made") is None:
            raise index.damage("it was never finished")
    except BaseException:
        index.close()
        raise
    return index


def renew_index(made: Made) -> None:
    """Begin an index anew: emptied in one step, so that others who write it go on; deleted where it is damaged.

    Raises StoreError where it cannot be had now.
    """
    try:
        with open_index(made) as index:
            is_whole = index.is_whole()
            if is_whole:
                index.clear()
    except StoreError as error:
        if not is_damage(error.__cause__):
            raise
        is_whole = False
    if not is_whole:
        delete_index(made)


def delete_index(made: Made) -> None:
    """Delete an index, whatever state it is in."""
    shutil.rmtree(index_folder(made), ignore_errors=True)


def _connect(folder: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            folder / _FILE, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise trouble(folder, error) from error
