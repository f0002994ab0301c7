"""A folder -> its files, in a fixed order, and what was passed over and why. Nothing is opened or written."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from fovea.errors import InputError, MissingInputError

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
_SYSTEM_FOLDERS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its path, also relative to the scanned folder (with `/`), and what tells whether it changed."""

    path: Path
    relative: str
    size_bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What a folder holds: `files` sorted by relative path, `ignored` as (relative path, reason)."""

    root: Path
    files: tuple[Found, ...]
    ignored: tuple[tuple[str, str], ...]


def scan_folder(root: Path) -> Scan:
    """Return the files in a folder and all folders below it, whatever their names' endings say.

    Hidden and system files and folders, links that lead to nothing or back, and folders that cannot be opened
    are left out and listed with the reason. A folder reached in several ways counts once, at its own place.

    Raises MissingInputError where nothing is there, InputError where it is not a folder or cannot be opened.
    """
    if not root.exists():
        raise MissingInputError(f"There is no folder {str(root)!r}. Check its spelling.")
    if not root.is_dir():
        raise InputError(f"{str(root)!r} is a file, not a folder. Give the folder that holds the pictures.")
    walk = _Walk(root)
    return Scan(root, tuple(sorted(walk.files, key=lambda file: file.relative)), tuple(sorted(walk.ignored)))


class _Walk:
    """Folders first, then linked folders, so that a folder's own place wins over links to it."""

    def __init__(self, root: Path) -> None:
        self.files: list[Found] = []
        self.ignored: list[tuple[str, str]] = []
        self._links: list[tuple[Path, str]] = []
        self._seen: set[tuple[int, int]] = set()
        self._folder(root, "", is_root=True)
        while self._links:
            links, self._links = sorted(self._links, key=lambda link: link[1]), []
            for path, relative in links:
                # A link to the scanned folder, or above it, would bring in what the user did not name.
                if root.resolve().is_relative_to(path.resolve()):
                    self.ignored.append((relative, "a link that leads back"))
                else:
                    self._folder(path, relative)

    def _folder(self, folder: Path, relative: str, *, is_root: bool = False) -> None:
        pending = [(folder, relative)]
        while pending:
            here, prefix = pending.pop()
            try:
                status = here.stat()
                if (status.st_dev, status.st_ino) in self._seen:
                    self.ignored.append((prefix, "a link to a folder that is already counted"))
                    continue
                self._seen.add((status.st_dev, status.st_ino))
                entries = _entries(here)
            except OSError as error:
                if is_root and here == folder:
                    raise InputError(
                        f"The folder {str(folder)!r} cannot be opened ({error.strerror}). "
                        "Check its permissions."
                    ) from None
                self.ignored.append((prefix, f"a folder that cannot be opened: {error.strerror}"))
                continue
            for entry in entries:
                self._entry(entry, here, f"{prefix}/{entry.name}" if prefix else entry.name, pending)

    def _entry(
        self, entry: "os.DirEntry[str]", here: Path, relative: str, pending: list[tuple[Path, str]]
    ) -> None:
        try:
            is_folder = entry.is_dir()
            if reason := _passed_over(entry.name, is_folder=is_folder):
                self.ignored.append((relative, reason))
            elif not is_folder:
                self._file(entry, here, relative)
            elif entry.is_symlink():
                self._links.append((here / entry.name, relative))
            else:
                pending.append((here / entry.name, relative))
        except OSError as error:
            reason = "a link to nothing" if entry.is_symlink() else f"cannot be looked at: {error.strerror}"
            self.ignored.append((relative, reason))

    def _file(self, entry: "os.DirEntry[str]", here: Path, relative: str) -> None:
        status = entry.stat()
        if not stat.S_ISREG(status.st_mode):
            self.ignored.append((relative, "neither a file nor a folder"))
            return
        self.files.append(
            Found(here / entry.name, relative, status.st_size, status.st_mtime_ns, status.st_ino)
        )


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _passed_over(name: str, *, is_folder: bool) -> str:
    """Return why a name is passed over; nothing where it is not."""
    kind = "folder" if is_folder else "file"
    if name.startswith("."):
        return f"a hidden {kind}"
    if name.lower() in (_SYSTEM_FOLDERS if is_folder else _SYSTEM_FILES):
        return f"a system {kind}"
    return ""
