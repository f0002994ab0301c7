"""What a person answered in a CSV with the columns path and label: one reader for all lists that are given out to be filled.

Suspects, questions and groups are written with an empty label; what is left empty says nothing. Fixes are such answers laid
over the labels that pictures have: the pictures and their folders stay as they are.
"""

import csv
import io
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fovea.errors import InputError, ManifestError
from fovea.manifest.places import below
from fovea.manifest.records import Record, read_records
from fovea.manifest.rows import LEFT_OUT, Manifest
from fovea.wording import count, did_you_mean, some

LEAVE_OUT = "-"
"""The answer of a picture that belongs to no class."""
N_SHOWN = 5
"""Wrong rows that are told."""
N_NEAR = 1_000
"""Paths before and behind an unknown one that it is compared with: all of 100,000 take ten seconds."""


@dataclass(frozen=True, slots=True)
class Fix:
    """What a person answered of a picture: the `label` it gets, "-" where it is left out, and the one it was `given`."""

    path: str
    label: str
    given: str


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
    problems: list[str] = []
    for record in records:
        if not record.cell("label"):
            continue
        path = _known_path(record, manifest=manifest, known=known)
        is_shown = len(problems) < N_SHOWN  # a hint compares with every picture's path
        problem = record.problem or _problem(record, path=path, known=known if is_shown else (), first=first)
        if problem:
            problems.append(f"row {record.number}: {problem}")
        elif path:
            first.setdefault(path, record)
    if problems:
        more = f"; and {len(problems) - N_SHOWN:,} more" if len(problems) > N_SHOWN else ""
        raise ManifestError(
            f"{count(len(problems), 'row')} of {len(records):,} in {str(file)!r} cannot be used: "
            f"{'; '.join(problems[:N_SHOWN])}{more}. Correct them, or empty their labels."
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


def _problem(record: Record, *, path: str, known: Collection[str], first: dict[str, Record]) -> str:
    """Say what is wrong with a record that has a label, and which of the `known` paths may be meant; "" where nothing is."""
    cell = record.cell("path")
    if not cell:
        return "the path is empty"
    if not path:
        return (
            f"there is no picture {cell!r} among the {len(known):,}{did_you_mean(cell, _alike(cell, known))}"
        )
    earlier = first.get(path)
    if earlier and earlier.cell("label") != record.cell("label"):
        return f"{path!r} has the label {record.cell('label')!r} here and {earlier.cell('label')!r} in row {earlier.number}"
    return ""


def _alike(cell: str, known: Collection[str]) -> list[str]:
    """Return the paths that may be meant: those with the same file's name, else those that sort near it."""
    name = cell.replace("\\", "/").rpartition("/")[2]
    alike = sorted([one for one in known if one.rpartition("/")[2] == name] or known)
    at = bisect_left(alike, cell)
    return alike[max(0, at - N_NEAR) : at + N_NEAR]


def apply_fixes(manifest: Manifest, file: Path) -> tuple[Manifest, tuple[Fix, ...]]:
    """Return the manifest with the labels that a table of answers gives its pictures, and each answer.

    The given label once more says that it is right; "-" leaves a picture out, which becomes its row's problem.

    Raises:
        ManifestError: see `read_answers`.
        InputError: a label that is no class but nearly one, or a new one's that stands but once: another name makes a new class.
    """
    answers = read_answers(file, manifest)
    known = {row.label for row in manifest.rows if row.label is not None}
    _refuse_slips(answers, known=known, file=file)
    fixes, rows = [], []
    reason = left_out_by(file)
    sign = None if LEAVE_OUT in known else LEAVE_OUT
    for row in manifest.rows:
        if row.path not in answers:
            rows.append(row)
            continue
        label = answers[row.path]
        fixes.append(Fix(row.path, label, row.label or ""))
        if label == sign:
            rows.append(replace(row, problem=row.problem or reason))
        else:
            rows.append(replace(row, label=label))
    return manifest.with_rows(rows, notes=_told(fixes, file=file, sign=sign)), tuple(fixes)


def left_out_by(file: Path) -> str:
    """Return the problem of a row that a table of answers leaves out."""
    return f"{LEFT_OUT}{file.name} says that it belongs to no class"


def _refuse_slips(answers: Mapping[str, str], *, known: set[str], file: Path) -> None:
    """Raise InputError for a label that is nearly a class, or, where it stands but once, nearly another new one."""
    numbers = Counter(label for label in answers.values() if label not in known and label != LEAVE_OUT)
    for path, label in answers.items():
        others = known | (numbers.keys() - {label}) if numbers[label] == 1 else known
        if near := did_you_mean(label, others) if label in numbers else "":
            raise InputError(
                f"{str(file)!r} gives {path!r} the label {label!r}, which is no class{near}. Write a class as it is "
                f"called, or {LEAVE_OUT!r} for a picture that belongs to none; a new class takes a name less like the others."
            )


def fixes_bytes(fixes: "tuple[Fix, ...]") -> bytes:
    """Return answers as CSV, a table that `read_answers` takes again."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(("path", "label", "given"))
    table.writerows((fix.path, fix.label, fix.given) for fix in fixes)
    return text.getvalue().encode("utf-8-sig")


def _told(fixes: list[Fix], *, file: Path, sign: str | None) -> tuple[str, ...]:
    """Say what was changed, kept and left out; `sign` says that a picture is."""
    out = [fix for fix in fixes if fix.label == sign]
    changed = [fix for fix in fixes if fix.label not in (fix.given, sign)]
    n_kept = len(fixes) - len(out) - len(changed)
    pairs = Counter((fix.given, fix.label) for fix in changed).most_common()
    listed = ", ".join(f"{n:,} from {given!r} to {label!r}" for (given, label), n in pairs[:5])
    parts = [f"{count(len(changed), 'label')} corrected{f' ({listed}' if changed else ''}"]
    parts[0] += f" and {len(pairs) - 5:,} other pairs)" if len(pairs) > 5 else ")" if changed else ""
    parts += [f"{n_kept:,} confirmed"] if n_kept else []
    parts += [f"{count(len(out), 'picture')} left out"] if out else []
    return (f"{file.name} applied: {', '.join(parts)}. The pictures and their folders are as they were.",)
