"""The sha256 of files and of parts of files, hashed again only where path, size, time or inode changed."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fovea.errors import PictureError
from fovea.features.card import file_sha256
from fovea.features.processor import available_cores
from fovea.features.store import Stamp, Store
from fovea.pictures import content_sha256
from fovea.progress import Progress, silent

_RACY_NS = 2_000_000_000  # a file this young may change again within its clock's grain and keep its stamp
_GROUP = 1024


@dataclass(frozen=True, slots=True)
class Hashed:
    """The sha256 of a file's content (64 hex digits), or "" and the problem that kept it from being read."""

    sha256: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A picture in a file with others: which file, its number there, and how to get its content.

    `is_quick` says that reading it costs no more than remembering its hash would.
    """

    file: Path
    number: int
    read: Callable[[], bytes]
    is_quick: bool = False


def read_hashes(
    files: Sequence[Path | Part],
    store: Store | None,
    *,
    threads: int | None = None,
    progress: Progress = silent,
) -> list[Hashed]:
    """Return the hash of each file or part, in order; one that the store knows unchanged is not read again.

    Files written in the last two seconds are hashed, but not remembered.
    """
    stamps = [_stamp(file) for file in files]
    known = store.hashes([stamp for stamp in stamps if stamp]) if store else {}
    found = [Hashed(known.get(stamp.path, "") if stamp else "") for stamp in stamps]
    todo = [row for row, one in enumerate(found) if not one.sha256]
    with ThreadPoolExecutor(threads or available_cores(), thread_name_prefix="fovea-hash") as pool:
        for start in range(0, len(todo), _GROUP):
            progress("hash", len(files) - len(todo) + start, len(files))
            group = todo[start : start + _GROUP]
            wanted = [files[row] for row in group]
            # Handing something so small to another thread would cost more than doing it.
            are_quick = all(isinstance(one, Part) and one.is_quick for one in wanted)
            hashes = map(_hash, wanted) if are_quick else pool.map(_hash, wanted)
            for row, one in zip(group, hashes, strict=True):
                found[row] = one
            if store:
                _remember(store, [(stamps[row], found[row].sha256) for row in group])
    progress("hash", len(files), len(files))
    return found


def _stamp(wanted: Path | Part) -> Stamp | None:
    if isinstance(wanted, Part) and wanted.is_quick:
        return None
    file, end = (wanted, "") if isinstance(wanted, Path) else (wanted.file, f"#{wanted.number}")
    try:
        status = file.stat()
    except OSError:
        return None
    path = (
        str(file.absolute()).encode(errors="backslashreplace").decode()
    )  # SQLite takes no other text than UTF-8
    return Stamp(path + end, status.st_size, status.st_mtime_ns, status.st_ino)


def _hash(wanted: Path | Part) -> Hashed:
    try:
        return Hashed(file_sha256(wanted) if isinstance(wanted, Path) else content_sha256(wanted.read()))
    except PictureError as error:
        return Hashed("", str(error))
    except OSError as error:
        return Hashed("", f"cannot be read: {error.strerror or error}")


def _remember(store: Store, hashed: Sequence[tuple[Stamp | None, str]]) -> None:
    now = time.time_ns()
    settled = [
        (stamp, sha256) for stamp, sha256 in hashed if stamp and sha256 and now - stamp.mtime_ns > _RACY_NS
    ]
    if settled:
        store.write_hashes(settled)
