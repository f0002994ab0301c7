"""The lines of a CSV, TSV, JSON-lines or Parquet file as named cells. What the cells mean is for `tables` to say."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fovea.errors import ManifestError
from fovea.wording import count

KNOWN_COLUMNS = ("path", "label", "split", "group")


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its number as a spreadsheet or editor shows it (a CSV's header is row 1), and its cells."""

    number: int
    cells: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def cell(self, column: str) -> str:
        """Return the cell without blanks around it, "" where there is none."""
        return self.cells.get(column, "").strip()


def read_records(table: Path) -> tuple[list[str], list[Record]]:
    """Return the columns and the records of a table; the four known columns in small letters.

    Raises:
        ManifestError: unreadable, not UTF-8, quotes that do not end, or a column named twice.
        InputError, MissingExtraError: a damaged Parquet file, or one without pyarrow.
    """
    if table.suffix.lower() == ".parquet":
        return _parquet(table)
    text = _text(table)
    start = text.lstrip()[:1]
    if start == "[":
        raise ManifestError(
            f"{str(table)!r} is one JSON list. Write one object on each line (JSON lines), or a CSV."
        )
    columns, records = _json_lines(text) if start == "{" else _csv(table, text=text)
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise ManifestError(
            f"{str(table)!r} has {columns.count(repeated[0])} columns called {repeated[0]!r}. Rename one."
        )
    return columns, records


def read_lines(file: Path) -> list[tuple[int, str]]:
    """Return the lines of a text file that are not blank, each with its number from 1.

    Raises:
        ManifestError: it cannot be read, or is not UTF-8 text.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ManifestError(f"The list {str(file)!r} cannot be read: {reason}.") from error
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _text(table: Path) -> str:
    try:
        content = table.read_bytes()
    except OSError as error:
        raise ManifestError(f"The table {str(table)!r} cannot be read: {error.strerror or error}.") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise ManifestError(
            f"{str(table)!r} is not UTF-8 text: row {row} holds the byte 0x{content[error.start]:02x}. Save "
            "it as 'CSV UTF-8'."
        ) from error


def _column(name: str) -> str:
    folded = name.strip().casefold()
    return folded if folded in KNOWN_COLUMNS else name.strip()


def _csv(table: Path, *, text: str) -> tuple[list[str], list[Record]]:
    header = text.lstrip().partition("\n")[0]
    delimiter = "\t" if "\t" in header else ";" if ";" in header and "," not in header else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[list[str]] = []
    try:
        lines.extend(reader)
    except csv.Error as error:
        raise ManifestError(
            f"Row {len(lines) + 1} of {str(table)!r} cannot be read: {error}. Look at its quotation marks: a "
            "cell with a comma or a quotation mark stands in quotation marks, inner ones doubled."
        ) from error
    first = next((number for number, line in enumerate(lines) if line), len(lines))
    columns = [_column(name) for line in lines[first : first + 1] for name in line]
    records = [
        _record(line, columns=columns, number=number)
        for number, line in enumerate(lines, start=1)
        if line and number > first + 1
    ]
    return columns, records


def _record(line: list[str], *, columns: list[str], number: int) -> Record:
    cells = dict(zip(columns, line, strict=False))
    if len(line) > len(columns) and any(line[len(columns) :]):
        problem = (
            f"it has {count(len(line), 'cell')}, the header {len(columns)}; put a cell with the delimiter "
            "inside into quotation marks"
        )
        return Record(number, cells, problem)
    return Record(number, cells)


def _json_lines(text: str) -> tuple[list[str], list[Record]]:
    columns: dict[str, None] = {}
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        record = _json_record(line, number=number)
        columns.update(dict.fromkeys(record.cells))
        records.append(record)
    return list(columns), records


def _json_record(line: str, *, number: int) -> Record:
    try:
        found = json.loads(line)
    except ValueError as error:
        return Record(number, problem=f"it is not JSON ({error}); write one object on each line")
    if not isinstance(found, dict):
        return Record(
            number,
            problem=f'it is not an object but {line.strip()[:40]!r}; write {{"path": ..., "label": ...}}',
        )
    cells = {_column(name): "" if value is None else str(value) for name, value in found.items()}
    nested = [
        name
        for name, value in found.items()
        if isinstance(value, dict | list) and _column(name) in KNOWN_COLUMNS
    ]
    if nested:
        return Record(
            number,
            cells,
            f"{nested[0]!r} is not a text but {json.dumps(found[nested[0]])[:40]}; write a text",
        )
    return Record(number, cells)


def _parquet(table: Path) -> tuple[list[str], list[Record]]:
    """Return the columns of texts and numbers, classes by the names that the schema gives them."""
    from fovea.manifest.parquet import read_cells

    found = {_column(name): values for name, values in read_cells(table).items()}
    lines = zip(*found.values(), strict=True)
    records = [
        Record(number, dict(zip(found, line, strict=True))) for number, line in enumerate(lines, start=1)
    ]
    return list(found), records
