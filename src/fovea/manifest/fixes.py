"""What a person answered in a CSV with the columns path and label: one reader for all lists that are given out to be filled.

Suspects, questions and groups are written with an empty label; what is left empty says nothing.
"""

from pathlib import Path

from fovea.errors import ManifestError
from fovea.manifest.places import below
from fovea.manifest.records import Record, read_records
from fovea.manifest.rows import Manifest
from fovea.manifest.wording import count, did_you_mean, some


def read_answers(file: Path, manifest: Manifest) -> dict[str, str]:
    """Return the labels that a table gives to pictures of a manifest, by the path that the manifest has for each.

    Columns other than path and label say nothing here, nor do rows whose label is empty. A path may also be absolute, or have
    the backslashes of another system.

    Raises:
        ManifestError: no table, a column missing, a path that is not in the manifest, or two labels for one picture.
    """
    columns, records = read_records(file)
    for column in ("path", "label"):
        if column not in columns:
            raise ManifestError(
                f"{str(file)!r} has no column {column!r}: its first line names {some(columns) or 'nothing'}. The "
                "header must have path and label; other columns may stand between and behind them."
            )
    known = {row.path for row in manifest.rows}
    first: dict[str, Record] = {}
    problems = []
    for record in records:
        if not record.cell("label"):
            continue
        path = _known_path(record, manifest=manifest, known=known)
        problem = record.problem or _problem(record, path=path, known=known, first=first)
        if problem:
            problems.append(f"row {record.number}: {problem}")
        elif path:
            first.setdefault(path, record)
    if problems:
        more = f"; and {len(problems) - 5:,} more" if len(problems) > 5 else ""
        raise ManifestError(
            f"{count(len(problems), 'row')} of {len(records):,} in {str(file)!r} cannot be used: "
            f"{'; '.join(problems[:5])}{more}. Correct them, or empty their labels."
        )
    return {path: record.cell("label") for path, record in first.items()}


def _known_path(record: Record, *, manifest: Manifest, known: set[str]) -> str:
    """Return the manifest's path for a record's, "" where it has none."""
    cell = record.cells.get("path", "")
    root = str(manifest.root.absolute())
    for spelling in (cell, cell.strip(), cell.strip().replace("\\", "/")):
        if spelling in known:
            return spelling
        inside = spelling.startswith(root.rstrip("/") + "/") and below(spelling, root=root)
        if inside and inside in known:
            return inside
    return ""


def _problem(record: Record, *, path: str, known: set[str], first: dict[str, Record]) -> str:
    """Say what is wrong with a record that has a label; "" where nothing is."""
    cell = record.cell("path")
    if not cell:
        return "the path is empty"
    if not path:
        name = cell.replace("\\", "/").rpartition("/")[2]
        alike = [one for one in known if one.rpartition("/")[2] == name]
        return f"there is no picture {cell!r} among the {len(known):,}{did_you_mean(cell, sorted(alike or known))}"
    earlier = first.get(path)
    if earlier and earlier.cell("label") != record.cell("label"):
        return f"{path!r} has the label {record.cell('label')!r} here and {earlier.cell('label')!r} in row {earlier.number}"
    return ""
