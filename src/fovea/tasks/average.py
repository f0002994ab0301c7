"""Several runs as one: their networks side by side, the mean of their calibrated answers, judged and calibrated anew.

It is judged by what none of them learned from. No torch is needed.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fovea.errors import InputError
from fovea.features import require_same_input
from fovea.learn import Head
from fovea.manifest import Manifest, Row, SplitPlan, read_manifest
from fovea.model import (
    Classifier,
    Member,
    average_members,
    load_classifier,
    read_evidence,
    require_same_classes,
)
from fovea.progress import Progress, silent
from fovea.tasks.options import BackboneOptions, PromiseOptions, SourceOptions, configure
from fovea.tasks.train import train as task
from fovea.tasks.train.again import read_again
from fovea.tasks.train.attempt import Room
from fovea.tasks.train.choose import Candidate, compare
from fovea.tasks.train.learn import names_and_labels
from fovea.tasks.train.method import Outcome, TrainingFacts
from fovea.tasks.train.since import Earlier
from fovea.wording import count

_SIDES = ("train", "valid", "test")
"""The first of those on which a picture stands, in one run or in several, counts."""


@dataclass(frozen=True, slots=True)
class Config:
    """Which runs, and where to; `photos` is where their pictures lie now, None: where the first one found them."""

    runs: tuple[Path, ...]
    out: Path
    photos: Path | None = None
    promise: PromiseOptions = field(default_factory=PromiseOptions)
    threads: int | None = None
    seed: int = 0
    private: bool = False


@dataclass(frozen=True, slots=True)
class _Given:
    """A run to be averaged: what it is, the pictures it knows, and how long it took."""

    name: str
    model: Classifier
    manifest: Manifest
    seconds: float

    @property
    def member(self) -> Member:
        """The classifier alone."""
        return Member(self.name, self.model.encoder, self.model.head, self.model.temperature)


def average(
    runs: Sequence[str | Path], *, out: str | Path, progress: Progress = silent, **settings: Any
) -> task.Run:
    """Make one model folder of several runs; `settings`: any field of `Config` or its groups by name. Raises as `run`."""
    given = {"runs": tuple(Path(one) for one in runs), "out": Path(out), **settings}
    return run(configure(Config, given), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> task.Run:
    """Average as `config` says.

    Raises:
        InputError: fewer than two runs, of different classes or sizes, one that learned from what another held out, no
            picture that all held out, or their pictures are not where they were.
        MissingInputError, ModelError: one of them is no run.
        OutputError: something is at `out` already, or it cannot be written.
    """
    if len(config.runs) < 2:
        raise InputError(
            "An average needs two runs or more: fovea average RUN RUN --out FOLDER. Several seeds of one network are trained "
            "by fovea train --ensemble 5."
        )
    members = [_open(folder, threads=config.threads) for folder in config.runs]
    require_same_classes([one.member for one in members])
    require_same_input([one.model.encoder for one in members], names=[one.name for one in members])
    sides = _shared_sides(members)

    def learn(manifest: Manifest, *, earlier: Earlier | None, room: Room) -> Outcome:
        return _learn(members, _side(manifest, sides, names=members[0].model.class_names), room=room)

    return task.run(_training(config, members[0]), learn=learn, networks=config.runs, progress=progress)


def _open(folder: Path, *, threads: int | None) -> _Given:
    model = load_classifier(folder, threads=threads, needed_by="fovea average")
    if read_evidence(folder, "manifest.csv", document=model.document) is None:
        raise InputError(
            f"The run in {str(folder)!r} has no manifest.csv, so what it learned from is not known and it cannot be averaged. "
            "Copy the whole run folder again, or leave it out."
        )
    metrics = json.loads(read_evidence(folder, "metrics.json", document=model.document) or "{}")
    seconds = float(metrics.get("seconds", {}).get("total", 0.0))
    return _Given(str(folder), model, read_manifest(folder / "manifest.csv"), seconds)


def _shared_sides(members: Sequence[_Given]) -> dict[str, str]:
    """Return by content on which side a picture stands for all of them. Raises InputError.

    What is "train" none held out; what is "valid" for one of them is no test of their average.
    """
    sides: dict[str, tuple[str, str]] = {}
    for one in members:
        for sha256, row in _told_by(one.manifest).items():
            side, owner = sides.get(sha256, (row.split, one.name))
            if (side == "train") != (row.split == "train"):
                raise _crossed(row, one.name, other=owner, its_side=side)
            sides[sha256] = min((side, owner), (row.split, one.name), key=lambda told: _SIDES.index(told[0]))
    shared = {sha256: side for sha256, (side, _) in sides.items()}
    if "valid" not in shared.values():
        raise InputError(
            f"No run held out a picture, so their average cannot be judged: {members[0].name!r} was cross-validated. Train them "
            "on more pictures, or on train/valid folders."
        )
    return shared


def _told_by(manifest: Manifest) -> dict[str, Row]:
    """Return by content the row that tells what a run did with a picture: what it learned from may stand elsewhere too."""
    told: dict[str, Row] = {}
    for row in manifest.rows:
        if not row.problem and row.split:
            told[row.sha256] = min(told.get(row.sha256, row), row, key=lambda one: _SIDES.index(one.split))
    return told


def _crossed(row: Row, name: str, *, other: str, its_side: str) -> InputError:
    learner, holder, held = (name, other, its_side) if row.split == "train" else (other, name, row.split)
    return InputError(
        f"{learner!r} learned from {row.path!r}, which {holder!r} held out ({held}): their average cannot be judged on pictures "
        f"that one of them knows. Train it again on the same sides: fovea train PHOTOS --since {holder} --out FOLDER."
    )


def _training(config: Config, first: _Given) -> task.Config:
    """Return the settings of a run on the members' pictures, read as the first one read them."""
    settings = first.model.document.settings
    photos, told = config.photos or settings.get("photos"), settings.get("source")
    if not photos:
        raise InputError(
            f"{first.name!r} does not say where its pictures lie (it was trained with --private). Name the place: --photos FOLDER."
        )
    known: dict[str, Any] = dict(told) if isinstance(told, dict) else {}
    known["drop"] = tuple(known.get("drop") or ())
    fixes = config.runs[0] / "fixes.csv"  # the run's own record: the user's file may have changed since
    known["fixes"] = fixes if fixes.is_file() else None
    return task.Config(
        Path(str(photos)),
        config.out,
        source=SourceOptions(**known),
        backbone=BackboneOptions(fit=first.model.encoder.preprocess.fit, threads=config.threads),
        promise=config.promise,
        seed=config.seed,
        private=config.private,
    )


