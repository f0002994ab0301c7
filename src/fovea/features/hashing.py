"""The sha256 of every file of a scan, hashed again only where size, time or inode changed."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fovea.features.card import file_sha256
from fovea.features.store import Stamp, Store
from fovea.pictures import Found
from fovea.progress import Progress, silent

_RACY_NS = 2_000_000_000  # a file this young may change again within the clock's grain, its stamp the same
_GROUP = 2048


@dataclass(frozen=True, slots=True)
class Hashes:
    """The sha256 of each file, "" where it cannot be read; then `problems` says why (else "")."""

    sha256s: tuple[str, ...]
    problems: tuple[str, ...]
    n_hashed: int


def read_hashes(
    files: Sequence[Found], *, store: Store | None, threads: int = 2, progress: Progress = silent
) -> Hashes:
    """Return the hashes of `files` in order; the store remembers them by path, size, time and inode."""
    stamps = [Stamp(str(file.path.absolute()), file.size_bytes, file.mtime_ns, file.inode) for file in files]
    known = store.hashes(stamps) if store else {}
    todo = [row for row, stamp in enumerate(stamps) if stamp.path not in known]
    found = {row: (known[stamp.path], "") for row, stamp in enumerate(stamps) if stamp.path in known}
    with ThreadPoolExecutor(threads, thread_name_prefix="fovea-hash") as pool:
        for start in range(0, len(todo), _GROUP):
            progress("hash", len(files) - len(todo) + start, len(files))
            group = todo[start : start + _GROUP]
            answers = list(pool.map(_hash, [files[row] for row in group]))
            found.update(zip(group, answers, strict=True))
            if store:
                now = time.time_ns()
                settled = [row for row in group if found[row][0] and now - stamps[row].mtime_ns > _RACY_NS]
                store.write_hashes([(stamps[row], found[row][0]) for row in settled])
    progress("hash", len(files), len(files))
    ordered = [found[row] for row in range(len(files))]
    return Hashes(tuple(sha for sha, _ in ordered), tuple(problem for _, problem in ordered), len(todo))


def _hash(file: Found) -> tuple[str, str]:
    try:
        return file_sha256(file.path), ""
    except OSError as error:
        return "", f"cannot be read: {error.strerror or error}"
