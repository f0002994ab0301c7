"""Files that a command writes where its user said: whole or not at all, and never over another."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from fovea.errors import OutputError

_NO_LINKS = (
    errno.EPERM,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EMLINK,
)  # exFAT, FAT and some networks' drives


def require_free(target: Path | None, *, option: str) -> None:
    """Raise OutputError, before the work, where a file to write is there already or its folder cannot be made."""
    if target is None:
        return
    if os.path.lexists(target):  # a link to nowhere is something, too
        raise OutputError(f"There is something at {str(target)!r} already. Choose another name for {option}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot(target, error, option=option) from error


def write_whole(target: Path, content: bytes, *, option: str) -> None:
    """Write a file that `require_free` let pass. Raises OutputError, and then leaves nothing behind."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        _name(partial, target)
    except FileExistsError:
        raise OutputError(
            f"Something came to {str(target)!r} meanwhile. Choose another name for {option}; the features are stored, so "
            "the same command takes seconds."
        ) from None
    except OSError as error:
        raise _cannot(target, error, option=option) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _name(partial: Path, target: Path) -> None:
    """Give a file its name, and unlike a renaming never over what came there meanwhile (FileExistsError)."""
    try:
        os.link(partial, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        target.open("xb").close()  # the name is ours from here on
        try:
            partial.replace(target)
        except OSError:
            target.unlink()
            raise


def _cannot(target: Path, error: OSError, *, option: str) -> OutputError:
    return OutputError(
        f"{str(target)!r} cannot be written: {error.strerror or error}. Make room or get permission, or choose another "
        f"name for {option}; features that were computed are stored, so the same command takes seconds."
    )
