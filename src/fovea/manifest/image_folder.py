"""Hugging Face's image folders: pictures beside a metadata.csv, .jsonl or .parquet whose `file_name` names them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fovea.errors import ManifestError
from fovea.manifest.folders import SPLIT_NAMES
from fovea.manifest.packs import Wish
from fovea.manifest.records import read_records
from fovea.manifest.rows import Manifest, Row
from fovea.manifest.tables import label_column, read_table

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def find_metadata(folder: Path, *, label_by: str | None) -> list[Path]:
    """Return the metadata files of an image folder, in it or in its split folders; [] where they name no classes."""
    places = [folder, *(folder / name for name in sorted(_split_folders(folder)))]
    found = [file for place in places for name in _METADATA if (file := place / name).is_file()]
    return found if found and all(_names_classes(file, label_by=label_by) for file in found) else []


def read_metadata(root: Path, *, files: Sequence[Path], wish: Wish) -> Manifest:
    """Return a row for every picture that the metadata files below `root` name.

    Raises ManifestError as a table does.
    """
    rows: list[Row] = []
    notes: list[str] = []
    for file in files:
        split = SPLIT_NAMES.get(file.parent.name.casefold(), "")
        one = read_table(file, wish=wish)
        before = one.root.relative_to(root.absolute()).as_posix() if one.root != root.absolute() else "."
        rows += [
            replace(row, path=row.path if before == "." else f"{before}/{row.path}", split=row.split or split)
            for row in one.rows
        ]
        notes += one.notes
    return Manifest(root, tuple(rows), tuple(notes))


def _split_folders(folder: Path) -> list[str]:
    try:
        return [one.name for one in folder.iterdir() if one.name.casefold() in SPLIT_NAMES and one.is_dir()]
    except OSError:
        return []


def _names_classes(file: Path, *, label_by: str | None) -> bool:
    try:
        columns, _ = read_records(file)
    except ManifestError:
        return True  # its reader says what is wrong
    return "file_name" in columns and label_column(columns, label_by=label_by) is not None
