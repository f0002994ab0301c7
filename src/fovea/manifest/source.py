"""Any source a user names (a folder, a table, a packed set) as one manifest, with what was noticed said in notes."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fovea.errors import InputError, MissingInputError
from fovea.manifest.classes import EXAMPLE_LAYOUT
from fovea.manifest.folders import TABLE_SUFFIXES, read_class_folders, read_files
from fovea.manifest.layouts import read_known_file, read_known_folder, refuse_columns
from fovea.manifest.packs import Wish
from fovea.manifest.rows import Manifest, Row
from fovea.manifest.tables import read_table
from fovea.wording import count, did_you_mean, some


def read_source(
    source: Path,
    *,
    labelled: bool = True,
    to_learn: bool = True,
    label_by: str | None = None,
    group_by: str | None = None,
    group_pattern: str | None = None,
    strict: bool = False,
    target: str = "classes",
) -> Manifest:
    """Return the manifest of a folder of class or split folders, of a table, or of a well-known set (docs/layouts.md).

    With `labelled=False` labels are not needed: a flat folder or a single picture will do, and its rows have no
    label. With `to_learn` what given splits hold of classes that train lacks is left out; where only answers are
    counted, every row counts. `label_by` names the column, or the kind of labels, that gives the class; `group_by`
    names a table's column and `group_pattern` is a regular expression searched in each row's path (its first group, or
    the whole match); rows of one group stay on one side. With `strict` wrong rows of a table are refused, otherwise
    they have a `problem`. `target` says what a label is: see `manifest.targets`.

    Raises:
        MissingInputError: nothing is there.
        InputError: nothing usable is there, or a pattern that is wrong or matches nothing.
        ManifestError: a table that cannot be used.
        MissingExtraError: a Parquet table without pyarrow.
    """
    pattern = _pattern(group_pattern, group_by=group_by)
    manifest = _read(source, wish=Wish(labelled, label_by, group_by, strict, target))
    if labelled and to_learn and target == "classes":
        manifest = _settled(manifest)
    return manifest if pattern is None else _grouped(manifest, pattern=pattern)


def _read(source: Path, *, wish: Wish) -> Manifest:
    _require_there(source)
    if source.is_dir():
        root = source.absolute()
        manifest = read_known_folder(root, wish=wish)
        if manifest is None:
            refuse_columns(source, wish=wish)
            manifest = read_class_folders(source) if wish.labelled else read_files(source)
        return replace(manifest, root=root)
    if manifest := read_known_file(source.absolute(), wish=wish):
        return manifest
    # Without labels a text file is more likely a picture by a wrong name.
    if source.suffix.lower() in (*TABLE_SUFFIXES, *((".json", ".txt") if wish.labelled else ())):
        return read_table(source, wish=wish)
    if not wish.labelled:
        return Manifest(source.absolute().parent, (Row(path=source.name, label=None),))
    raise InputError(
        f"{str(source)!r} is neither a folder nor a table ({', '.join(TABLE_SUFFIXES)}). {EXAMPLE_LAYOUT}"
    )


def _require_there(source: Path) -> None:
    if source.exists():
        return
    beside = source.parent
    siblings = [name.name for name in beside.iterdir()] if beside.is_dir() else []
    raise MissingInputError(
        f"There is no folder or file {str(source)!r}{did_you_mean(source.name, siblings)}. {EXAMPLE_LAYOUT}"
    )


def _settled(manifest: Manifest) -> Manifest:
    """Leave out what given splits hold of classes that train lacks, and note what looks odd."""
    notes = _lookalikes(manifest.class_names)
    trained = {row.label for row in manifest.rows if row.split == "train" and not row.problem}
    if not trained:
        return manifest.with_rows(manifest.rows, notes=notes)
    trained |= {row.label for row in manifest.rows if row.split == "" and not row.problem}
    left_out: set[Row] = set()
    for split in ("valid", "test"):
        side = [
            row for row in manifest.rows if row.split == split and not row.problem and row.label is not None
        ]
        unknown = [row for row in side if row.label not in trained]
        left_out.update(unknown)
        if unknown:
            names = Counter(row.label or "" for row in unknown)
            notes.append(
                f"{count(len(unknown), 'picture')} of the {split} split left out: train has no class "
                f"{some(sorted(names))}. The figures say nothing about {'it' if len(names) == 1 else 'them'}."
            )
        missing = sorted(name or "" for name in trained - {row.label for row in side})
        if missing and len(side) > len(unknown):
            notes.append(
                f"The {split} split has no pictures of {count(len(missing), 'class', 'classes')} that train "
                f"has: {some(missing)}. The figures say nothing about "
                f"{'it' if len(missing) == 1 else 'them'}."
            )
    return manifest.with_rows((row for row in manifest.rows if row not in left_out), notes=notes)


def _lookalikes(class_names: Sequence[str]) -> list[str]:
    """Note class names that differ only in case, blanks or Unicode form."""
    alike: dict[str, list[str]] = {}
    for name in class_names:
        alike.setdefault(" ".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(name)
    return [
        f"The classes {some(names)} differ only in capitals, blanks or accents' form; they are kept apart. "
        f"To make them one: --merge {','.join(names[1:])}={names[0]}."
        for names in alike.values()
        if len(names) > 1
    ]


def _pattern(group_pattern: str | None, *, group_by: str | None) -> re.Pattern[str] | None:
    if group_pattern is None:
        return None
    if group_by is not None:
        raise InputError("Both --group-by and --group-pattern were given; groups come from one of them.")
    try:
        return re.compile(group_pattern)
    except re.error as error:
        raise InputError(
            f"--group-pattern {group_pattern!r} is not a regular expression: {error}. For paths such as "
            r"cat/p07_001.jpg, --group-pattern '(p\d+)_' makes the group p07."
        ) from error


def _grouped(manifest: Manifest, *, pattern: re.Pattern[str]) -> Manifest:
    groups = []
    for row in manifest.rows:
        found = pattern.search(row.path)
        groups.append((found.group(1 if pattern.groups else 0) or "") if found else "")
    n_matched = sum(group != "" for group in groups)
    if not n_matched:
        raise InputError(
            f"--group-pattern {pattern.pattern!r} finds a group in none of the {count(len(groups), 'path')}; "
            f"the first is {manifest.rows[0].path!r}."
        )
    notes = [f"{count(len(set(groups) - {''}), 'group')} found in the paths by --group-pattern."]
    if n_matched < len(groups):
        notes.append(f"{count(len(groups) - n_matched, 'path')} without a group: each stands for itself.")
    rows = (replace(row, group=group) for row, group in zip(manifest.rows, groups, strict=True))
    return manifest.with_rows(rows, notes=notes)
