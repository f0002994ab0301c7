"""What to tell where an index cannot be used: in the way of others, without room or permission, or damaged.

Only one that is damaged has to be made anew: that is no advice for one that is whole.
"""

import errno
import sqlite3
from pathlib import Path

from fovea.errors import StoreError

_BUSY = "is being written by another process, which did not end within ten minutes. Wait until it is done, or end it; then"
_MOVED = "was deleted by another process meanwhile; to make it again,"
_FULL = "cannot be written: {error}. Make room there; what is in it stays. Then"
_CLOSED = "cannot be written: {error}. Get permission to write there, or set FOVEA_CACHE to a folder that can be written; then"
_BROKEN = "cannot be read or written: {error}. See to the disk that it lies on; then"
_OF_SQLITE = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _CLOSED,
    sqlite3.SQLITE_CANTOPEN: _CLOSED,
    sqlite3.SQLITE_PERM: _CLOSED,
    sqlite3.SQLITE_IOERR: _BROKEN,
}
_OF_SYSTEM = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EROFS: _CLOSED,
    errno.EIO: _BROKEN,
}


def trouble(folder: Path, error: object) -> StoreError:
    """Return what to tell the user where an index failed with an error, or is damaged in the way that a text says."""
    place, told = f"The index in {str(folder)!r}", _passing(error)
    if told:
        reason = getattr(error, "strerror", None) or error
        return StoreError(f"{place} {told.format(error=reason)} give the same command again.")
    return StoreError(
        f"{place} cannot be used: {error}. Give --reindex to make it again from the stored features; your pictures and the "
        "store stay as they are."
    )


def is_damage(error: object) -> bool:
    """Return whether an error says that an index is damaged, and not that it cannot be had now."""
    return not _passing(error)


def _passing(error: object) -> str:
    """Return what to tell of an error that says nothing against the index itself, "" of any other."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)
        return _MOVED if code == sqlite3.SQLITE_READONLY_DBMOVED else _OF_SQLITE.get(code & 0xFF, "")
    return _OF_SYSTEM.get(error.errno or 0, "") if isinstance(error, OSError) else ""
