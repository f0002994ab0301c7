"""Acting on the journal of `sort`: copies, links and moves that never overwrite, and all of them back.

A file gets its final name when it is whole, or never; a source goes only when its content stands elsewhere.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fovea.progress import Progress, silent
from fovea.tasks.sort_folder import JOURNAL, TABLE, Entry, Journal, free_name, sync_folder

_NO_HARD_LINK = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)
_BATCH = 64  # intentions synced together: a sync costs some milliseconds


def digest(path: Path) -> tuple[int, str]:
    """Return size in bytes and SHA-256 of a file's content."""
    sha256 = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            size_bytes += len(chunk)
    return size_bytes, sha256.hexdigest()


def holds(path: Path, entry: Entry) -> bool:
    """Tell whether `path` is a file (not a link to one) with exactly the content the entry recorded."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size != entry.size_bytes:
            return False
        return digest(path)[1] == entry.sha256
    except OSError:
        return False


def place(entry: Entry, journal: Journal) -> None:
    """Act on one journaled entry.

    Raises:
        FileExistsError: something has the destination's name; nothing was changed.
        OSError: it could not be done; the source is as it was.
    """
    source, destination = Path(entry.source), journal.into / entry.destination
    if not destination.parent.is_dir():
        destination.parent.mkdir()
    if entry.kind == "copy":
        copy_new(source, destination, part=journal.part(destination.parent, entry), entry=entry)
    elif entry.kind == "link":
        os.link(source.resolve(), destination)
    elif entry.kind == "symlink":
        destination.symlink_to(source)
    else:
        move_new(source, destination, part=journal.part(destination.parent, entry), entry=entry)


def copy_new(source: Path, destination: Path, *, part: Path, entry: Entry, durable: bool = False) -> None:
    """Copy to a name of our own, check the content, then give it its name, unless something has that name."""
    part.unlink(missing_ok=True)
    try:
        with source.open("rb") as reader, part.open("xb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
            writer.flush()
            if durable:
                os.fsync(writer.fileno())
        shutil.copystat(source, part)
        if not holds(part, entry):
            raise OSError(
                errno.EIO, "the copy differs from the picture (did it change meanwhile?)", str(source)
            )
        _rename_new(part, destination)
        if durable:
            sync_folder(destination.parent)
    finally:
        part.unlink(missing_ok=True)


def move_new(source: Path, destination: Path, *, part: Path, entry: Entry) -> None:
    """Move without overwriting: a second name, then the first one goes; else a checked copy."""
    try:
        os.link(source, destination, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        copy_new(source, destination, part=part, entry=entry, durable=True)
    try:
        source.unlink()
    except OSError:
        destination.unlink()
        raise


def _rename_new(part: Path, destination: Path) -> None:
    try:
        os.link(part, destination)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        if os.path.lexists(destination):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(destination)) from None
        part.rename(destination)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One picture (absolute path) that belongs into a folder of INTO, and why."""

    source: Path
    folder: str
    class_name: str | None
    probability: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Filed:
    """What stands in INTO, and what could not be put there: (source, reason)."""

    entries: tuple[Entry, ...]
    failed: tuple[tuple[Path, str], ...]


def file_pictures(
    journal: Journal, wanted: Sequence[Wanted], *, how: str, progress: Progress = silent
) -> Filed:
    """Put every wanted picture where it belongs, journal first; `how` is "copy", "link" or "move".

    What an earlier, perhaps killed, run has done stands and is not done again. "link" makes hard links, and
    symbolic ones where INTO lies on another file system.

    Raises:
        OSError: INTO cannot be written (any more), the disk is full for one.
    """
    standing = finish_interrupted(journal)
    known = {(entry.source, entry.sha256) for entry in standing}
    names: dict[str, set[str]] = {}
    failed: list[tuple[Path, str]] = []
    for start in range(0, len(wanted), _BATCH):
        progress("filing", start, len(wanted))
        batch: list[Entry] = []
        for picture in wanted[start : start + _BATCH]:
            try:
                size_bytes, sha256 = _look(picture.source, how=how)
            except OSError as error:
                failed.append((picture.source, _reason(error)))
                continue
            if (str(picture.source), sha256) not in known:
                destination = _destination(picture.folder, picture.source.name, journal, names)
                entry = Entry(
                    number=len(journal.entries) + len(batch),
                    kind=_kind(how, picture.source, journal.into),
                    source=str(picture.source),
                    destination=destination,
                    size_bytes=size_bytes,
                    sha256=sha256,
                    class_name=picture.class_name,
                    probability=picture.probability,
                    reason=picture.reason,
                )
                batch.append(entry)
        journal.add(batch)
        for entry in batch:
            try:
                standing.append(_place_somewhere(entry, journal, names))
            except OSError as error:
                if error.filename != entry.source:
                    raise
                failed.append((Path(entry.source), _reason(error)))
    progress("filing", len(wanted), len(wanted))
    return Filed(tuple(standing), tuple(failed))


def _look(source: Path, *, how: str) -> tuple[int, str]:
    if how == "move" and source.is_symlink():
        raise OSError(errno.EINVAL, "a link, not a picture: only --copy and --link sort it", str(source))
    return digest(source)


