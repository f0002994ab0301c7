"""The folder that `sort` fills: its journal of intentions, and names that any file system takes.

An intention is written and synced before it is acted on. The journal says what was meant, the file system
what was done: that is enough to go on, or back, after a kill at any moment. Acting is `sort_write`'s part.
"""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fovea.errors import FoveaError, InputError, OutputError

JOURNAL = ".fovea-sort.jsonl"
TABLE = "sorted.csv"
UNSURE = "unsure"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One intention: `source` (absolute) goes to `destination` (relative to INTO) by `kind`."""

    number: int
    kind: str  # "copy", "link" (a hard link), "symlink" or "move"
    source: str
    destination: str
    size_bytes: int
    sha256: str
    class_name: str | None
    probability: float | None
    reason: str


def safe_folder_names(class_names: Iterable[str]) -> dict[str, str]:
    """Give every class a folder name that any file system takes; all differ, even where case does not count.

    Separators, control signs and `:*?"<>|` become `_`; dots and spaces at the end go; what is then empty,
    hidden or reserved gets a `_` in front.
    """
    taken = {UNSURE, TABLE}
    folders = {}
    for class_name in class_names:
        name = "".join("_" if c in '/\\:*?"<>|' or ord(c) < 32 or ord(c) == 127 else c for c in class_name)
        name = name.rstrip(". ").lstrip(" ")
        if not name or name.startswith(".") or name.split(".")[0].casefold() in _RESERVED:
            name = f"_{name}"
        folders[class_name] = free_name(name, taken)
    return folders


def free_name(name: str, taken: set[str]) -> str:
    """Return `name`, or `stem (2).suffix` and so on, not in `taken` (casefolded names), and add it there."""
    stem, suffix = Path(name).stem, Path(name).suffix
    number = 1
    while True:
        end = suffix if number == 1 else f" ({number}){suffix}"
        room = 250 - len(os.fsencode(end))  # of the 255 bytes that file systems allow
        candidate = os.fsencode(stem)[: max(room, 1)].decode(errors="ignore") + end
        if len(os.fsencode(stem)) <= room:
            candidate = stem + end
        if candidate.casefold() not in taken:
            taken.add(candidate.casefold())
            return candidate
        number += 1


class Journal:
    """The record of one INTO: a head line with its token and settings, then one line an intention."""

    def __init__(self, into: Path, *, head: Mapping[str, Any], entries: list[Entry], file: Any) -> None:
        self.into = into
        self.head = dict(head)
        self.entries = entries
        self.tables: set[str] = set()
        self._file = file

    def read(self, line: Mapping[str, Any], number: int) -> None:
        """Take up one line that stands in the file."""
        if "table_sha256" in line:
            self.tables.add(line["table_sha256"])
            return
        try:
            self.entries.append(Entry(**line))
        except TypeError:
            raise _damaged(self.into / JOURNAL, number) from None

    def add(self, entries: Iterable[Entry]) -> None:
        """Write intentions and sync them to the disk; only then may they be acted on."""
        new = list(entries)
        self.write(json.dumps(asdict(entry)) for entry in new)
        self.entries.extend(new)

    def write(self, lines: Iterable[str]) -> None:
        """Append whole lines and sync."""
        self._file.write("".join(f"{line}\n" for line in lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def write_table(self, content: bytes) -> Path:
        """Write sorted.csv whole, under another name where its reader has changed the earlier one."""
        taken: set[str] = set()
        while True:
            path = self.into / free_name(TABLE, taken)
            if not path.exists() or self.made_table(path):
                break
        self.tables.add(hashlib.sha256(content).hexdigest())
        self.write([json.dumps({"table_sha256": hashlib.sha256(content).hexdigest()})])
        new = self.into / f".fovea-{self.head['token']}-table.part"
        new.write_bytes(content)
        new.replace(path)
        return path

    def made_table(self, path: Path) -> bool:
        """Tell whether a table is one that was written here, unchanged."""
        return hashlib.sha256(path.read_bytes()).hexdigest() in self.tables

    def part(self, folder: Path, entry: Entry) -> Path:
        """Name the unfinished copy of an entry in `folder`: nobody else's file is called so."""
        return folder / f".fovea-{self.head['token']}-{entry.number}.part"


def has_sorted(source: Path, into: Path) -> bool:
    """Tell whether INTO's journal names pictures of the folder `source` (absolute): a sort took them from there."""
    start = f'"source": {json.dumps(str(source))[:-1]}/'
    try:
        return start.encode() in (into / JOURNAL).read_bytes()
    except OSError:
        return False


