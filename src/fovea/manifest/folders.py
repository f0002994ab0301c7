"""Folders of pictures as rows: class folders, split folders over them, or just files.

A class folder is one that directly holds pictures; folders above it only group. A folder named like a split
(train; valid, val, validation; test) at the top holds that split's class folders. What is left out is noted.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from fovea.errors import InputError
from fovea.manifest.classes import EXAMPLE_LAYOUT
from fovea.manifest.rows import Manifest, Row
from fovea.pictures import scan_folder
from fovea.wording import count, some

SPLIT_NAMES = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
# A folder with nothing but these is no class; inside a class folder they are rows, and quarantined when read.
DOCUMENT_SUFFIXES = (
    *TABLE_SUFFIXES,
    ".json",
    ".txt",
    ".md",
    ".rst",
    ".html",
    ".xml",
    ".yaml",
    ".yml",
    ".pdf",
    ".py",
    ".log",
)


def read_files(root: Path) -> Manifest:
    """Return a row without label for every file below `root`, hidden and system files left out."""
    files, ignored = _scan(root)
    rows = tuple(Row(path=name, label=None) for name in files)
    return Manifest(root, rows, _ignored(ignored))


def without_documents(manifest: Manifest) -> Manifest:
    """Return the manifest without files whose names say that they are no pictures, and with a note on them.

    Lists and pages that commands wrote may lie among the pictures, and so may the captions that scrapers keep.
    """
    documents = [row.path for row in manifest.rows if _is_document(row.path)]
    if not documents:
        return manifest
    kept = [row for row in manifest.rows if not _is_document(row.path)]
    return manifest.with_rows(kept, notes=[f"Left out, no pictures by their names: {some(documents)}."])


def read_class_folders(root: Path) -> Manifest:
    """Return a labelled row for every file in a class folder below `root`, with its split if given.

    Raises:
        InputError: nothing is there, no class folders, or split and class folders stand side by side.
    """
    files, ignored = _scan(root)
    by_folder: dict[str, list[str]] = {}
    for name in files:
        by_folder.setdefault(name.rpartition("/")[0], []).append(name)
    holding = {folder: names for folder, names in by_folder.items() if not all(map(_is_document, names))}
    documents = [name for folder, names in by_folder.items() if folder not in holding for name in names]
    base = _base(holding)
    loose = holding.pop(base, [])
    if not holding:
        raise InputError(_flat(root, loose=loose, documents=documents))
    splits = _splits(root, base=base, folders=holding)
    flat = {folder: holding.pop(folder) for folder in splits if folder in holding}
    places = {folder: _place(folder, base=base, splits=splits) for folder in holding}
    _require_classes(root, flat=flat, splits=splits, places=places)
    class_names, clash_notes = _class_names({class_path for class_path, _ in places.values()})
    rows = [
        Row(path=name, label=class_names[places[folder][0]], split=places[folder][1])
        for folder, names in holding.items()
        for name in names
    ]
    notes = (
        *_ignored(ignored),
        *_left_out(loose, flat=flat, documents=documents),
        *_empty_folders(root, known=by_folder, ignored=ignored),
        *clash_notes,
        *_own_pictures(holding),
    )
    return Manifest(root, tuple(sorted(rows, key=lambda row: row.path)), notes)


def _scan(root: Path) -> tuple[list[str], dict[str, str]]:
    """Return the files' relative paths, at least one, and why others are ignored."""
    scan = scan_folder(root)
    ignored = dict(scan.ignored)
    if not scan.files:
        raise InputError(" ".join((f"{str(root)!r} holds no pictures.", *_ignored(ignored), EXAMPLE_LAYOUT)))
    return [found.relative for found in scan.files], ignored


def _ignored(ignored: Mapping[str, str]) -> tuple[str, ...]:
    by_reason: dict[str, list[str]] = {}
    for relative, reason in ignored.items():
        by_reason.setdefault(reason, []).append(relative)
    return tuple(f"Ignored as {reason}: {some(names)}." for reason, names in sorted(by_reason.items()))


def _is_document(name: str) -> bool:
    return name.lower().endswith(DOCUMENT_SUFFIXES)


def _base(folders: Iterable[str]) -> str:
    """Return the folder under which classes or splits begin: a lone folder around all is a wrapper."""
    base = ""
    every = list(folders)
    while base not in every:
        children = {_below(folder, base).partition("/")[0] for folder in every}
        child = children.pop() if children else ""
        inner = f"{base}/{child}".lstrip("/")
        if not child or children or child.casefold() in SPLIT_NAMES or inner in every:
            break
        base = inner
    return base


def _below(folder: str, base: str) -> str:
    return folder[len(base) :].lstrip("/") if base else folder


def _splits(root: Path, *, base: str, folders: Iterable[str]) -> dict[str, str]:
    """Return which split each split folder is, {} where there are class folders only."""
    children = sorted({_below(folder, base).partition("/")[0] for folder in folders})
    named = [child for child in children if child.casefold() in SPLIT_NAMES]
    others = [child for child in children if child.casefold() not in SPLIT_NAMES]
    if named and others:
        raise InputError(
            f"{str(root)!r} holds folders named like splits ({some(named)}) beside other folders "
            f"({some(others)}), so it is not clear which are classes. Put every class folder into a split "
            "folder, as in photos/train/cat/1.jpg and photos/valid/cat/2.jpg. If a class is really called "
            f"{named[0]!r}, give a CSV table with the columns path,label instead."
        )
    if not named:
        _refuse_inner_splits(root, folders=folders)
    splits = {f"{base}/{child}".lstrip("/"): SPLIT_NAMES[child.casefold()] for child in named}
    for split in splits.values():
        same = [folder for folder, other in splits.items() if other == split]
        if len(same) > 1:
            raise InputError(
                f"{str(root)!r} holds {len(same)} folders for the {split} split: {some(same)}. Keep one of "
                "them, or join their contents."
            )
    return splits


