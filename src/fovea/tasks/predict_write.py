"""The CSV of `fovea predict`: written as NAME.part, continued after a kill, renamed when it is whole.

NAME.part.json, written first, says which model and inputs the rows belong to. Only whole chunks of rows
count: a resumed run computes the same batches and its file equals an uninterrupted one to the byte.
"""

import contextlib
import csv
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from fovea.errors import OutputError

if TYPE_CHECKING:
    from fovea.model import AnyPrediction, Prediction

COLUMNS = ("path", "class", "probability", "unsure", "unlike", "problem")
JUDGED = {"": None, "true": True, "false": False}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class RowForm(Protocol):
    """How predictions of one kind become rows, and back."""

    @property
    def header(self) -> list[str]:
        """The names of all columns."""

    def row(self, prediction: Any) -> list[str]:
        """Return the cells of one prediction."""

    def prediction(self, row: Sequence[str]) -> "AnyPrediction":
        """Return the prediction that a row tells of."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What follows the first columns of a row: `top` likeliest classes with their probabilities, or, where that is None, the
    probability of each of `class_names`; `with_sure`: before them the hedged answer and its probability."""

    class_names: tuple[str, ...]
    top: int | None = None
    with_words: bool = False
    with_sure: bool = False

    @property
    def header(self) -> list[str]:
        """The names of all columns."""
        first = [*COLUMNS, *(["words"] if self.with_words else [])]
        if self.with_sure:
            first += ["sure_class", "sure_probability", *(["sure_words"] if self.with_words else [])]
        if self.top is None:
            return [*first, *(f"p_{name}" for name in self.class_names)]
        pairs = ((f"class_{k}", f"probability_{k}") for k in range(1, self.top + 1))
        return [*first, *(name for pair in pairs for name in pair)]

    def row(self, prediction: "Prediction") -> list[str]:
        """Return the cells of one prediction; probabilities to six decimals, empty where there is a problem."""
        cells = [
            shown_path(prediction.path),
            shown_text(prediction.class_name or ""),
            _share(prediction.probability),
            shown_judged(prediction.unsure),
            shown_judged(prediction.unlike),
            shown_text(prediction.problem),
        ]
        if self.with_words:
            cells.append(shown_text(prediction.words))
        if self.with_sure:
            cells += [shown_text(prediction.sure_class), _share(prediction.sure_probability)]
            cells += [shown_text(prediction.sure_words)] if self.with_words else []
        for name, p in prediction.probabilities.items():
            cells += [f"{p:.6f}"] if self.top is None else [shown_text(name), f"{p:.6f}"]
        return cells

    def prediction(self, row: Sequence[str]) -> "Prediction":
        """Return the prediction that a row tells of."""
        from fovea.model import Prediction

        cells = dict(zip(self.header, row, strict=False))  # that of a problem ends early
        if cells["problem"]:
            return Prediction(cells["path"], problem=cells["problem"])
        names = {shown_text(name): name for name in self.class_names}
        told = (
            {name: cells[f"p_{name}"] for name in self.class_names}
            if self.top is None
            else {cells[f"class_{k}"]: cells[f"probability_{k}"] for k in range(1, self.top + 1)}
        )
        sure = cells.get("sure_class", "")
        return Prediction(
            path=cells["path"],
            class_name=names[cells["class"]],
            probability=float(cells["probability"]),
            probabilities={names.get(name, name): float(p) for name, p in told.items()},
            unsure=JUDGED[cells["unsure"]],
            unlike=JUDGED[cells["unlike"]],
            sure_class=names.get(sure, sure),
            sure_probability=float(cells["sure_probability"]) if sure else None,
        )


def _share(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.6f}"


def shown_judged(told: bool | None) -> str:
    """Return what was judged as a cell, empty where it was not."""
    return "" if told is None else str(told).lower()