def _kind(how: str, source: Path, into: Path) -> str:
    return "symlink" if how == "link" and source.stat().st_dev != into.stat().st_dev else how


def _destination(folder: str, name: str, journal: Journal, names: dict[str, set[str]]) -> str:
    if folder not in names:
        path = journal.into / folder
        names[folder] = {there.name.casefold() for there in path.iterdir()} if path.is_dir() else set()
    return f"{folder}/{free_name(name, names[folder])}"


def _place_somewhere(entry: Entry, journal: Journal, names: dict[str, set[str]]) -> Entry:
    """Place an entry; where its name was taken meanwhile, under the next free one, journaled again."""
    while True:
        try:
            place(entry, journal)
        except FileExistsError:
            folder = entry.destination.split("/")[0]
            if not (journal.into / folder).is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(journal.into / folder)) from None
            destination = _destination(folder, Path(entry.source).name, journal, names)
            entry = replace(entry, number=len(journal.entries), destination=destination)
            journal.add([entry])
        else:
            return entry


def _reason(error: OSError) -> str:
    return f"{error.strerror or error}"


def finish_interrupted(journal: Journal) -> list[Entry]:
    """Bring what a kill left half done to its end; return the entries that stand.

    An unfinished copy is removed; a moved picture that still has its old name as well loses the old one.
    """
    _remove_parts(journal)
    standing = []
    for entry in journal.entries:
        source, destination = Path(entry.source), journal.into / entry.destination
        if entry.kind == "symlink":
            if destination.is_symlink() and str(destination.readlink()) == entry.source:
                standing.append(entry)
        elif holds(destination, entry):
            standing.append(entry)
            if entry.kind == "move" and holds(source, entry):
                source.unlink()
    return standing


def _remove_parts(journal: Journal) -> None:
    for entry in journal.entries:
        for folder in ((journal.into / entry.destination).parent, Path(entry.source).parent):
            with suppress(OSError):
                journal.part(folder, entry).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Undone:
    """What taking back a sort did; `left` holds (destination, reason) of what stands where it was."""

    n_moved_back: int
    n_removed: int
    left: tuple[tuple[str, str], ...]
    folder_removed: bool


def take_back(journal: Journal, *, progress: Progress = silent) -> Undone:
    """Undo every entry, the last one first; what was changed since, or is the only one of its kind, is left.

    Safe to interrupt and to repeat: what is already back is passed over.
    """
    _remove_parts(journal)
    done = {"moved": 0, "removed": 0}
    left = []
    for number, entry in enumerate(reversed(journal.entries)):
        progress("taking back", number, len(journal.entries))
        try:
            what = _move_back(entry, journal) if entry.kind == "move" else _remove_made(entry, journal)
        except OSError as error:
            what = f"{error.strerror}"
        if what in done:
            done[what] += 1
        elif what:
            left.append((entry.destination, what))
    progress("taking back", len(journal.entries), len(journal.entries))
    removed = clear(journal) if not left else False
    return Undone(done["moved"], done["removed"], tuple(reversed(left)), removed)


def _move_back(entry: Entry, journal: Journal) -> str:
    """Move one picture back; return "moved", "" where there is nothing to do, or why it was left."""
    source, destination = Path(entry.source), journal.into / entry.destination
    if not os.path.lexists(destination):
        return "" if os.path.lexists(source) else "it is neither here nor in its old place"
    if not holds(destination, entry):
        return "it was changed since"
    if holds(source, entry):  # a kill came between the new name and the end of the old one
        destination.unlink()
        return "moved"
    if os.path.lexists(source):
        return f"something else is now at {entry.source!r}"
    source.parent.mkdir(parents=True, exist_ok=True)
    try:
        move_new(destination, source, part=journal.part(source.parent, entry), entry=entry)
    except FileExistsError:
        return f"something else is now at {entry.source!r}"
    return "moved"


def _remove_made(entry: Entry, journal: Journal) -> str:
    """Remove one copy or link; return "removed", "" where there is nothing to do, or why it was left."""
    source, destination = Path(entry.source), journal.into / entry.destination
    if not os.path.lexists(destination):
        return ""
    if entry.kind == "symlink":
        if not destination.is_symlink() or str(destination.readlink()) != entry.source:
            return "it was changed since"
    elif not holds(destination, entry):
        return "it was changed since"
    elif not holds(source.resolve(), entry):
        return "the picture it was made from is gone or was changed"
    destination.unlink()
    return "removed"


def clear(journal: Journal) -> bool:
    """Remove tables, journal and the empty folders that the sort made; tell whether INTO went."""
    for path in journal.into.glob(f"{Path(TABLE).stem}*.csv"):
        if journal.made_table(path):
            path.unlink()
    (journal.into / f".fovea-{journal.head['token']}-table.part").unlink(missing_ok=True)
    for folder in {(journal.into / entry.destination).parent for entry in journal.entries}:
        with suppress(OSError):
            folder.rmdir()
    (journal.into / JOURNAL).unlink()
    for folder in reversed(journal.head["made"]):
        with suppress(OSError):
            Path(folder).rmdir()
    return not journal.into.exists()