def _side(manifest: Manifest, sides: dict[str, str], *, names: Sequence[str]) -> Manifest:
    """Return the pictures that the runs know, each on its side. Raises InputError where they are others now."""
    rows = [
        replace(row, split=sides.get(row.sha256, ""))
        for row in manifest.rows
        if row.problem or row.sha256 in sides
    ]
    n_new = len(manifest.rows) - len(rows)
    notes = [f"{count(n_new, 'picture')} that no run knows were left out."] if n_new else []
    manifest = manifest.with_rows(rows, notes=notes)
    found = names_and_labels(manifest)[0]
    if set(found) != set(names) or not any(row.split == "valid" and not row.problem for row in rows):
        raise InputError(
            f"The pictures in {str(manifest.root)!r} are not those that the runs learned from ({len(rows):,} of "
            f"{len(sides):,} are there). Name the place where they lie now: --photos FOLDER."
        )
    return manifest


def _learn(members: Sequence[_Given], manifest: Manifest, *, room: Room) -> Outcome:
    """Return the average, with every picture read by it, and how it stands beside its members."""
    begun = time.perf_counter()
    names = names_and_labels(manifest)[0]
    room.workspace.mkdir(parents=True, exist_ok=True)
    title = f"average of {len(members)}"
    ordered = [one.member for one in members]
    encoder, head = average_members(
        [replace(ordered[0], head=_reordered(ordered[0], names)), *ordered[1:]],
        room.workspace / "average",
        name=title,
        threads=room.config.backbone.threads,
    )
    seconds = time.perf_counter() - begun
    learned = read_again(SplitPlan(manifest, "given"), encoder, head=head, seconds=seconds, room=room)
    candidates, start = [], 0
    for one in members:
        stop = start + one.model.encoder.n_features
        logits = _reordered(one.member, names).logits(learned.valid_features[:, start:stop])
        candidates.append(Candidate(one.name, logits, one.seconds))
        start = stop
    candidates.append(
        Candidate(title, learned.valid_logits, seconds + sum(one.seconds for one in candidates))
    )
    choice = compare(candidates, labels=learned.valid_labels, seed=room.config.seed)
    learned = replace(learned, seconds={"scan": begun - room.begun, **learned.seconds})
    return Outcome(learned, encoder, TrainingFacts("average", title, choice.text, choice=choice))


def _reordered(member: Member, names: Sequence[str]) -> Head:
    """Return a member's head with its classes in another order."""
    order = [member.head.class_names.index(name) for name in names]
    return replace(
        member.head,
        weights=member.head.weights[order],
        bias=member.head.bias[order],
        class_names=tuple(names),
    )
