"""Groups as a CSV that a person names, and the labels that come of it.

The column is called `cluster`: `group` would tell `train` which pictures must stay on one side. Paths are absolute, so that a
table of labels can lie anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fovea.errors import ManifestError
from fovea.manifest import LEAVE_OUT, Manifest, read_answers
from fovea.manifest.records import Record, read_records
from fovea.tasks.lists import is_utf8, list_bytes, note_on_names
from fovea.wording import count, some

if TYPE_CHECKING:
    from fovea.tasks.cluster import Group

COLUMNS = ("path", "label", "cluster", "rank", "typicality")


@dataclass(frozen=True, slots=True)
class Named:
    """The label of each picture that has one, by its path in the manifest; the groups' paths; sentences for the user."""

    labels: Mapping[str, str]
    groups: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def groups_csv(groups: "Sequence[Group]", manifest: Manifest) -> bytes:
    """Return a CSV with a row for each picture, group by group, the most typical first, and an empty label to fill."""
    rows = [
        (path, "", number, rank, typicality)
        for number, one in enumerate(groups, start=1)
        for rank, (path, typicality) in enumerate(_writable(one, manifest), start=1)
    ]
    return list_bytes(COLUMNS, rows)


def _writable(one: "Group", manifest: Manifest) -> "list[tuple[str, float]]":
    """Return the pictures of a group that a table can name: whole paths, and how typical they are."""
    paths = (
        (whole_path(path, manifest), typical) for path, typical in zip(one.paths, one.typicality, strict=True)
    )
    return [(path, typical) for path, typical in paths if is_utf8(path)]


def labels_csv(labels: Mapping[str, str], manifest: Manifest) -> bytes:
    """Return the labels of pictures as a table that `train` takes, wherever it lies."""
    rows = [(whole_path(path, manifest), label) for path, label in labels.items()]
    return list_bytes(("path", "label"), rows)


def whole_path(path: str, manifest: Manifest) -> str:
    """Return a picture's absolute path; of one in a pack, which has no file of its own, its name."""
    return path if "#" in path and manifest.packs else str(manifest.root.absolute() / path)


def notes_on_paths(manifest: Manifest) -> tuple[str, ...]:
    """Say which pictures a table of paths and labels cannot name."""
    paths = [whole_path(row.path, manifest) for row in manifest.rows if not row.problem]
    notes = note_on_names(paths, left_out_of="the table of labels")
    if manifest.packs:
        notes += ("Pictures inside packed files cannot be named in a table that fovea train takes.",)
    return notes


def read_names(file: Path, manifest: Manifest) -> Named:
    """Return what the labels in a CSV of `groups_csv` say: the one in a group's first row (rank 1) names the group.

    A label in another row is that picture's own. Groups without a name leave no label, nor does what is marked "-".

    Raises:
        ManifestError: another file, paths that are not among the pictures, or no label at all.
    """
    columns, records = read_records(file)
    missing = [name for name in ("path", "label", "cluster", "rank") if name not in columns]
    if missing:
        raise ManifestError(
            f"{str(file)!r} has no column {missing[0]!r}: its first line names {some(columns) or 'nothing'}. --names takes the "
            "file that fovea cluster --csv wrote, with labels filled in."
        )
    own = read_answers(file, manifest)
    if set(own.values()) <= {LEAVE_OUT}:
        raise ManifestError(
            f"No label is filled in {str(file)!r}. Write a name for each group into the label of its first row (rank 1); the "
            "other rows may stay empty."
        )
    known = _known(records, manifest)
    names = {
        record.cell("cluster"): label
        for record in records
        if record.cell("rank") == "1"
        and (label := own.get(known.get(record.cell("path"), ""), LEAVE_OUT)) != LEAVE_OUT
    }
    members: dict[str, list[str]] = {}
    for record in records:
        if path := known.get(record.cell("path")):
            members.setdefault(record.cell("cluster"), []).append(path)
    labels = {
        path: label
        for number, paths in members.items()
        for path in paths
        if (label := own.get(path, names.get(number, LEAVE_OUT))) != LEAVE_OUT
    }
    n_left = sum(map(len, members.values())) - len(labels)
    notes = (
        [f"{count(n_left, 'picture')} without a name, or marked {LEAVE_OUT!r}, left out."] if n_left else []
    )
    return Named(labels, tuple(map(tuple, members.values())), tuple(notes))


def _known(records: Sequence[Record], manifest: Manifest) -> dict[str, str]:
    """Return the manifest's path for each path in the file that is there."""
    spelled = {whole_path(row.path, manifest): row.path for row in manifest.rows}
    spelled |= {row.path: row.path for row in manifest.rows}
    return {cell: spelled[cell] for record in records if (cell := record.cell("path")) in spelled}
