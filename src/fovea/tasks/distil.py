"""A small network from a saved model, or from any backbone with a probe on it; a run like any other. Needs the extra torch.

It learns the teacher's answers, and its features where that is wished, on pictures with and without labels. What the
teacher says is computed once and kept in the store, as all features are.
"""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError, MissingExtraError
from fovea.features import Encoder, Item, Preprocess, extract
from fovea.judge import softmax
from fovea.manifest import Manifest, Row, SplitPlan, read_source
from fovea.model import Classifier
from fovea.progress import Progress, silent, unheard
from fovea.tasks.distil_teacher import Teacher, make_teacher, open_teacher
from fovea.tasks.gather import add_hashes, last_average
from fovea.tasks.options import (
    BackboneOptions,
    PromiseOptions,
    SourceOptions,
    TrainingOptions,
    configure,
)
from fovea.tasks.several import end_follower
from fovea.tasks.train import train as task
from fovea.tasks.train.again import read_again
from fovea.tasks.train.attempt import Attempt, Room, Sides, bring_over
from fovea.tasks.train.check import check_wishes
from fovea.tasks.train.choose import Candidate, compare
from fovea.tasks.train.input_size import preprocess_for
from fovea.tasks.train.learn import names_and_labels
from fovea.tasks.train.method import Outcome, TrainingFacts
from fovea.tasks.train.since import Earlier
from fovea.wording import count

SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True)
class TeachingOptions:
    """What the teacher sees beside the labelled pictures, and how much it counts: see `learn.distil.Distilling`.

    With `compare` the same network is trained without a teacher too, and all stand side by side.
    """

    unlabelled: Path | None = None
    temperature: float = 4.0
    alpha: float = 0.9
    features: float = 0.0
    compare: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """Whose answers, on which pictures, into which network (`training.how.net`), and where to.

    `teacher` is a run's folder, or as in `fovea predict` a network's name or the file of its weights; None where
    `backbone.weights` says it all. On a network a probe is fitted first, and that is the teacher.
    """

    teacher: str | None
    photos: Path
    out: Path
    teaching: TeachingOptions = field(default_factory=TeachingOptions)
    source: SourceOptions = field(default_factory=SourceOptions)
    promise: PromiseOptions = field(default_factory=PromiseOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    valid_share: float | None = None
    seed: int = 0
    private: bool = False


@dataclass(frozen=True, slots=True)
class _Given:
    """Pictures that can be read, with what the teacher says: `labels` -1 where there is none, `side` "" where unlabelled.

    `features` are the teacher's, None where they are not learned.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    answers: NDArray[np.float16]
    features: NDArray[np.float16] | None
    side: NDArray[np.str_]
    sha256s: tuple[str, ...]
    names: tuple[str, ...]
    preprocess: Preprocess


def distil(
    teacher: str | Path | None,
    photos: str | Path,
    *,
    out: str | Path,
    progress: Progress = silent,
    announce: Callable[[str], None] = unheard,
    **settings: Any,
) -> task.Run:
    """Train a network on the answers of a run, or of a probe on a network; `settings`: any field of `Config` or its groups.

    Raises as `run`.
    """
    given = {"teacher": None if teacher is None else str(teacher), "photos": photos, "out": out, **settings}
    return run(configure(Config, given), progress=progress, announce=announce)


def run(
    config: Config, *, progress: Progress = silent, announce: Callable[[str], None] = unheard
) -> task.Run:
    """Distil as `config` says.

    Raises:
        InputError: no teacher or no network is named, a setting out of its range, pictures of other classes than the teacher's.
        MissingInputError, ModelError, BackboneError: the teacher is no run, or no network that can be used.
        MissingExtraError: torch is not installed.
        OutputError: something is at `out` already, or it cannot be written.
    """
    _check(config)
    given = config.backbone  # its size is the student's
    teacher = open_teacher(config.teacher, replace(given, size=None))

    def learn(manifest: Manifest, *, earlier: Earlier | None, room: Room) -> Outcome:
        return _learn(manifest, config=config, teacher=teacher, room=room)

    how = replace(config.training.how, method="scratch")
    settings = task.Config(
        config.photos,
        config.out,
        source=config.source,
        backbone=BackboneOptions(
            fit=given.fit, size=given.size, compute=given.compute, threads=given.threads
        ),
        promise=config.promise,
        training=replace(config.training, how=how),
        valid_share=config.valid_share,
        seed=config.seed,
        private=config.private,
    )
    return task.run(settings, learn=learn, progress=progress, announce=announce)


def _check(config: Config) -> None:
    teaching = config.teaching
    if config.training.how.net is None:
        raise InputError("A student needs its network's name: --net lenet5, for example.")
    if not 0 < teaching.temperature < float("inf"):
        raise InputError(f"--temperature is {teaching.temperature!r}; it must be above 0, such as 4.")
    if not 0 <= teaching.alpha <= 1:
        raise InputError(f"--alpha is {teaching.alpha!r}; it is the teacher's share, from 0 to 1.")
    if not 0 <= teaching.features < float("inf"):
        raise InputError(
            f"--features is {teaching.features!r}; it is the weight of the teacher's features in the loss, 0 or more, such as 1."
        )
    if config.training.how.ensemble > 1:
        raise InputError(
            f"ensemble is {config.training.how.ensemble}: one student is trained. Distil several with a seed each, and join them "
            "with `fovea average`."
        )
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(
            'fovea distil trains a network, which needs torch. Install it: pip install "fovea-vision[torch]".'
        )
    training = replace(config.training, how=replace(config.training.how, method="scratch"))
    check_wishes(training, backbone=config.backbone)


def _learn(manifest: Manifest, *, config: Config, teacher: Classifier | Encoder, room: Room) -> Outcome:
    """Return the student, and how it stands beside its teacher."""
    begun = time.perf_counter()
    who, plan = make_teacher(teacher, manifest, name=config.teacher, room=room)
    clock = time.perf_counter()
    given, notes = _read(plan, config=config, teacher=who, room=room)
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
        Candidate(who.name, np.array([said[row.sha256] for row in rows]), who.seconds),
        *(Candidate(one.name, one.valid_logits, one.seconds) for one in reversed(attempts)),
    ]
    choice = compare(candidates, labels=learned.valid_labels, seed=room.config.seed)
    facts = TrainingFacts("distil", student.name, choice.text, choice=choice, attempts=tuple(attempts))
    return Outcome(learned, student.exported.encoder, facts)


def _read(plan: SplitPlan, *, config: Config, teacher: Teacher, room: Room) -> tuple[_Given, list[str]]:
    """Return both sides and the unlabelled pictures with the teacher's answers, and notes on what was left out."""
    from fovea.learn.pixels import close_up, try_pixels

    manifest, threads = plan.manifest, config.backbone.threads
    names, _ = names_and_labels(manifest)
    chosen = [k for k, row in enumerate(manifest.rows) if row.split in ("train", "valid") and not row.problem]
    preprocess = preprocess_for(config.training.how.net or "", manifest, np.array(chosen), config=room.config)
    chosen.sort(key=lambda k: manifest.rows[k].split == "train")  # each side is a piece of the file
    rows = [(manifest, manifest.rows[k]) for k in chosen]
    more, notes = _unlabelled(config, manifest, room=room)
    reads = [partial(one.read, row) for one, row in (*rows, *more)]
    sha256s = [row.sha256 for _, row in (*rows, *more)]
    read = try_pixels(
        reads, preprocess=preprocess, folder=room.workspace, threads=threads, progress=room.progress
    )
    items = [Item(sha256, one) for sha256, one in zip(sha256s, reads, strict=True)]
    found = extract(teacher.encoder, items, store=room.store, progress=room.progress)
    seen = found.features.reshape(len(items), -1)
    order = [teacher.head.class_names.index(name) for name in names]
    probabilities = softmax(teacher.head.logits(seen), teacher.temperature)[:, order]
    answers = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)).astype(np.float16)
    last = last_average(teacher.encoder)
    features = seen[:, last.start : last.stop].astype(np.float16) if config.teaching.features else None
    number = {name: k for k, name in enumerate(names)}
    labels = [number.get(row.label or "", -1) for _, row in rows] + [-1] * len(more)
    side = np.array([row.split for _, row in rows] + [""] * len(more))
    problems = tuple(one or other for one, other in zip(read.problems, found.problems, strict=True))
    kept = close_up(replace(read, problems=problems))
    if len(kept) < len(items):
        notes.append(f"{count(len(items) - len(kept), 'picture')} could not be read and taught nothing.")
    given = _Given(
        read.pixels[: len(kept)],
        np.array(labels, np.int64)[kept],
        answers[kept],
        None if features is None else features[kept],
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
        threads=config.backbone.threads,
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
    from fovea.learn.pixels import piece_of
    from fovea.learn.scratch import scratch
    from fovea.learn.trained import Pictures

    net, teaching, begun = config.training.how.net or "", config.teaching, time.perf_counter()
    name = f"{Path(net).name} {'distilled' if is_taught else 'without a teacher'}"
    chosen = (given.side != "valid") & (is_taught | (given.labels >= 0))
    held_out = given.side == "valid"
    known = held_out & (given.labels >= 0)
    features = None if given.features is None else given.features[chosen]
    train = Taught(piece_of(given.pixels, chosen), given.labels[chosen], given.answers[chosen], features)
    sides = Sides(
        Pictures(train.pixels, train.labels),
        Pictures(piece_of(given.pixels, known), given.labels[known]),
        piece_of(given.pixels, held_out),
    )
    n_sharing = 1 + (is_taught and teaching.compare)
    # With a teacher and without: the same network.
    making = replace(room.making(seconds), widened=False, n_sharing=n_sharing)
    with room.watched(name) as on_epoch:
        shared: dict[str, Any] = {
            "valid": sides.valid,
            "class_names": given.names,
            "progress": room.progress,
            "announce": room.announce,
            "on_epoch": on_epoch,
        }
        if is_taught:
            wish = Distilling(teaching.temperature, teaching.alpha, teaching.features, making)
            trained = distil(net, train, wish=wish, workspace=room.workspace / "student", **shared)
        else:
            trained = scratch(net, sides.train, wish=making, workspace=room.workspace / "alone", **shared)
    if is_taught != teaching.compare:  # the last training: of several processes the first goes on alone
        end_follower()
    attempt = bring_over(name, trained, sides, preprocess=given.preprocess, begun=begun, room=room)
    is_right = given.answers[known].argmax(1) == given.labels[known]
    return replace(attempt, net=net, teacher=float(is_right.mean()) if is_taught else None)
