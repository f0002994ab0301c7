"""The run named with --since: its splits, its answers, its head; and what the new answers change."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import Encoder
from fovea.learn import Head
from fovea.manifest import Manifest, Row, read_manifest
from fovea.model import load_classifier, read_evidence

COLUMNS = ("path", "sha256", "split", "label", "answer", "probability")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run said of a picture, by a head that had not seen it, and how surely (0 to 1)."""

    answer: str
    probability: float


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run: what training again takes from it."""

    folder: Path
    manifest: Manifest
    answers: dict[str, Answer]
    fingerprint: str
    head: Head
    merge: Mapping[str, str]

    def answers_under(self, merge: Mapping[str, str]) -> dict[str, Answer]:
        """Return the answers by sha256, classes called as `merge` calls them now.

        An answer stands for the classes that were merged into it then; where these go apart now, it keeps its name.
        """
        names: dict[str, str] = {}
        for answer in {one.answer for one in self.answers.values()}:
            stood_for = {old for old, new in self.merge.items() if new == answer}
            stood_for |= {answer} - set(self.merge)
            now = {merge.get(old, old) for old in stood_for}
            names[answer] = now.pop() if len(now) == 1 else answer
        return {sha256: replace(one, answer=names[one.answer]) for sha256, one in self.answers.items()}

    def head_for(self, encoder: Encoder, class_names: Sequence[str]) -> Head | None:
        """Return the head to start from: only with the same network and classes do its numbers mean the same."""
        fits = encoder.fingerprint == self.fingerprint and tuple(class_names) == self.head.class_names
        return self.head if fits else None


def read_earlier(folder: Path) -> Earlier:
    """Read a finished run.

    Raises:
        MissingInputError, ModelError: it is none, or it was cut or edited.
        InputError: its manifest or its answers are missing.
    """
    model = load_classifier(folder, needed_by="--since")
    content = read_evidence(folder, "predictions.csv", document=model.document)
    if content is None or read_evidence(folder, "manifest.csv", document=model.document) is None:
        raise InputError(
            f"--since {str(folder)!r}: its manifest.csv or predictions.csv is missing, so it cannot be compared with. "
            "Name another run, or train without --since."
        )
    rows = csv.DictReader(io.StringIO(content.decode(errors="surrogateescape"), newline=""))
    answers = {row["sha256"]: Answer(row["answer"], float(row["probability"])) for row in rows}
    source = model.document.settings.get("source")
    merge = source.get("merge") if isinstance(source, dict) else None
    return Earlier(
        folder=folder,
        manifest=read_manifest(folder / "manifest.csv"),
        answers=answers,
        fingerprint=model.encoder.fingerprint,
        head=model.head,
        merge={old: str(new) for old, new in merge.items()} if isinstance(merge, dict) else {},
    )


def write_answers(
    rows: Sequence[Row], *, probabilities: NDArray[np.float64], class_names: Sequence[str]
) -> bytes:
    """Return predictions.csv: what was answered of every picture by a head that had not seen it.

    `probabilities` (n, k): out-of-fold for the training part, of the saved head for the rest.
    """
    out = io.StringIO(newline="")
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(COLUMNS)
    top, answers = probabilities.max(axis=1), probabilities.argmax(axis=1)
    for row, answer, p in zip(rows, answers.tolist(), top.tolist(), strict=True):
        table.writerow((row.path, row.sha256, row.split, row.label or "", class_names[answer], f"{p:.6f}"))
    # surrogateescape: file and class names that are not UTF-8 keep their bytes
    return out.getvalue().encode(errors="surrogateescape")