class CsvPart:
    """An unfinished CSV, open for appending; `done` holds the rows that were there already, no header."""

    def __init__(self, target: Path, *, file: IO[bytes], done: list[list[str]], columns: RowForm) -> None:
        self.target = target
        self.done = done
        self._file = file
        self._columns = columns

    def answered(self) -> "Iterator[AnyPrediction]":
        """Yield what the rows tell that were there already. Raises OutputError where something else has changed them."""
        for row in self.done:
            try:
                yield self._columns.prediction(row)
            except (KeyError, ValueError):
                raise _foreign(self.target, len(self.done), "rows that were changed since") from None

    def append(self, predictions: "Sequence[AnyPrediction]") -> None:
        """Write the rows of one chunk and bring them to the disk. Raises OutputError."""
        with _plainly(self.target):
            self._file.write(encode_rows(self._columns.row(prediction) for prediction in predictions))
            self._file.flush()
            os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Give the whole file its name. Raises OutputError where something has taken it meanwhile."""
        with _plainly(self.target):
            refuse_existing(self.target)
            part_path(self.target).rename(self.target)
            state_path(self.target).unlink(missing_ok=True)


def part_path(target: Path) -> Path:
    """Return the name of the file while it is unfinished."""
    return target.with_name(target.name + ".part")


def state_path(target: Path) -> Path:
    """Return the name of the note that says what the unfinished file belongs to."""
    return target.with_name(target.name + ".part.json")


def refuse_existing(target: Path) -> None:
    """Raise OutputError where the finished file, or anything else, has the name already."""
    if os.path.lexists(target):
        raise OutputError(
            f"{str(target)!r} is there already and nothing is overwritten: it is finished, or something "
            f"else. Choose another name after --csv, or move it away."
        )


@contextlib.contextmanager
def open_part(
    target: Path, *, columns: RowForm, names: Sequence[str], model: Mapping[str, str], chunk: int
) -> Iterator[CsvPart]:
    """Open the CSV for the inputs called `names`, where it was left off or new.

    `model` says which model answers, and how it was asked; `chunk` is the number of rows that are written together.
    Raises OutputError where the name is taken, the rows there belong to something else, or cannot be written.
    """
    belongs = {"inputs": _digest(names), "n_inputs": str(len(names)), **model}
    refuse_existing(target)
    with _plainly(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not part_path(target).exists():
            _write_state(target, belongs)
        with part_path(target).open("ab+") as file:
            _lock(file, target=target)
            done = _resume(
                file, target=target, belongs=belongs, expected=(columns.header, names), chunk=chunk
            )
            yield CsvPart(target, file=file, done=done, columns=columns)


def _resume(
    file: IO[bytes],
    *,
    target: Path,
    belongs: Mapping[str, str],
    expected: tuple[list[str], Sequence[str]],
    chunk: int,
) -> list[list[str]]:
    """Cut the file to its whole chunks, check that they are ours, and return their rows."""
    header, names = expected
    file.seek(0)
    ends, rows = whole_rows(file)
    if ends:
        _check_belongs(target, belongs=belongs, n_rows=len(rows) - 1)
        shown = [shown_path(name) for name in names[: len(rows) - 1]]
        if rows[0] != header or [row[0] for row in rows[1:]] != shown:
            raise _foreign(target, len(rows) - 1, "rows of other pictures or classes")
        keep = 1 + (len(rows) - 1 if len(rows) - 1 == len(names) else (len(rows) - 1) // chunk * chunk)
        file.truncate(ends[keep - 1])
        return rows[1:keep]
    file.truncate(0)
    _write_state(target, belongs)
    file.write(encode_rows([header]))
    file.flush()
    return []


def whole_rows(file: Iterable[bytes]) -> tuple[list[int], list[list[str]]]:
    """Return the end (bytes) and cells of every whole row; a last line that was cut is left out.

    A line break inside quotes does not end a row.
    """
    ends, rows = [], []
    offset, record = 0, b""
    for line in file:
        record += line
        offset += len(line)
        if line.endswith(b"\n") and record.count(b'"') % 2 == 0:
            text = record.decode("utf-8", "surrogateescape")
            ends.append(offset)
            rows.append(next(csv.reader(io.StringIO(text, newline=""))))
            record = b""
    return ends, rows


def _check_belongs(target: Path, *, belongs: Mapping[str, str], n_rows: int) -> None:
    try:
        found = json.loads(state_path(target).read_bytes())
    except (OSError, ValueError, RecursionError):
        raise _foreign(target, n_rows, "an unfinished result of unknown origin") from None
    if not isinstance(found, dict) or set(found) != set(belongs):
        raise _foreign(target, n_rows, "an unfinished result of unknown origin")
    if any(found[key] != belongs[key] for key in belongs if not key.startswith(("inputs", "n_inputs"))):
        raise _foreign(target, n_rows, "an unfinished result of another model or other options")
    if found != belongs:
        raise _foreign(
            target, n_rows, f"an unfinished result for other pictures ({found['n_inputs']} of them)"
        )


def _foreign(target: Path, n_rows: int, what: str) -> OutputError:
    return OutputError(
        f"{str(part_path(target))!r} holds {n_rows:,} rows: {what}. Repeat the command that began it to "
        f"finish it, delete it to start anew, or choose another name after --csv."
    )


def _write_state(target: Path, belongs: Mapping[str, str]) -> None:
    new = target.with_name(target.name + ".part.json.new")
    new.write_bytes(json.dumps(belongs, indent=1).encode())
    new.replace(state_path(target))


def _lock(file: IO[bytes], *, target: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(
            f"Another process is writing {str(target)!r}. Wait for it, or choose another name after --csv."
        ) from None


@contextlib.contextmanager
def _plainly(target: Path) -> Iterator[None]:
    """Turn an error of the file system into one that says what is kept and what to do."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{str(target)!r} cannot be written ({error.strerror or error}). Finished rows stay in "
            f"{part_path(target).name!r}: make room or get permission, and the same command continues there."
        ) from error


def _digest(names: Sequence[str]) -> str:
    whole = hashlib.sha256()
    for name in names:
        whole.update(name.encode("utf-8", "surrogateescape") + b"\0")
    return whole.hexdigest()


def shown_path(path: str) -> str:
    """Return a path to the same file that no spreadsheet takes for a formula: "./=x.jpg" for "=x.jpg"."""
    return f"./{path}" if path.startswith(FORMULA_STARTS) else path


def shown_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that looks like it gets a quote in front."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def encode_rows(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows as CSV bytes; file names that are not UTF-8 keep their bytes."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