def _refuse_inner_splits(root: Path, *, folders: Iterable[str]) -> None:
    inner: dict[str, set[str]] = {}
    for folder in folders:
        parts = folder.split("/")
        for depth, part in enumerate(parts):
            if part.casefold() in SPLIT_NAMES:
                inner.setdefault("/".join(parts[:depth]), set()).add(part)
    for parent, names in sorted(inner.items()):
        if len({SPLIT_NAMES[name.casefold()] for name in names}) > 1:
            raise InputError(
                f"{str(root)!r} holds split folders ({some(sorted(names))}) inside {parent!r}, below the "
                "top. The split comes first and the class inside it, as in photos/train/cat/1.jpg and "
                "photos/valid/cat/2.jpg: move the folders, or give a CSV table with the columns "
                "path,label,split."
            )


def _place(folder: str, *, base: str, splits: Mapping[str, str]) -> tuple[str, str]:
    """Return the class's path below the base or its split folder, and the split."""
    for top, split in splits.items():
        if folder.startswith(f"{top}/"):
            return _below(folder, top), split
    return _below(folder, base), ""


def _class_names(class_paths: set[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return each class path's name: the last folder's, or the whole path where two end alike."""
    by_leaf: dict[str, list[str]] = {}
    for class_path in sorted(class_paths):
        by_leaf.setdefault(class_path.rpartition("/")[2], []).append(class_path)
    names: dict[str, str] = {}
    notes: list[str] = []
    for leaf, paths in by_leaf.items():
        names.update({path: path if len(paths) > 1 else leaf for path in paths})
        if len(paths) > 1:
            notes.append(
                f"{count(len(paths), 'folder')} in different places are called {leaf!r}: they are separate "
                f"classes named by their paths, {some(paths)}. To make them one: --merge "
                f"{','.join(paths[:3])}={leaf}."
            )
    return names, tuple(notes)


def _require_classes(
    root: Path,
    *,
    flat: Mapping[str, list[str]],
    splits: Mapping[str, str],
    places: Mapping[str, tuple[str, str]],
) -> None:
    with_classes = {split for _, split in places.values()}
    for folder, names in flat.items():
        split = splits[folder]
        if split not in with_classes and (split != "test" or not with_classes):
            raise InputError(
                f"{folder!r} in {str(root)!r} holds {count(len(names), 'file')} directly and no class "
                "folders, so their classes are not known. Put them into class folders, as in "
                f"{folder}/cat/1.jpg and {folder}/dog/2.jpg, or give a CSV table with the columns "
                "path,label,split."
            )


def _left_out(loose: list[str], *, flat: Mapping[str, list[str]], documents: list[str]) -> tuple[str, ...]:
    notes = []
    if loose:
        notes.append(
            f"{count(len(loose), 'file')} beside the class folders left out, having no class: {some(loose)}."
        )
    for folder, names in flat.items():
        notes.append(
            f"{count(len(names), 'file')} directly in {folder!r} left out, having no class: {some(names)}."
        )
    tables = [name for name in documents if name.lower().endswith(TABLE_SUFFIXES)]
    others = [name for name in documents if name not in set(tables)]
    if others:
        notes.append(f"{count(len(others), 'document')} outside the class folders left out: {some(others)}.")
    if tables:
        notes.append(
            f"{count(len(tables), 'table')} not read: {some(tables)}. To take classes from a table, give it "
            "instead of the folder."
        )
    return tuple(notes)


def _empty_folders(
    root: Path, *, known: Mapping[str, list[str]], ignored: Mapping[str, str]
) -> tuple[str, ...]:
    """Note the folders in which the scan found nothing."""
    empty = []
    for place, folders, _ in os.walk(root):
        relative = place[len(str(root)) :].strip("/")
        folders[:] = sorted(name for name in folders if f"{relative}/{name}".lstrip("/") not in ignored)
        if not folders and relative not in known:
            empty.append(relative)
    if not empty:
        return ()
    return (f"{count(len(empty), 'folder')} without pictures left out: {some(empty)}.",)


def _own_pictures(holding: Mapping[str, list[str]]) -> tuple[str, ...]:
    notes = []
    for folder in sorted(holding):
        inner = [other for other in sorted(holding) if other.startswith(f"{folder}/")]
        if inner:
            notes.append(
                f"{folder!r} holds pictures of its own and class folders ({some(inner)}): each is a class of "
                "its own."
            )
    return tuple(notes)


def _flat(root: Path, *, loose: list[str], documents: list[str]) -> str:
    tables = [name for name in documents + loose if name.lower().endswith(TABLE_SUFFIXES)]
    what = (
        f"{str(root)!r} holds {count(len(loose), 'file')} directly and no class folders, so their classes "
        "are not known."
        if loose
        else f"{str(root)!r} holds no pictures, only {count(len(documents), 'document')}: {some(documents)}."
    )
    hint = (
        f" If the table {tables[0]!r} in it names the classes, give it instead of the folder."
        if tables
        else ""
    )
    return f"{what}{hint} {EXAMPLE_LAYOUT}"
