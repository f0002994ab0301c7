"""Folders and files laid out as well-known sets come: told by their names, before class folders are looked for."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fovea.errors import InputError
from fovea.manifest import cifar, idx, image_folder, imagenet, parquet, places365
from fovea.manifest.packs import PackedPicture, Wish
from fovea.manifest.rows import Manifest
from fovea.wording import some

_DEEPEST = 3
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder's names: what a layout is told by."""

    path: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]


def read_known_folder(root: Path, *, wish: Wish) -> Manifest | None:
    """Return the rows of a folder that is a well-known set, also inside lone folders; None where it is none.

    Raises InputError, MissingExtraError as the set's reader does.
    """
    folder = _look(root)
    for _ in range(_DEEPEST):
        if found := _read(root, folder, wish=wish):
            return found
        if len(folder.folders) != 1 or any(not _may_stand_around(name) for name in folder.files):
            break
        folder = _look(folder.path / folder.folders[0])
    _refuse_archives(root, wish=wish)
    return None


def read_known_file(file: Path, *, wish: Wish) -> Manifest | None:
    """Return the rows of one packed file: IDX, a CIFAR batch or Parquet; None where it is none of them.

    Raises InputError, MissingExtraError as the file's reader does.
    """
    root = file.parent
    if idx.find_idx([file.name]):
        refuse_columns(file, wish=wish)
        return idx.read_idx(root, files=[file], wish=wish)
    if file.suffix.lower() == ".parquet" and parquet.holds_pictures(file):
        return parquet.read_parquet(root, files=[file], wish=wish)
    if cifar.find_batches([file.name]) or _is_like_a_pickle(file):
        refuse_columns(file, wish=wish, label_by=False)
        return cifar.read_batches(root, files=[file], wish=wish)
    return None


def packed_pictures(place: Path) -> Iterator[PackedPicture] | None:
    """Return the pictures of a folder or file that is a packed set by its names; None where it is none.

    Raises InputError, MissingExtraError as the set's reader does.
    """
    wish = Wish(labelled=False)
    if place.is_dir():
        manifest = read_known_folder(place, wish=wish)
    elif idx.find_idx([place.name]) or cifar.find_batches([place.name]) or place.suffix.lower() == ".parquet":
        manifest = read_known_file(place, wish=wish)
    else:
        return None
    if manifest is None:
        return None
    found = (manifest.source(row) for row in manifest.rows)
    return (one for one in found if isinstance(one, PackedPicture))


def refuse_columns(source: Path, *, wish: Wish, label_by: bool = True) -> None:
    """Raise InputError where columns were named for a source that has none (`label_by`: no kinds of labels either)."""
    what = "a folder, which has no columns" if source.is_dir() else "a file without columns"
    if label_by and wish.label_by is not None:
        raise InputError(
            f"--label-by {wish.label_by!r} needs a table, and {str(source)!r} is {what}. Leave it out: the classes are "
            "those that the source gives."
        )
    if wish.group_by is not None:
        raise InputError(
            f"--group-by {wish.group_by!r} needs a table, and {str(source)!r} is {what}. Use --group-pattern with a "
            "regular expression over the paths."
        )


def _read(root: Path, folder: _Folder, *, wish: Wish) -> Manifest | None:
    if names := idx.find_idx(folder.files):
        refuse_columns(root, wish=wish)
        manifest = idx.read_idx(root, files=[folder.path / name for name in names], wish=wish)
        return _with_left_out(manifest, folder, known=idx.NAMES)
    if names := cifar.find_batches(folder.files):
        refuse_columns(root, wish=wish, label_by=False)
        manifest = cifar.read_batches(root, files=[folder.path / name for name in names], wish=wish)
        return _with_left_out(manifest, folder, known=cifar.NAMES)
    if files := parquet.find_tables(folder.path):
        return parquet.read_parquet(root, files=files, wish=wish)
    if not wish.labelled:  # what follows only says which class each file is
        return None
    if files := image_folder.find_metadata(folder.path, label_by=wish.label_by):
        return image_folder.read_metadata(root, files=files, wish=wish)
    if lists := places365.find_lists(folder.files):
        refuse_columns(root, wish=wish)
        return places365.read_lists(root, folder=folder.path, lists=lists)
    if imagenet.is_imagenet(folder.path):
        refuse_columns(root, wish=wish)
        return imagenet.read_imagenet(root, folder=folder.path)
    return None


def _with_left_out(manifest: Manifest, folder: _Folder, *, known: re.Pattern[str]) -> Manifest:
    """Note what stands beside a set's own files."""
    files = [name for name in folder.files if not known.fullmatch(name) and not _may_stand_around(name)]
    others = [*(f"{name}/" for name in folder.folders), *files]
    notes = [f"Left out beside the set's own files: {some(others)}."] if others else []
    return manifest.with_rows(manifest.rows, notes=notes)


def _look(path: Path) -> _Folder:
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError:
        pass  # the reader of class folders says so better
    return _Folder(path, tuple(sorted(files)), tuple(sorted(folders)))


def _may_stand_around(name: str) -> bool:
    """Return whether a file may lie beside the one folder that holds a set: an archive or a document."""
    from fovea.manifest.folders import DOCUMENT_SUFFIXES

    return name.lower().endswith((*_ARCHIVES, *DOCUMENT_SUFFIXES))


def _refuse_archives(root: Path, *, wish: Wish) -> None:
    """Say how to unpack a folder that holds nothing but archives."""
    folder = _look(root)
    archives = [name for name in folder.files if name.lower().endswith(_ARCHIVES)]
    if not wish.labelled or folder.folders or not archives or len(archives) < len(folder.files):
        return
    first = str(root / archives[0])
    command = f"unzip {first!r}" if first.endswith(".zip") else f"tar -xf {first!r}"
    raise InputError(
        f"{str(root)!r} holds only archives, which are not read as they are: {archives[0]!r}. Unpack it, for example with "
        f"{command} -{'d' if first.endswith('.zip') else 'C'} {str(root)!r}, and give the folder."
    )


def _is_like_a_pickle(file: Path) -> bool:
    if file.suffix.lower() in (".pkl", ".pickle"):  # the oldest begin like a text
        return True
    try:
        with file.open("rb") as source:
            start = source.read(2)
    except OSError:
        return False
    return len(start) == 2 and start[:1] == b"\x80" and 2 <= start[1] <= 5