@contextmanager
def open_journal(into: Path, *, settings: Mapping[str, Any] | None) -> Iterator[Journal]:
    """Open INTO's journal for this process alone; with `settings`, make the folder and the journal if needed.

    Raises:
        InputError: no sort was made there (`settings` None), or other files are there.
        OutputError: it cannot be written, another process is at it, or it was made with other settings.
    """
    path = into / JOURNAL
    if settings is None and not path.is_file():
        raise InputError(
            f"{str(into)!r} holds no sort of ours to undo ({JOURNAL} is missing there). "
            f"Give the folder that 'fovea sort --into' was given."
        )
    made = []
    if settings is not None and not path.is_file():
        made = _make_folder(into)
    try:
        with path.open("ab+") as file:
            _lock(file, into)
            file.seek(0)
            content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            file.truncate(len(whole))  # a line cut by a kill was never acted on
            lines = _parse(whole, path)
            if not lines:
                lines = [{"fovea_sort": 1, "token": secrets.token_hex(4), "made": made, "settings": settings}]
                Journal(into, head={}, entries=[], file=file).write([json.dumps(lines[0])])
                sync_folder(into)
            _check_head(lines[0], into, settings)
            journal = Journal(into, head=lines[0], entries=[], file=file)
            for number, line in enumerate(lines[1:], start=2):
                journal.read(line, number)
            yield journal
    except OSError as error:
        if isinstance(error, FoveaError):
            raise
        raise write_error(into, error) from error


def _make_folder(into: Path) -> list[str]:
    """Make INTO, or take it where it is empty; return the folders made, outermost first."""
    try:
        if into.is_dir():
            if any(into.iterdir()):
                raise OutputError(
                    f"{str(into)!r} is not empty and holds no sort of ours. "
                    f"Nothing was changed. Give --into a folder that is new or empty."
                )
            return []
        absolute = into.absolute()
        missing = [folder for folder in (absolute, *absolute.parents) if not folder.exists()]
        into.mkdir(parents=True)
    except OSError as error:
        if isinstance(error, FoveaError):
            raise
        raise write_error(into, error) from error
    return [str(folder) for folder in reversed(missing)]


def _parse(content: bytes, path: Path) -> list[dict[str, Any]]:
    """Return the journal's lines; only a person could have broken one of them, so it is not guessed at."""
    lines = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            lines.append(json.loads(line))
        except ValueError:
            raise _damaged(path, number) from None
        if not isinstance(lines[-1], dict):
            raise _damaged(path, number)
    return lines


def _damaged(path: Path, number: int) -> OutputError:
    return OutputError(
        f"Line {number} of the journal {str(path)!r} cannot be read: it was edited or damaged. "
        f"Nothing was changed. The other lines say where each picture came from."
    )


def _lock(file: Any, into: Path) -> None:
    import fcntl

    busy = OutputError(
        f"Another fovea process is sorting into {str(into)!r}. Run this again when it is done."
    )
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise busy from None
    except OSError:  # a network file system without locks
        return
    if os.fstat(file.fileno()).st_nlink == 0:  # an undo removed it between our opening and our locking
        raise busy


def _check_head(head: Mapping[str, Any], into: Path, settings: Mapping[str, Any] | None) -> None:
    if head.get("fovea_sort") != 1:
        raise OutputError(
            f"The journal {str(into / JOURNAL)!r} was written by another version of fovea "
            f"(format {head.get('fovea_sort')!r}, this one knows 1). Use that version to undo it."
        )
    if settings is not None and head["settings"] != dict(settings):
        old, new = head["settings"], dict(settings)
        differing = ", ".join(f"{k} {old.get(k)!r}, now {new[k]!r}" for k in new if old.get(k) != new[k])
        raise OutputError(
            f"{str(into)!r} holds an earlier sort with other settings ({differing}). Nothing was changed. "
            f"Take it back first with 'fovea sort --undo {into}', or give --into another folder."
        )


def write_error(into: Path, error: OSError) -> OutputError:
    """Say plainly why nothing (more) could be written under INTO, and what to do."""
    if error.errno in _FULL:
        return OutputError(
            f"There is no room left for {str(into)!r} ({error.strerror}). Nothing was lost: what is done is "
            f"done, the rest is where it was. Make room and run the same command again to go on, or take all "
            f"of it back with 'fovea sort --undo {into}'."
        )
    where = error.filename or into
    return OutputError(
        f"Cannot write {str(where)!r}: {error.strerror}. Nothing was lost. "
        f"Give --into a folder that you may write to."
    )


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
