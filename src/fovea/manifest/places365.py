"""Places365's file lists as rows: `places365_val.txt` names pictures and class numbers, `categories_places365.txt` them."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fovea.errors import ManifestError
from fovea.manifest.records import read_lines
from fovea.manifest.rows import Manifest, Row
from fovea.wording import count, some

CATEGORIES = "categories_places365.txt"
_LIST = re.compile(r"places365_(train|val)(_standard|_challenge)?\.txt")
_FOLDERS = {
    "train": (
        "data_256_standard",
        "data_large_standard",
        "data_256",
        "data_large",
        "data_challenge",
        "train",
        ".",
    ),
    "val": ("val_256", "val_large", "val", "."),
}
_SPLITS = {"train": "train", "val": "valid"}


def find_lists(names: Sequence[str]) -> list[str]:
    """Return those of a folder's names that are Places365's lists of labelled pictures, beside its categories."""
    return [name for name in names if CATEGORIES in names and _LIST.fullmatch(name)]


def read_lists(root: Path, *, folder: Path, lists: Sequence[str]) -> Manifest:
    """Return a row for every picture that the lists name and that is there.

    Raises:
        ManifestError: a list or the categories cannot be read, a line is wrong, or none of the pictures is there.
    """
    names = _categories(folder / CATEGORIES)
    rows: dict[str, Row] = {}
    notes = []
    first = ""
    for name in lists:
        entries = _entries(folder / name, names=names)
        side = "train" if "train" in name else "val"
        place = _place(folder, side=side, entries=entries)
        before = "" if place in (None, root) else f"{place.relative_to(root).as_posix()}/"
        missing = []
        for path, label in entries:
            # os.path and texts: there are 1.8 million of them.
            if place is not None and os.path.isfile(f"{root}/{before}{path}"):  # noqa: PTH113
                rows[before + path] = Row(before + path, label, _SPLITS[side])
            else:
                missing.append(path)
        first = first or next(iter(missing), "")
        if missing:
            notes.append(
                f"{count(len(missing), 'picture')} of {name} not there and left out: {some(missing, shown=3)}."
            )
    if not rows:
        raise ManifestError(
            f"None of the pictures that the lists in {str(folder)!r} name is there; the first is {first!r}. Unpack the "
            f"pictures beside the lists, as {_FOLDERS['train'][0]} and {_FOLDERS['val'][0]}."
        )
    return Manifest(root, tuple(rows.values()), tuple(notes))


def _categories(file: Path) -> dict[int, str]:
    """Return the class's name by its number: `/a/airfield 0` is 0 -> airfield."""
    names = {}
    for number, line in read_lines(file):
        path, _, index = line.rpartition(" ")
        if not index.isdecimal() or not path:
            raise ManifestError(
                f"Line {number} of {str(file)!r} is {line[:60]!r}, not a name and a number such as /a/airfield 0."
            )
        names[int(index)] = re.sub(r"^/?[a-z]/", "", path.strip()).strip("/")
    return names


def _entries(file: Path, *, names: Mapping[int, str]) -> list[tuple[str, str]]:
    entries = []
    for number, line in read_lines(file):
        path, _, index = line.rpartition(" ")
        if not path or not index.isdecimal() or int(index) not in names:
            raise ManifestError(
                f"Line {number} of {str(file)!r} is {line[:80]!r}, not a picture and the number of a class in {CATEGORIES} "
                f"(0 to {max(names, default=0)})."
            )
        entries.append((path.strip().lstrip("/"), names[int(index)]))
    return entries


def _place(folder: Path, *, side: str, entries: Sequence[tuple[str, str]]) -> Path | None:
    """Return the folder in which most of the first pictures are, None where there is none."""
    step = max(1, len(entries) // 50)
    sample = [path for path, _ in entries[::step]]
    places = [folder / name for name in _FOLDERS[side]]
    found = [sum((place / path).is_file() for path in sample) for place in places]
    if not any(found):  # one that holds any at all
        found = [any((place / path).is_file() for path, _ in entries) for place in places if place.is_dir()]
        places = [place for place in places if place.is_dir()]
    return places[found.index(max(found))] if any(found) else None
