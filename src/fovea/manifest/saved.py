"""The manifest as a CSV file that a spreadsheet opens, and back."""

import csv
import io
import re
from pathlib import Path

from fovea.errors import ManifestError, MissingInputError
from fovea.manifest.rows import SPLITS, Manifest, Row
from fovea.wording import count

COLUMNS = ("path", "sha256", "label", "split", "group", "problem", "width", "height")
PSEUDO_COLUMNS = ("pseudo_round", "probability")
"""Further columns where some labels are pseudo-labels; empty for the others."""
FORMULA_STARTS = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def formula_notes(manifest: Manifest) -> tuple[str, ...]:
    """Return a note where names would be taken for formulas by a spreadsheet; numbers such as -1 are none."""
    cells = (cell for row in manifest.rows for cell in (row.path, row.label or "", row.group))
    n = sum(cell.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(cell) for cell in cells)
    if not n:
        return ()
    return (
        f"{count(n, 'cell')} of manifest.csv {'begins' if n == 1 else 'begin'} with '=', '+', '-' or '@': "
        "they are exact names, which a spreadsheet may take for formulas; import these columns as text.",
    )


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the rows as CSV (UTF-8 with the mark that spreadsheets need).

    The root is not in it: it names no place outside the pictures' folder but where a table's missing files were sought.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    has_pseudo = any(row.pseudo_round for row in manifest.rows)
    table.writerow((*COLUMNS, *PSEUDO_COLUMNS) if has_pseudo else COLUMNS)
    for row in manifest.rows:
        cells = (
            row.path,
            row.sha256,
            row.label or "",
            row.split,
            row.group,
            row.problem,
            row.width,
            row.height,
        )
        told = (row.pseudo_round, f"{row.probability:.6f}") if row.pseudo_round else ("", "")
        table.writerow((*cells, *told) if has_pseudo else cells)
    # surrogateescape: file names that are not UTF-8 keep their bytes.
    return text.getvalue().encode("utf-8-sig", errors="surrogateescape")


def read_manifest(path: Path, *, root: Path | None = None) -> Manifest:
    """Read what `manifest_bytes` made; `root` is where its pictures lie (the file's folder when not given).

    Raises:
        MissingInputError: no such file.
        ManifestError: it is not a manifest that fovea wrote.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except FileNotFoundError as error:
        raise MissingInputError(
            f"There is no manifest {str(path)!r}. Give the manifest.csv of a finished run."
        ) from error
    except OSError as error:
        raise ManifestError(
            f"The manifest {str(path)!r} cannot be read: {error.strerror or error}."
        ) from error
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ManifestError(f"{str(path)!r} is not a manifest that fovea wrote: {error}. {_ASK}") from error
    if not records or tuple(records[0]) not in (COLUMNS, (*COLUMNS, *PSEUDO_COLUMNS)):
        found = ",".join(records[0]) if records else ""
        raise ManifestError(
            f"{str(path)!r} is not a manifest that fovea wrote: its first line is {found[:100]!r}, not "
            f"{','.join(COLUMNS)!r}. {_ASK}"
        )
    width = len(records[0])
    rows = tuple(
        _row(record, number=number, path=path, n_columns=width)
        for number, record in enumerate(records[1:], start=2)
    )
    return Manifest(root=root or path.parent, rows=rows)


_ASK = "Give the manifest.csv of a finished run, unchanged."


def _row(record: list[str], *, number: int, path: Path, n_columns: int) -> Row:
    if len(record) != n_columns:
        raise ManifestError(
            f"Row {number} of {str(path)!r} has {count(len(record), 'cell')}, not {n_columns}. {_ASK}"
        )
    name, sha256, label, split, group, problem, width, height, *pseudo = record
    if split not in ("", *SPLITS):
        raise ManifestError(f"Row {number} of {str(path)!r} has the unknown split {split!r}. {_ASK}")
    try:
        size = int(width), int(height)
    except ValueError as error:
        raise ManifestError(
            f"Row {number} of {str(path)!r} has the size {width!r} x {height!r}, which are no whole numbers. "
            f"{_ASK}"
        ) from error
    if not any(pseudo):
        return Row(name, label or None, split, group, problem, sha256, *size)
    try:
        told = int(pseudo[0]), float(pseudo[1])
    except ValueError as error:
        raise ManifestError(
            f"Row {number} of {str(path)!r} has the pseudo_round {pseudo[0]!r} and the probability {pseudo[1]!r}, which are no "
            f"numbers. {_ASK}"
        ) from error
    return Row(name, label or None, split, group, problem, sha256, *size, *told)
