"""The store: one SQLite file of features and picture facts, by content hash, fingerprint and view.

A cache: whatever goes wrong with it (read-only, full disk, damaged, network file system) is said in `notes`,
and work goes on without it. Several processes may use one file at once.
"""

import contextlib
import dataclasses
import importlib.util
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fovea.errors import StoreError
from fovea.pictures import Facts

HalfFeatures: TypeAlias = NDArray[np.float16]
_READER_VERSION = 1  # to be raised when our own reading changes which pictures have a problem
_CHUNK = 400  # rows asked for at once; SQLite's lowest limit of variables is 999


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What is known of a picture's content: its facts, or why it cannot be read ("" where it can)."""

    facts: Facts | None
    problem: str


@dataclasses.dataclass(frozen=True, slots=True)
class StoredRow:
    """One picture's features in one view, to be written: `vector` is float16 (d,)."""

    sha256: str
    view: int
    vector: HalfFeatures


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What tells copies apart: the hash of a picture's pixels, and a small version of it as bytes."""

    pixel_hash: str
    small: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file is unchanged."""

    path: str
    size_bytes: int
    mtime_ns: int
    inode: int


_INSERT_PICTURE = "INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?)"


class Store:
    """An open store; use it in a `with`, or close it. Methods raise StoreError where the file is damaged.

    `notes` are plain sentences for the user about what does not work. `is_storing` turns False for good when
    writing fails; reading goes on.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, notes: Sequence[str], is_storing: bool
    ) -> None:
        self.path = path
        self.notes = list(notes)
        self.is_storing = is_storing
        self._connection = connection
        self._lock = threading.Lock()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def known(self, sha256s: Sequence[str]) -> dict[str, Known]:
        """Return what is known of these pictures; a problem only as this installation sees it."""
        found = {}
        query = (
            "SELECT sha256, facts, problem FROM picture WHERE (problem = '' OR decoder = ?) AND sha256 IN "
        )
        for sha256, facts, problem in self._chunked(query, (_decoder(),), sha256s):
            found[sha256] = Known(_facts_from(facts), problem)
        return found

    def features(
        self, fingerprint: str, sha256s: Sequence[str], *, view: int = 0
    ) -> Iterator[tuple[str, HalfFeatures]]:
        """Yield (hash, float16 (d,)) of those that are stored, in no order, a few at a time."""
        query = (
            "SELECT sha256, vector FROM feature WHERE "
            "encoder = (SELECT id FROM encoder WHERE fingerprint = ?) AND view = ? AND sha256 IN "
        )
        for sha256, vector in self._chunked(query, (fingerprint, view), sha256s):
            yield sha256, np.frombuffer(vector, np.float16)

    def write_features(
        self, fingerprint: str, rows: Sequence[StoredRow], *, name: str, facts: Mapping[str, Known]
    ) -> None:
        """Store features of one encoder, and facts of pictures by hash, in one step: all or nothing."""
        vectors = [(row.view, row.sha256, row.vector.astype(np.float16).tobytes()) for row in rows]
        known = _picture_rows(facts)
        width = len(rows[0].vector) if rows else 0

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO encoder (fingerprint, name, n_features, used_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (fingerprint) DO UPDATE SET used_at = excluded.used_at",
                (fingerprint, name, width, int(time.time())),
            )
            (encoder,) = connection.execute(
                "SELECT id FROM encoder WHERE fingerprint = ?", (fingerprint,)
            ).fetchone()
            connection.executemany(
                "INSERT OR IGNORE INTO feature (encoder, view, sha256, vector) VALUES (?, ?, ?, ?)",
                ((encoder, *vector) for vector in vectors),
            )
            connection.executemany(_INSERT_PICTURE, known)

        self._write(insert)

    def write_facts(self, facts: Mapping[str, Known]) -> None:
        """Store what is known of pictures, by content hash."""
        rows = _picture_rows(facts)
        self._write(lambda connection: connection.executemany(_INSERT_PICTURE, rows))

    def touch(self, fingerprint: str) -> None:
        """Note that an encoder's features were used, at most once an hour."""
        now = int(time.time())
        query = "UPDATE encoder SET used_at = ? WHERE fingerprint = ? AND used_at < ?"
        self._write(lambda connection: connection.execute(query, (now, fingerprint, now - 3600)))

    def hashes(self, stamps: Sequence[Stamp]) -> dict[str, str]:
        """Return path -> sha256 of the files that are recorded with just this size, time and inode."""
        wanted = {stamp.path: stamp for stamp in stamps}
        query = "SELECT path, size_bytes, mtime_ns, inode, sha256 FROM file WHERE path IN "
        return {
            path: sha256
            for path, size_bytes, mtime_ns, inode, sha256 in self._chunked(query, (), list(wanted))
            if wanted[path] == Stamp(path, size_bytes, mtime_ns, inode)
        }

    def write_hashes(self, hashes: Sequence[tuple[Stamp, str]]) -> None:
        """Record the sha256 of files."""
        rows = [
            (stamp.path, stamp.size_bytes, stamp.mtime_ns, stamp.inode, sha256) for stamp, sha256 in hashes
        ]
        query = "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)"
        self._write(lambda connection: connection.executemany(query, rows))

    def looks(self, sha256s: Sequence[str]) -> dict[str, Look]:
        """Return the looks that are stored, by content hash."""
        query = "SELECT sha256, pixel_hash, small FROM look WHERE sha256 IN "
        return {
            sha256: Look(pixel_hash, small) for sha256, pixel_hash, small in self._chunked(query, (), sha256s)
        }

    def write_looks(self, looks: Mapping[str, Look]) -> None:
        """Store looks by content hash."""
        rows = [(sha256, look.pixel_hash, look.small) for sha256, look in looks.items()]
        query = "INSERT OR REPLACE INTO look VALUES (?, ?, ?)"
        self._write(lambda connection: connection.executemany(query, rows))

    def encoders(self) -> list[tuple[str, str, int, int, int]]:
        """Return (name, fingerprint, rows, bytes, last use in seconds since 1970) of each encoder."""
        query = (
            "SELECT name, fingerprint, count(vector), coalesce(sum(length(vector)), 0), used_at FROM encoder "
            "LEFT JOIN feature ON feature.encoder = encoder.id GROUP BY encoder.id ORDER BY used_at DESC"
        )
        try:
            return self._connection.execute(query).fetchall()
        except sqlite3.Error as error:
            raise self.damage(error) from error

    def forget(self, *, before: int, fingerprint: str = "") -> None:
        """Delete features of encoders last used before then and whose fingerprint begins so; shrink the file.

        With no encoder left, what is known of pictures and files goes too. Raises StoreError.
        """
        where = "used_at < ? AND substr(fingerprint, 1, ?) = ?"
        values = (before, len(fingerprint), fingerprint)
        run = self._connection.execute
        try:
            with self._lock:
                run("BEGIN IMMEDIATE")
                run(f"DELETE FROM feature WHERE encoder IN (SELECT id FROM encoder WHERE {where})", values)
                run(f"DELETE FROM encoder WHERE {where}", values)
                if not run("SELECT count(*) FROM encoder").fetchone()[0]:
                    for table in ("picture", "file", "look"):
                        run(f"DELETE FROM {table}")
                run("COMMIT")
                run("VACUUM")
                run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise self.damage(error) from error

    def _chunked(
        self, query: str, first: tuple[object, ...], keys: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        """Run `query`, which ends with IN, for a few keys at a time."""
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            places = f"({','.join('?' * len(chunk))})"
            try:
                rows = self._connection.execute(query + places, (*first, *chunk)).fetchall()
            except sqlite3.Error as error:
                raise self.damage(error) from error
            yield from rows

    def damage(self, error: sqlite3.Error) -> StoreError:
        """Return what to tell the user when reading fails."""
        return StoreError(
            f"The store of features {str(self.path)!r} cannot be read: {error}. Delete this file and those "
            "beside it that begin with its name; it holds only what can be computed again."
        )

    def _write(self, action: Callable[[sqlite3.Connection], object]) -> None:
        """Run one transaction; where it fails nothing of it is stored, a note says so, and storing ends."""
        if not self.is_storing:
            return
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                action(self._connection)
                self._connection.execute("COMMIT")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                if not isinstance(error, sqlite3.Error):
                    raise
                self._stop(error)

    def _stop(self, error: sqlite3.Error) -> None:
        self.is_storing = False
        self.notes.append(
            f"Features are no longer stored: {error} ({str(self.path)!r}). What was stored before stays, "
            "this run goes on, and the next one computes the rest again."
        )


def _picture_rows(facts: Mapping[str, Known]) -> list[tuple[str, str | None, str, str]]:
    decoder = _decoder()
    return [(sha256, _facts_to(one.facts), one.problem, decoder) for sha256, one in facts.items()]


def _decoder() -> str:
    """Return what decides whether a picture can be read: a problem counts for the same decoders only."""
    import PIL

    has_heif = importlib.util.find_spec("pillow_heif") is not None
    return f"reader {_READER_VERSION}, pillow {PIL.__version__}, heif {has_heif}"


def _facts_to(facts: Facts | None) -> str | None:
    return None if facts is None else json.dumps(dataclasses.asdict(facts))


def _facts_from(text: str | None) -> Facts | None:
    if text is None:
        return None
    content = json.loads(text)
    return Facts(**{**content, "conversions": tuple(content["conversions"])})
