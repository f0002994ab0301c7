"""The labels that `filter` is given: which pictures are wanted, which are junk, and which nobody can tell."""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.manifest import LEAVE_OUT, Manifest, read_answers
from fovea.tasks.stored import Stored
from fovea.wording import count, did_you_mean, some

LEAST_LABELS = 5
N_TOLD = 5
"""Labels taken as junk that are named."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What tables say, by path: `is_wanted`, the last said last, and those `declined`, which belong to neither.

    `sample` are the paths that the first table labels. `junk` counts the labels that were taken as junk.
    """

    is_wanted: dict[str, bool]
    declined: frozenset[str]
    sample: frozenset[str]
    junk: dict[str, int]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken as junk, where it has more than one name: a slip may be among them."""
        if len(self.junk) < 2:
            return ()
        told = [f"{name!r} ({n:,})" for name, n in self.junk.items()]
        n_more = len(told) - N_TOLD
        more = f" and {count(n_more, 'other label')}" if n_more > 0 else ""
        return (f"Taken as junk: {', '.join(told[:N_TOLD])}{more}.",)


@dataclass(frozen=True, slots=True)
class Known:
    """The labelled rows (n), copies of a labelled picture too; whether each is wanted, and whether the first table names it.

    `is_declined` (m,) marks all rows that were declined, and copies of such.
    """

    rows: NDArray[np.int64]
    is_wanted: NDArray[np.bool_]
    is_sample: NDArray[np.bool_]
    is_declined: NDArray[np.bool_]
    notes: tuple[str, ...]


def read_labels(files: tuple[Path, ...], manifest: Manifest, *, wanted: str) -> Labels:
    """Return which of the labelled pictures are wanted; a later table corrects an earlier.

    Raises:
        ManifestError: a table that cannot be used.
        InputError: too few of either kind are labelled, or a label is `wanted` but for its spelling.
    """
    answers: dict[str, str] = {}
    sample: frozenset[str] = frozenset()
    for number, file in enumerate(files):
        said = read_answers(file, manifest)
        sample = frozenset(said) if number == 0 else sample
        answers = {path: label for path, label in answers.items() if path not in said} | said
    found = Counter(label for label in answers.values() if label != LEAVE_OUT)
    told = some([str(file) for file in files])
    if wanted not in found:
        raise InputError(
            f"No picture is labelled {wanted!r} in {told}{did_you_mean(wanted, found)}; the labels "
            f"there: {some(sorted(found)) or 'none'}. Name the one that is looked for: --wanted LABEL."
        )
    _refuse_spellings(found, wanted=wanted, told=told)
    is_wanted = {path: label == wanted for path, label in answers.items() if label != LEAVE_OUT}
    n_wanted = sum(is_wanted.values())
    for kind, n in (
        (f"labelled {wanted!r}", n_wanted),
        ("of another label (junk)", len(is_wanted) - n_wanted),
    ):
        if n < LEAST_LABELS:
            raise InputError(
                f"{count(n, 'picture')} {'is' if n == 1 else 'are'} {kind}, too few to learn from: label {LEAST_LABELS} or more of "
                "what is wanted, and as many of what is not."
            )
    return Labels(
        is_wanted,
        frozenset(path for path, label in answers.items() if label == LEAVE_OUT),
        sample & is_wanted.keys(),
        {name: n for name, n in found.most_common() if name != wanted},
    )


def _refuse_spellings(found: Mapping[str, int], *, wanted: str, told: str) -> None:
    """Raise InputError where a label is the wanted one in other letters: it would be learned as junk."""
    for name, n in found.items():
        if name != wanted and _plain(name) == _plain(wanted):
            raise InputError(
                f"{count(n, 'picture')} {'is' if n == 1 else 'are'} labelled {name!r} in {told}, which is not {wanted!r} to the "
                f"letter and would be taken as junk. Write {wanted!r} if it is meant, else a word less like it."
            )


def _plain(name: str) -> str:
    """Return a label without what a spreadsheet or a hand changes: capitals, width, blanks and stops."""
    return "".join(one for one in unicodedata.normalize("NFKC", name).casefold() if one.isalnum()) or name


def known_rows(stored: Stored, labels: Labels) -> Known:
    """Return what is labelled among the pictures that can be read. Raises InputError where it is too little."""
    content = dict(zip(stored.paths, stored.content.tolist(), strict=True))
    said: dict[int, bool] = {}
    both: set[int] = set()
    for path, is_wanted in labels.is_wanted.items():
        if (number := content.get(path)) is not None:
            both |= {number} if said.get(number, is_wanted) is not is_wanted else set()
            said[number] = is_wanted
    n_wanted = sum(said.values())
    if min(n_wanted, len(said) - n_wanted) < LEAST_LABELS:
        raise InputError(
            f"Of the labelled pictures {len(said):,} different ones can be read, {n_wanted:,} of them wanted: label {LEAST_LABELS} "
            "or more of what is wanted, and as many of what is not."
        )
    rows = np.flatnonzero(np.isin(stored.content, list(said))).astype(np.int64)
    paths = stored.paths
    notes = [
        f"{count(len(both), 'picture')} labelled both ways, as files of the same bytes: what was said last counts."
    ]
    return Known(
        rows=rows,
        is_wanted=np.array([said[number] for number in stored.content[rows].tolist()], bool),
        is_sample=np.array([paths[k] in labels.sample for k in rows.tolist()], bool),
        is_declined=np.isin(stored.content, [content[one] for one in labels.declined if one in content]),
        notes=(*labels.notes, *(notes if both else ())),
    )
