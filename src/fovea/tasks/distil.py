"""A small network from a saved model: trained on its answers, on pictures with and without labels; a run like any other.

The teacher's answers are computed once and kept in the store, as all features are. Needs the extra torch.
"""

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError, MissingExtraError
from fovea.features import Item, Preprocess, extract
from fovea.judge import softmax
from fovea.manifest import (
    Manifest,
    Row,
    SplitPlan,
    assign_splits,
    read_manifest,
    read_source,
)
from fovea.manifest.wording import count, some
from fovea.model import Classifier, load_classifier, read_evidence
from fovea.progress import Progress, silent, unheard
from fovea.tasks import train as task
from fovea.tasks.gather import add_hashes
from fovea.tasks.options import (
    BackboneOptions,
    PromiseOptions,
    SourceOptions,
    TrainingOptions,
    configure,
)
from fovea.tasks.several import end_follower
from fovea.tasks.sides import units_of
from fovea.tasks.train_again import read_again
from fovea.tasks.train_attempt import Attempt, Room, Sides, bring_over, usual_side
from fovea.tasks.train_check import check_wishes
from fovea.tasks.train_choose import Candidate, compare
from fovea.tasks.train_learn import names_and_labels
from fovea.tasks.train_method import Outcome, TrainingFacts
from fovea.tasks.train_prepare import HELD_OUT
from fovea.tasks.train_since import Earlier

SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True)
class TeachingOptions:
    """What the teacher answers beside the labelled pictures, and how much it counts: see `learn.distil.Distilling`.

    With `compare` the same network is trained without a teacher too, and all stand side by side.
    """

    unlabelled: Path | None = None
    temperature: float = 4.0
    alpha: float = 0.9
    compare: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """Whose answers, on which pictures, into which network (`training.how.net`), and where to."""

    teacher: Path
    photos: Path
    out: Path
    teaching: TeachingOptions = field(default_factory=TeachingOptions)
    source: SourceOptions = field(default_factory=SourceOptions)
    promise: PromiseOptions = field(default_factory=PromiseOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    valid_share: float | None = None
    threads: int | None = None
    seed: int = 0
    private: bool = False


@dataclass(frozen=True, slots=True)
class _Given:
    """Pictures that can be read, with what the teacher says: `labels` -1 where there is none, `side` "" where unlabelled."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    answers: NDArray[np.float16]
    side: NDArray[np.str_]
    sha256s: tuple[str, ...]
    names: tuple[str, ...]
    preprocess: Preprocess


def distil(
    teacher: str | Path,
    photos: str | Path,
    *,
    out: str | Path,
    progress: Progress = silent,
    announce: Callable[[str], None] = unheard,
    **settings: Any,
) -> task.Run:
    """Train a network on a saved model's answers; `settings`: any field of `Config` or its groups. Raises as `run`."""
    if settings.get("unlabelled") is not None:
        settings["unlabelled"] = Path(settings["unlabelled"])
    given = {"teacher": Path(teacher), "photos": Path(photos), "out": Path(out), **settings}
    return run(configure(Config, given), progress=progress, announce=announce)


def run(
    config: Config, *, progress: Progress = silent, announce: Callable[[str], None] = unheard
) -> task.Run:
    """Distil as `config` says.

    Raises:
        InputError: no network is named, a setting out of its range, pictures of other classes than the teacher's.
        MissingInputError, ModelError: the teacher is no run.
        MissingExtraError: torch is not installed.
        OutputError: something is at `out` already, or it cannot be written.
    """
    _check(config)
    teacher = load_classifier(config.teacher, threads=config.threads, needed_by="fovea distil")

    def learn(manifest: Manifest, *, earlier: Earlier | None, room: Room) -> Outcome:
        return _learn(manifest, config=config, teacher=teacher, room=room)

    how = replace(config.training.how, method="scratch")
    settings = task.Config(
        config.photos,
        config.out,
        source=config.source,
        backbone=BackboneOptions(threads=config.threads),
        promise=config.promise,
        training=replace(config.training, how=how),
        valid_share=config.valid_share,
        seed=config.seed,
        private=config.private,
    )
    return task.run(settings, learn=learn, progress=progress, announce=announce)


def _check(config: Config) -> None:
    teaching, steps = config.teaching, config.training.steps
    if config.training.how.net is None:
        raise InputError("A student needs its network's name: --net lenet5, for example.")
    if not 0 < teaching.temperature < float("inf"):
        raise InputError(f"--temperature is {teaching.temperature!r}; it must be above 0, such as 4.")
    if not 0 <= teaching.alpha <= 1:
        raise InputError(f"--alpha is {teaching.alpha!r}; it is the teacher's share, from 0 to 1.")
    if isinstance(steps.lr, str):
        raise InputError(f"--lr is {steps.lr!r}; a student's is a number, such as 0.001.")
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(
            'fovea distil trains a network, which needs torch. Install it: pip install "fovea-vision[torch]".'
        )
    check_wishes(replace(config.training, how=replace(config.training.how, method="scratch")))


def _learn(manifest: Manifest, *, config: Config, teacher: Classifier, room: Room) -> Outcome:
    """Return the student, and how it stands beside its teacher."""
    begun = time.perf_counter()
    _require_same_classes(teacher, manifest.class_names, photos=config.photos)
    plan = _plan(manifest, teacher, room=room)
    clock = time.perf_counter()
    given, notes = _read(plan, config=config, teacher=teacher, room=room)
    rate = len(given.labels) / max(time.perf_counter() - clock, 1e-9)
    plan = replace(plan, notes=(*plan.notes, *notes))
    n_trainings = 1 + config.teaching.compare
    attempts = []
    for number, is_taught in enumerate([True, False][:n_trainings]):
        left = room.seconds_left(len(given.labels), rate=rate)
        seconds = None if left is None else left / (n_trainings - number)
        attempts.append(_train(config, given, is_taught=is_taught, seconds=seconds, room=room))
    student = attempts[0]
    learned = read_again(
        plan, student.exported.encoder, head=student.exported.head, seconds=student.seconds, room=room
    )
    learned = replace(learned, seconds={"scan": begun - room.begun, **learned.seconds})
    said = dict(zip(given.sha256s, given.answers.astype(np.float32), strict=True))
    rows = [learned.plan.manifest.rows[k] for k in learned.rows_valid.tolist()]
    candidates = [
        Candidate(f"the teacher {config.teacher}", np.array([said[row.sha256] for row in rows]), 0.0),
        *(Candidate(one.name, one.valid_logits, one.seconds) for one in reversed(attempts)),
    ]
    choice = compare(candidates, labels=learned.valid_labels, seed=room.config.seed)
    facts = TrainingFacts("distil", student.name, choice.text, choice=choice, attempts=tuple(attempts))
    return Outcome(learned, student.exported.encoder, facts)


def _plan(manifest: Manifest, teacher: Classifier, *, room: Room) -> SplitPlan:
    """Return the sides; what the teacher held out is held out again, so that it is judged fairly too."""
    config = room.config
    has_sides = read_evidence(teacher.folder, "manifest.csv", document=teacher.document) is not None
    plan = assign_splits(
        manifest,
        units=units_of(manifest),
        seed=config.seed,
        valid_share=config.valid_share or HELD_OUT,
        since=read_manifest(teacher.folder / "manifest.csv") if has_sides else None,
    )
    if plan.protocol == "cross-validated":
        raise InputError(
            f"{len(manifest.rows):,} pictures are too few to distil with: none could be held out to judge the student by. Bring "
            "more labelled pictures; those without a label come with --unlabelled."
        )
    return plan


def _require_same_classes(teacher: Classifier, names: Sequence[str], *, photos: Path) -> None:
    if set(names) != set(teacher.class_names):
        raise InputError(
            f"The teacher tells {some(teacher.class_names)}, and the pictures in {str(photos)!r} show {some(names)}: a student "
            "learns the same classes as its teacher. Give pictures of these, or bring them together with --merge OLD=CLASS."
        )


def _preprocess(net: str, manifest: Manifest, *, room: Room) -> Preprocess:
    from fovea.learn.scratch import size_for

    rows = np.array([k for k, row in enumerate(manifest.rows) if row.split in ("train", "valid")], np.int64)
    size_px = size_for(net, side_px=usual_side(manifest, rows))
    return Preprocess(size_px, size_px, room.config.backbone.fit)


def _read(plan: SplitPlan, *, config: Config, teacher: Classifier, room: Room) -> tuple[_Given, list[str]]:
    """Return both sides and the unlabelled pictures with the teacher's answers, and notes on what was left out."""
    from fovea.learn.pixels import try_pixels

    names, _ = names_and_labels(plan.manifest)
    preprocess = _preprocess(config.training.how.net or "", plan.manifest, room=room)
    rows = [
        (plan.manifest, row)
        for row in plan.manifest.rows
        if row.split in ("train", "valid") and not row.problem
    ]
    more, notes = _unlabelled(config, plan.manifest, room=room)
    reads = [partial(one.read, row) for one, row in (*rows, *more)]
    sha256s = [row.sha256 for _, row in (*rows, *more)]
    read = try_pixels(
        reads,
        preprocess=preprocess,
        folder=room.workspace,
        threads=config.threads,
        progress=room.progress,
    )
    items = [Item(sha256, one) for sha256, one in zip(sha256s, reads, strict=True)]
    found = extract(teacher.encoder, items, store=room.store, progress=room.progress)
    logits = teacher.head.logits(found.features.reshape(len(items), -1))
    order = [teacher.class_names.index(name) for name in names]
    answers = np.log(np.maximum(softmax(logits, teacher.temperature), SMALLEST_PROBABILITY))[:, order]
    number = {name: k for k, name in enumerate(names)}
    labels = [number.get(row.label or "", -1) for _, row in rows] + [-1] * len(more)
    side = np.array([row.split for _, row in rows] + [""] * len(more))
    fine = np.array([not (one or other) for one, other in zip(read.problems, found.problems, strict=True)])
    if not fine.all():
        notes.append(f"{count(int((~fine).sum()), 'picture')} could not be read and taught nothing.")
    kept = np.flatnonzero(fine)
    given = _Given(
        read.pixels if fine.all() else read.pixels[kept],
        np.array(labels, np.int64)[kept],
        answers[kept].astype(np.float16),
        side[kept],
        tuple(sha256s[k] for k in kept.tolist()),
        names,
        preprocess,
    )
    return given, notes


def _unlabelled(
    config: Config, labelled: Manifest, *, room: Room
) -> tuple[list[tuple[Manifest, Row]], list[str]]:
    """Return the pictures without a label that stand on neither side, each once, and a note on the others."""
    place = config.teaching.unlabelled
    if place is None:
        return [], []
    manifest = add_hashes(
        read_source(place, labelled=False, to_learn=False),
        room.store,
        threads=config.threads,
        progress=room.progress,
    )
    known = {row.sha256 for row in labelled.rows if row.sha256}
    new = {row.sha256: row for row in manifest.rows if not row.problem and row.sha256 not in known}
    n_known = sum(row.sha256 in known for row in manifest.rows if not row.problem)
    if not new:
        raise InputError(
            f"{str(place)!r} holds no picture that can be read and is not among the labelled ones. Name another place with "
            "--unlabelled, or leave it out."
        )
    notes = (
        [f"{count(n_known, 'unlabelled picture')} stood among the labelled ones: left out."]
        if n_known
        else []
    )
    return [(manifest, row) for row in new.values()], notes


def _train(
    config: Config,
    given: _Given,
    *,
    is_taught: bool,
    seconds: float | None,
    room: Room,
) -> Attempt:
    """Return the student, or the same network without a teacher, on the labelled pictures alone."""
    from fovea.learn.distil import Distilling, Taught, distil
    from fovea.learn.scratch import Making, scratch
    from fovea.learn.trained import Pictures

    how, teaching, begun = config.training.how, config.teaching, time.perf_counter()
    net = how.net or ""
    options = {name: value for name in ("activation", "init") if (value := getattr(how, name)) is not None}
    making = Making(given=room.given(seconds), options=options)
    chosen = np.flatnonzero((given.side != "valid") & (is_taught | (given.labels >= 0)))
    held_out = given.side == "valid"
    known = held_out & (given.labels >= 0)
    train = Taught(given.pixels[chosen], given.labels[chosen], given.answers[chosen])
    sides = Sides(
        Pictures(train.pixels, train.labels),
        Pictures(given.pixels[known], given.labels[known]),
        given.pixels[held_out],
    )
    shared = {
        "valid": sides.valid,
        "class_names": given.names,
        "progress": room.progress,
        "announce": room.announce,
    }
    if is_taught:
        wish = Distilling(teaching.temperature, teaching.alpha, making)
        trained = distil(net, train, wish=wish, workspace=room.workspace / "student", **shared)  # type: ignore[arg-type]
    else:
        trained = scratch(net, sides.train, wish=making, workspace=room.workspace / "alone", **shared)  # type: ignore[arg-type]
    if is_taught != teaching.compare:  # the last training: of several processes the first goes on alone
        end_follower()
    name = f"{Path(net).name} {'distilled' if is_taught else 'without a teacher'}"
    attempt = bring_over(name, trained, sides, preprocess=given.preprocess, begun=begun, room=room)
    return replace(attempt, net=net)
