"""Lists of pictures as CSV, for people to fill in: what a spreadsheet needs, and names that no such list can hold."""

import csv
import io
from collections.abc import Iterable, Sequence

from fovea.wording import count


def list_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a CSV (UTF-8 with the mark that spreadsheets need); file names that are not UTF-8 keep their bytes."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue().encode("utf-8-sig", errors="surrogateescape")


def is_utf8(path: str) -> bool:
    """Tell whether a file's name can be written into a list, filled in and read back."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def note_on_names(paths: Iterable[str], *, left_out_of: str) -> tuple[str, ...]:
    """Say which of some pictures a list that is filled in cannot name."""
    n = sum(not is_utf8(path) for path in paths)
    names = count(n, "name of a file", "names of files")
    return (f"{names} cannot be written in UTF-8: left out of {left_out_of}.",) if n else ()
