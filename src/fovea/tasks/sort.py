"""`fovea sort`: pictures into class folders at a stated precision, the rest into `unsure/`; and all back.

In: a model folder and a folder of pictures. Out: INTO with copies, links or the pictures, and sorted.csv.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import InputError, MissingInputError, OutputError
from fovea.progress import Progress, silent
from fovea.tasks.options import PromiseOptions, check_promise
from fovea.tasks.sort_folder import UNSURE, Journal, has_sorted, open_journal, safe_folder_names
from fovea.tasks.sort_rule import Check, Rule, check_rule, plain_rule, promised_rule
from fovea.tasks.sort_write import Filed, Undone, Wanted, clear, file_pictures, take_back

if TYPE_CHECKING:
    from fovea.manifest import PackedPicture
    from fovea.model import Classifier, Prediction

HOW = ("copy", "link", "move")


@dataclass(frozen=True, slots=True)
class Config:
    """What to sort, by which model, where to, how, and what is promised of the accepted ones."""

    model: Path
    source: Path
    into: Path
    how: str = "copy"
    promise: PromiseOptions = field(default_factory=PromiseOptions)
    labelled: Path | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What stands in INTO now, and what was left where it was."""

    into: Path
    table: Path
    how: str
    n_unsure: int
    classes: dict[str, int]
    left: tuple[tuple[str, str], ...]  # (path, reason)
    rule: Rule
    check: Check | None
    notes: tuple[str, ...]

    @property
    def n_sorted(self) -> int:
        """How many stand in class folders."""
        return sum(self.classes.values())

    def to_json(self) -> dict[str, Any]:
        """Return plain values; the keys stand in docs/json.md."""
        return {
            "into": str(self.into),
            "table": str(self.table),
            "how": self.how,
            "n_pictures": self.n_sorted + self.n_unsure + len(self.left),
            "n_sorted": self.n_sorted,
            "n_unsure": self.n_unsure,
            "n_left": len(self.left),
            "classes": self.classes,
            "left": [{"path": path, "reason": reason} for path, reason in self.left],
            "rule": self.rule.to_json(),
            "check": None if self.check is None else self.check.to_json(),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        from fovea.pages import render_facts_fragment

        left = [f"{len(self.left):,} stay where they are; {self.table.name} says why."] if self.left else []
        return render_facts_fragment(
            f"{self.n_sorted:,} pictures in class folders of {self.into}, {self.n_unsure:,} in unsure/.",
            facts=[(name, f"{n:,}") for name, n in self.classes.items()],
            sentences=[*left, *self.notes, self.rule.text, *([self.check.text] if self.check else [])],
        )


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What `undo` did; `left` holds (path inside INTO, reason)."""

    into: Path
    undone: Undone

    def to_json(self) -> dict[str, Any]:
        """Return plain values; the keys stand in docs/json.md."""
        return {
            "into": str(self.into),
            "n_moved_back": self.undone.n_moved_back,
            "n_removed": self.undone.n_removed,
            "n_left": len(self.undone.left),
            "left": [{"path": path, "reason": reason} for path, reason in self.undone.left],
            "folder_removed": self.undone.folder_removed,
        }

    def _repr_html_(self) -> str:
        from fovea.pages import render_facts_fragment

        undone = self.undone
        return render_facts_fragment(
            f"{undone.n_moved_back:,} pictures moved back, {undone.n_removed:,} copies or links removed, "
            f"{len(undone.left):,} left.",
            facts=undone.left,
        )


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Sort a folder; the same call again goes on where a killed one stopped, and adds what is new.

    Raises:
        InputError: there is nothing to sort, or the calibration cannot support the precision.
        ModelError: the model folder cannot be used.
        OutputError: INTO is in use for something else, or cannot be written; nothing is lost then.
    """
    from fovea.model import load_classifier

    check_promise(config.promise)
    files, notes = _find(config)
    classifier = load_classifier(config.model, threads=config.threads, needed_by="`fovea sort`")
    rule = _make_rule(config, classifier)
    settings = {"model": classifier.fingerprint[:16], "how": config.how, **asdict(config.promise)}
    with open_journal(config.into, settings=settings) as journal:
        try:
            check = _check_labelled(config, classifier, rule, progress=progress)
            wanted, unreadable = _decide(files, classifier, rule, progress=progress)
        except BaseException:
            if not journal.entries:
                clear(journal)
            raise
        filed = file_pictures(journal, wanted, how=config.how, progress=progress)
        left = sorted([*unreadable, *((str(path), reason) for path, reason in filed.failed)])
        table = _write_table(journal, filed, left)
    counts = Counter(entry.class_name for entry in filed.entries if not entry.reason)
    return Result(
        into=config.into,
        table=table,
        how=config.how,
        n_unsure=sum(bool(entry.reason) for entry in filed.entries),
        classes={name: counts[name] for name in classifier.class_names},
        left=tuple(left),
        rule=rule,
        check=check,
        notes=notes,
    )


def undo(into: Path, *, progress: Progress = silent) -> UndoResult:
    """Take a sort back: moves to their old places, copies and links away; what was changed since stays.

    Raises:
        InputError: INTO holds no sort of ours.
        OutputError: its journal cannot be read, or another process is at it.
    """
    with open_journal(into, settings=None) as journal:
        return UndoResult(into, take_back(journal, progress=progress))


def _find(config: Config) -> tuple[list[Path], tuple[str, ...]]:
    """List the pictures to sort (absolute paths), but those in INTO, before anything slow is begun."""
    from fovea.manifest import packed_pictures
    from fovea.pictures import scan_folder

    if config.how not in HOW:
        raise InputError(f"how={config.how!r} is none of {', '.join(HOW)}. Give one of them.")
    if not config.source.exists():
        raise MissingInputError(
            f"There is no folder {str(config.source)!r}. Give the folder of pictures to sort."
        )
    if not config.source.is_dir():
        raise InputError(
            f"{str(config.source)!r} is a file, not a folder of pictures. "
            f"For single pictures use 'fovea predict {config.model} {config.source}'."
        )
    if packed_pictures(config.source) is not None:
        raise InputError(
            f"{str(config.source)!r} holds its pictures packed into a few files, so none of them can be put into a folder "
            f"by itself. For a table of the answers use 'fovea predict {config.model} {config.source} --csv answers.csv'."
        )
    root, into = config.source.resolve(), config.into.resolve()
    if root.is_relative_to(into):
        raise InputError(
            f"The pictures in {str(config.source)!r} lie in {str(config.into)!r}, where they are to be put. "
            f"Give --into another folder."
        )
    found = [root / file.relative for file in scan_folder(config.source).files]
    files = [path for path in found if not path.is_relative_to(into)]
    if not files and not has_sorted(root, into):  # after a kill all may be moved, and the table be missing
        raise InputError(
            f"There is nothing to sort in {str(config.source)!r}. Give a folder that holds pictures."
        )
    if config.how == "move":
        _check_moving(files)
    n_own = len(found) - len(files)
    return files, (
        f"{n_own:,} files in {str(config.into)!r} are passed over: sorted already.",
    ) if n_own else ()


def _check_moving(files: Sequence[Path]) -> None:
    """Refuse before the first move where pictures cannot be taken out of their folder."""
    for folder in sorted({path.parent for path in files}):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(
                f"Pictures cannot be moved out of {str(folder)!r}: it is read-only or not yours. "
                f"Nothing was changed. Use --copy or --link."
            )


def _make_rule(config: Config, classifier: "Classifier") -> Rule:
    promise = config.promise
    if promise.precision is None:
        return plain_rule(classifier.class_names, threshold=classifier.thresholds.unsure)
    return promised_rule(
        classifier.calibration,
        classifier.class_names,
        precision=promise.precision,
        confidence=promise.confidence,
        per_class=promise.per_class,
    )


def _check_labelled(
    config: Config, classifier: "Classifier", rule: Rule, *, progress: Progress
) -> Check | None:
    from fovea.manifest import read_source

    if config.labelled is None:
        return None
    manifest = read_source(config.labelled, to_learn=False)
    rows = [row for row in manifest.rows if row.label and not row.problem]
    answers = _predict(classifier, [manifest.source(row) for row in rows], progress=progress)
    pairs = [(p, row.label or "") for p, row in zip(answers, rows, strict=True) if not p.problem]
    return check_rule(rule, [p for p, _ in pairs], [label for _, label in pairs])


def _predict(
    classifier: "Classifier", files: "Sequence[Path | PackedPicture]", *, progress: Progress
) -> "list[Prediction]":
    from fovea.features import open_store

    with open_store() as store:
        return classifier.predict(files, store=store, progress=progress)


def _decide(
    files: Sequence[Path], classifier: "Classifier", rule: Rule, *, progress: Progress
) -> tuple[list[Wanted], list[tuple[str, str]]]:
    """Return where each readable picture belongs, and (path, reason) of the unreadable ones, which stay."""
    folders = safe_folder_names(classifier.class_names)
    wanted, unreadable = [], []
    for path, answer in zip(files, _predict(classifier, files, progress=progress), strict=True):
        if answer.problem or answer.class_name is None:
            unreadable.append((str(path), answer.problem))
            continue
        refusal = rule.refusal(answer)
        folder = UNSURE if refusal else folders[answer.class_name]
        wanted.append(Wanted(path, folder, answer.class_name, answer.probability, refusal))
    return wanted, unreadable


def _write_table(journal: Journal, filed: Filed, left: Sequence[tuple[str, str]]) -> Path:
    """Write sorted.csv: one row for every picture that stands in INTO or was left where it was."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source", "destination", "class", "probability", "reason"])
    rows = [
        (e.source, e.destination, e.class_name or "", f"{e.probability or 0:.6f}", e.reason)
        for e in filed.entries
    ]
    writer.writerows(sorted([*rows, *((path, "", "", "", reason) for path, reason in left)]))
    return journal.write_table(text.getvalue().encode("utf-8", "surrogateescape"))
