"""CSV, TSV, JSON-lines and Parquet tables as rows: `path,label[,split,group]`, a header line first.

Hugging Face's `file_name` stands for `path`, and `labels`, `class` or `category` for `label`. Paths are read from the
table's folder, or absolute. A wrong row is quarantined with its number, or, when strict, all wrong rows are refused
together.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fovea.errors import ManifestError
from fovea.manifest.fixes import LEAVE_OUT, left_out_by
from fovea.manifest.folders import SPLIT_NAMES
from fovea.manifest.packs import Wish
from fovea.manifest.places import below, common_root
from fovea.manifest.records import Record, read_records
from fovea.manifest.rows import Manifest, Row
from fovea.manifest.targets import NO_LABELS, SEPARATOR, join_labels, labels_of, number_of
from fovea.wording import count, did_you_mean, some

HEADER = "path,label[,split,group]"


LABELS = ("label", "labels", "class", "category")
"""Columns that give the class, the first that is there."""
WHY = "why"
"""A column that only lists have that fovea gave out to be filled: in these "-" is an answer, not a class."""


_EXPECTED = {
    "classes": "the class's name",
    "regression": "a number",
    "labels": f"its labels with {SEPARATOR!r} between them, {NO_LABELS!r} where it has none,",
}


def read_table(table: Path, *, wish: Wish) -> Manifest:
    """Return a row for every picture that a table names; a picture named twice alike is one row.

    Raises:
        ManifestError: not a table, a column missing, none of the pictures there, or (strict) any wrong row.
    """
    columns, records = read_records(table)
    label = _label_column(table, columns=columns, label_by=wish.label_by)
    _require_columns(table, columns=columns, label=label, labelled=wish.labelled)
    records = _with_known_names(columns, records, label=label)
    group_column = _group_column(table, columns=columns, group_by=wish.group_by)
    folder = os.path.normpath(table.parent.absolute())
    places = [_locate(record.cells.get("path", ""), folder=folder) for record in records]
    _require_some_found(table, records=records, places=places)
    if wish.target == "regression":
        _require_numbers(table, records=records, label=label)
    if wish.target == "labels":
        records = _with_joined_labels(records, places=places)
    root = common_root([place.absolute for place in places if place.absolute], preferred=folder)
    rows: list[Row] = []
    problems: list[str] = []
    first_rows: dict[str, Record] = {}
    for record, place in zip(records, places, strict=True):
        path = below(place.absolute, root=root) if place.absolute else place.shown
        problem = record.problem or _problem(record, place=place, wish=wish)
        if not problem:
            first = first_rows.setdefault(path, record)
            problem = _contradiction(record, first=first, path=path)
            if first is not record and not problem:
                continue
            if not problem and WHY in columns and record.cell("label") == LEAVE_OUT:
                rows.append(Row(path, None, _split(record), record.cell(group_column), left_out_by(table)))
                continue
        if problem:
            problem = f"row {record.number} of {table.name}: {problem}"
            problems.append(problem)
        path = path or f"{table.name}#{record.number}"
        rows.append(
            Row(path, record.cell("label") or None, _split(record), record.cell(group_column), problem)
        )
    if wish.strict and problems:
        raise ManifestError(
            f"{count(len(problems), 'row')} of {len(records):,} in {str(table)!r} cannot be used: "
            f"{'; '.join(problems[:5])}{_more(problems)}. Correct them, or leave out --strict."
        )
    notes = _notes(
        table,
        n_repeated=len(records) - len(rows),
        n_left_out=sum(row.is_left_out for row in rows),
        problems=problems,
        outside=root != folder,
    )
    return Manifest(Path(root), tuple(rows), notes)


def label_column(columns: Sequence[str], *, label_by: str | None) -> str | None:
    """Return the column that gives the class: the one named, or the first known; None where there is none."""
    return next((name for name in ((label_by,) if label_by else LABELS) if name in columns), None)


def _label_column(table: Path, *, columns: Sequence[str], label_by: str | None) -> str | None:
    found = label_column(columns, label_by=label_by)
    if found is None and label_by is not None:
        raise ManifestError(
            f"--label-by names the column {label_by!r}, which {str(table)!r} does not have"
            f"{did_you_mean(label_by, columns)}. Its columns: {some(columns, shown=20)}."
        )
    return found


def _with_known_names(columns: Sequence[str], records: list[Record], *, label: str | None) -> list[Record]:
    """Return records in which the path is called `path` and the class `label`."""
    names = {"path": "file_name"} if "path" not in columns else {}
    if label not in (None, "label"):
        names["label"] = label or ""
    if not names:
        return records
    return [
        replace(
            record, cells={**record.cells, **{name: record.cells.get(old, "") for name, old in names.items()}}
        )
        for record in records
    ]


def _require_numbers(table: Path, *, records: list[Record], label: str | None) -> None:
    """Refuse label cells that hold something else than a number; empty ones are set aside like any other."""
    wrong = [one for one in records if (cell := one.cell("label")) and number_of(cell) is None]
    if not wrong:
        return
    listed = "; ".join(f"row {one.number}: {one.cell('label')!r}" for one in wrong[:5])
    raise ManifestError(
        f"--target regression: {count(len(wrong), 'cell')} of {len(records):,} in the column {label!r} of {str(table)!r} "
        f"{'holds' if len(wrong) == 1 else 'hold'} no number ({listed}{_more(wrong)}). Write numbers as in 3.5, leave "
        "unknown ones empty, or name another column with --label-by."
    )


def _with_joined_labels(records: list[Record], *, places: "list[_Place]") -> list[Record]:
    """Return the records, each with the labels of all rows that name its picture: one row a label is as good."""
    named: dict[str, set[str]] = {}
    for record, place in zip(records, places, strict=True):
        named.setdefault(place.absolute, set()).update(labels_of(record.cell("label")))
    return [
        replace(record, cells={**record.cells, "label": join_labels(sorted(named[place.absolute]))})
        if place.absolute and record.cell("label")
        else record
        for record, place in zip(records, places, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Place:
    shown: str
    absolute: str = ""
    """"" where no file was found."""


def _locate(cell: str, *, folder: str) -> _Place:
    """Find the file that a cell names: as it stands, without blanks around, or with backslashes turned."""
    for spelling in dict.fromkeys((cell, cell.strip(), cell.strip().replace("\\", "/"))):
        absolute = os.path.normpath(spelling if spelling.startswith("/") else f"{folder}/{spelling}")
        # os.path.isfile: a name too long or a folder that is closed is "no", not an error.
        if spelling and os.path.isfile(absolute):  # noqa: PTH113
            return _Place(spelling, absolute)
    return _Place(cell.strip() if cell.strip().startswith("/") else cell)


def _problem(record: Record, *, place: _Place, wish: Wish) -> str:
    split = record.cell("split")
    if not record.cell("path"):
        return "the path is empty; name a picture or delete the row"
    if not place.absolute:
        where = "" if record.cell("path").startswith("/") else " (it is read from the table's folder)"
        return f"there is no file {place.shown!r}; correct the path{where} or delete the row"
    if split and split.casefold() not in SPLIT_NAMES:
        known = did_you_mean(split, SPLIT_NAMES)
        return f"unknown split {split!r}{known}; write train, valid or test, or leave it empty"
    if wish.labelled and not record.cell("label"):
        return f"the label is empty; write {_EXPECTED[wish.target]} or delete the row"
    return ""


def _split(record: Record) -> str:
    return SPLIT_NAMES.get(record.cell("split").casefold(), "")


def _contradiction(record: Record, *, first: Record, path: str) -> str:
    """Say what an earlier row says otherwise about the same picture, "" where they agree."""
    for column in ("label", "split"):
        here, there = record.cell(column), first.cell(column)
        if here != there:
            where = f"here and {there!r} in row {first.number}"
            return f"{path!r} has the {column} {here!r} {where}; keep one of them"
    return ""


def _require_columns(table: Path, *, columns: list[str], label: str | None, labelled: bool) -> None:
    needed = {"path": "path" in columns or "file_name" in columns, "label": label is not None or not labelled}
    for column, is_there in needed.items():
        if not is_there:
            raise ManifestError(
                f"{str(table)!r} has no column {column!r}: its first line names "
                f"{some(columns) or 'nothing'}. The header must be {HEADER}; other columns may follow."
            )


def _group_column(table: Path, *, columns: list[str], group_by: str | None) -> str:
    if group_by is None:
        return "group" if "group" in columns else ""
    if group_by not in columns:
        raise ManifestError(
            f"--group-by names the column {group_by!r}, which {str(table)!r} does not have"
            f"{did_you_mean(group_by, columns)}. Its columns: {some(columns, shown=20)}."
        )
    return group_by


def _require_some_found(table: Path, *, records: list[Record], places: list[_Place]) -> None:
    if not records:
        raise ManifestError(
            f"{str(table)!r} has no rows below its header. Write one row for each picture: {HEADER}."
        )
    if not any(place.absolute for place in places):
        first = next((cell for record in records if (cell := record.cell("path"))), "")
        advice = (
            "Correct the paths, or write them from the table's folder."
            if first.startswith("/")
            else "Paths are read from the table's folder: move the table beside the pictures, or write absolute paths."
        )
        raise ManifestError(
            f"None of the {count(len(records), 'picture')} named in {str(table)!r} is there; the first is "
            f"{first!r}. {advice}"
        )


def _more(problems: Sequence[object]) -> str:
    return f"; and {len(problems) - 5:,} more" if len(problems) > 5 else ""


def _notes(
    table: Path, *, n_repeated: int, n_left_out: int, problems: list[str], outside: bool
) -> tuple[str, ...]:
    notes = []
    if problems:
        listed = "; ".join(problems[:5])
        notes.append(f"{count(len(problems), 'row')} of {table.name} set aside: {listed}{_more(problems)}.")
    if n_left_out:
        notes.append(
            f"{count(n_left_out, 'picture')} left out, marked {LEAVE_OUT!r} in {table.name}: of no class."
        )
    if n_repeated:
        notes.append(f"{count(n_repeated, 'row')} of {table.name} left out, saying what an earlier row says.")
    if outside:
        notes.append(
            f"Paths are given from the folder that holds all pictures, not from that of {table.name}."
        )
    return tuple(notes)
