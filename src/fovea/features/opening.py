"""Opening the store's file: makes it, chooses a journal that works where it lies, sets a damaged one aside.

Whatever stands in the way of storing is said in the store's notes, and never stops the work.
"""

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from fovea.features.folder import cache_folder
from fovea.features.store import Store

FILE_NAME = "features-1.sqlite"  # the number is the format: another fovea makes another file
_NETWORK_FILE_SYSTEMS = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "fuse.",
    "afs",
    "ceph",
    "lustre",
    "gpfs",
    "beegfs",
    "virtiofs",
)
BUSY_SECONDS = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS encoder (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, name TEXT NOT NULL, n_features INTEGER NOT NULL,
    used_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS feature (
    encoder INTEGER NOT NULL, view INTEGER NOT NULL, sha256 TEXT NOT NULL, vector BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS feature_key ON feature (encoder, view, sha256);
CREATE TABLE IF NOT EXISTS picture (
    sha256 TEXT PRIMARY KEY, facts TEXT, problem TEXT NOT NULL, decoder TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS look (
    sha256 TEXT PRIMARY KEY, pixel_hash TEXT NOT NULL, small BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
    path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    sha256 TEXT NOT NULL) WITHOUT ROWID;
"""


def open_store(path: Path | None = None) -> Store:
    """Return the store in the file `path` (made where missing); None: the one in the cache folder.

    Never raises for what can be worked around: where nothing can be stored, `notes` say so.
    """
    path = path or cache_folder() / FILE_NAME
    notes: list[str] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Store(path, _open_file(path, notes), notes=notes, is_storing=True)
    except sqlite3.DatabaseError as error:
        if _is_damage(error):
            return _set_aside(path, error)
        return _without_storing(path, str(error))
    except OSError as error:
        return _without_storing(path, error.strerror or str(error))


def _open_file(path: Path, notes: list[str]) -> sqlite3.Connection:
    connection = _connect(path)
    try:
        kind = file_system(path.parent)
        if kind.startswith(_NETWORK_FILE_SYSTEMS):
            why = f"it lies on a network file system ({kind})"
        else:
            mode = _journal(connection, "WAL")
            why = "" if mode == "wal" else f"its file system cannot do that ({mode})"
        if why:
            _journal(connection, "DELETE")
            notes.append(
                f"The store of features {str(path)!r} works without a write-ahead log, as {why}: slower, and "
                "one process waits for another. Set FOVEA_CACHE to a folder on a local disk to change that."
            )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path | str) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=isinstance(path, str)
    )


def _journal(connection: sqlite3.Connection, mode: str) -> str:
    """Ask for a journal mode and return the one that is there then, or the reason why not.

    SQLite does not wait for other processes here, so we do.
    """
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (found,) = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
            return str(found)
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > end:
                if _is_damage(error) or mode == "DELETE":
                    raise
                return str(error)
        time.sleep(0.02)


def _is_damage(error: sqlite3.Error) -> bool:
    return error.sqlite_errorname.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))


def _set_aside(path: Path, error: sqlite3.Error) -> Store:
    """Rename a damaged file and begin a new one."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    notes = [
        f"The store of features {str(path)!r} was damaged ({error}). It was set aside as {aside.name!r} and "
        "a new one begun; the features are computed again. Delete the old one when you like."
    ]
    try:
        path.rename(aside)
        for ending in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        return Store(path, _open_file(path, notes), notes=notes, is_storing=True)
    except (OSError, sqlite3.Error) as second:
        return _without_storing(path, str(second))


def _without_storing(path: Path, reason: str) -> Store:
    """Return a store that reads what is there, if anything, and keeps nothing."""
    notes = [
        f"Nothing is stored: {str(path)!r} cannot be written ({reason}). The next command computes the "
        "features again. Set FOVEA_CACHE to a folder that can be written."
    ]
    with contextlib.suppress(sqlite3.Error):
        # immutable: no lock and no shared memory, which a folder that cannot be written does not allow
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1")
        with contextlib.closing(connection.execute("SELECT count(*) FROM encoder")) as counted:
            counted.fetchone()
        return Store(path, connection, notes=notes, is_storing=False)
    connection = _connect("file::memory:")
    connection.executescript(_SCHEMA)
    return Store(path, connection, notes=notes, is_storing=False)


def file_system(folder: Path) -> str:
    """Return the kind of file system that `folder` lies on ("ext4", "nfs4"), "" where that is not told."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        inside = folder.resolve()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = Path(os.fsdecode(before.split()[4].encode().decode("unicode_escape").encode("latin-1")))
        if len(mounted.parts) >= best and inside.is_relative_to(mounted):
            best, kind = len(mounted.parts), after.split()[0]
    return kind
