"""One network trained on a run's pictures, and made into an encoder and a head that the rest of the run can use.

Pictures are read at the network's size, training is `learn`'s, conversion `model.export`'s.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder, Extraction, Preprocess, Store
from fovea.learn.trained import CLASSES, Meaning
from fovea.manifest import SplitPlan, Strata
from fovea.progress import Progress
from fovea.tasks.gather import settle
from fovea.tasks.several import end_follower
from fovea.tasks.train.ensemble import (
    MEMBER_SECONDS,
    MOST_RUNS,
    average_with_probe,
    averages_with_probe,
    train_several,
)
from fovea.tasks.train.findings import findings_of
from fovea.tasks.train.goal import Aim, Goal
from fovea.tasks.train.input_size import preprocess_for
from fovea.tasks.train.prepare import Prepared, prepare
from fovea.tasks.train.watch import track_folder, watched

if TYPE_CHECKING:
    from fovea.learn.scratch import Making
    from fovea.learn.trained import OnEpoch, Pictures, Trained
    from fovea.learn.training.losses import Kind
    from fovea.model.export import Exported
    from fovea.tasks.train.train import Config

Numbers = NDArray[np.int64]
Logits = NDArray[np.float32]
END_SECONDS = 18.0
"""For converting one network, comparing its answers, and writing the report."""
_LEAST_SECONDS = 1.0  # of a training's settings, which take nothing below 0


@dataclass(frozen=True, slots=True)
class Sides:
    """The training part, the validation part's pictures of known classes, and all of its pixels."""

    train: "Pictures"
    valid: "Pictures"
    all_valid: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A network that was trained: its name, how it came about, how it answers in the runtime (logits float32 (m, k)).

    `members` are those that it is the average of, where it is one. `teacher` is the accuracy, on the validation part, of whom
    it learned from, where it had a teacher; `is_module`: it is a user's own, trained by `fovea.fit`.
    """

    name: str
    trained: "Trained"
    exported: "Exported"
    sides: Sides
    valid_logits: Logits
    seconds: float
    net: str | None = None
    members: tuple["Attempt", ...] = ()
    kind: "Kind" = "class"
    teacher: float | None = None
    is_module: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain values for metrics.json."""
        history, search = self.trained.history.to_json(), self.trained.rate_search
        is_told = history["stopped"] == "non-finite"  # by the findings
        return {
            "name": self.name,
            "net": self.net,
            "seconds": round(self.seconds, 3),
            "plan": list(self.trained.plan),
            "notes": [*([] if is_told else history["notes"]), *self.exported.notes],
            "history": history,
            "findings": [asdict(one) for one in findings_of(self)],
            "settings": None if self.trained.settings is None else asdict(self.trained.settings),
            "export": self.exported.to_json(),
        } | ({} if search is None else {"rate_search": search.to_json()})


@dataclass(frozen=True, slots=True)
class Room:
    """What training needs beside pictures: the run's settings, where it may write, when the run began, whom it tells."""

    config: "Config"
    workspace: Path
    store: Store
    begun: float
    progress: Progress
    announce: Callable[[str], None]

    def seconds_left(self, n_pictures: int, *, rate: float) -> float | None:
        """Return what is left of the budget, less the end of the run and reading n pictures; None without a budget."""
        budget = self.config.training.how.budget
        if budget is None:
            return None
        return budget - (time.perf_counter() - self.begun) - END_SECONDS - n_pictures / rate

    def given(self, seconds: float | None) -> dict[str, Any]:
        """Return what was said of training, the settings that the whole run shares, and the seconds to train in."""
        config = self.config
        told = {**config.training.given(), "seed": config.seed, "balance": config.balance}
        told |= {"device": config.training.how.device, "precision": config.backbone.compute}
        return told if seconds is None else {**told, "seconds": max(_LEAST_SECONDS, seconds)}

    def making(self, seconds: float | None, *, kind: "Kind" = "class", n_again: int = 0) -> "Making":
        """Return what is wished of a training from scratch: see `learn.scratch.Making`."""
        from fovea.learn.scratch import Making

        training = self.config.training
        given, layers = self.given(seconds), training.of_layers()
        options = {name: value for name, value in layers.items() if name not in given}
        if training.how.net is None:  # what auto tries by itself has neither: they are of fine-tuning's head
            given = {name: value for name, value in given.items() if name not in ("dropout", "drop_path")}
        short = 0.0 if seconds is None else max(0.0, _LEAST_SECONDS - seconds)
        finds_rate, n = training.finds_rate, training.how.ensemble
        return Making(
            given, options, kind=kind, finds_rate=finds_rate, n_again=n_again, short=short, n_sharing=n
        )

    def watched(self, name: str, *, kind: "Kind" = "class") -> AbstractContextManager["OnEpoch"]:
        """Return the block in which every epoch of the training `name` reaches those who watch it."""
        several = f", seed {self.config.seed}" if self.config.training.how.ensemble > 1 else ""
        return watched(
            name + several,
            trackers=self.config.training.how.track,
            folder=track_folder(self.config.out),
            announce=self.announce,
            kind=kind,
        )


def tune(goal: Goal, encoder: Encoder, *, seconds: float | None, room: Room, whole: bool = False) -> Attempt:
    """Train the probe's network further, from the probe on; with `whole` everything in it, whatever was said of that."""
    from fovea.learn.finetune import Tuning, finetune, open_trainable

    backbone, how = room.config.backbone, room.config.training.how
    sides = _read_sides(goal, preprocess=encoder.preprocess, room=room)
    unfreeze = "all" if whole else how.unfreeze
    averages = averages_with_probe(goal, room=room)
    area = encoder.preprocess.height_px * encoder.preprocess.width_px / 224**2

    def tune_one(room: Room, seconds: float | None) -> Attempt:
        begun, name = time.perf_counter(), f"{encoder.name} fine-tuned{', all unfrozen' if whole else ''}"
        if averages and seconds is not None:
            seconds += MEMBER_SECONDS  # of the end's: each training's own are counted below
        network = open_trainable(
            backbone.backbone, weights=backbone.weights, stages=backbone.stages, offline=backbone.offline
        )
        wish = Tuning(
            unfreeze=int(unfreeze) if unfreeze.isdigit() else unfreeze,
            head_layers=how.head,
            given=_read_by_tuning(room.given(seconds), head=how.head, room=room),
            kind=goal.meaning.kind,
            finds_rate=room.config.training.finds_rate,
            most_runs=MOST_RUNS if averages else 1,
            run_seconds=MEMBER_SECONDS * area if averages else 0.0,
        )
        with room.watched(name, kind=goal.meaning.kind) as on_epoch:
            trained = finetune(
                network,
                sides.train,
                valid=sides.valid,
                class_names=goal.names,
                start=goal.start,
                wish=wish,
                workspace=room.workspace / ("finetune-all" if whole else "finetune"),
                progress=room.progress,
                announce=room.announce,
                on_epoch=on_epoch,
            )
        end_follower()
        runs = [trained, *trained.others]
        each = (time.perf_counter() - begun) / len(runs)
        tried = [
            bring_over(
                name + (f", training {number}" if number > 1 else ""),
                one,
                sides,
                preprocess=encoder.preprocess,
                begun=time.perf_counter() - each,
                room=room,
                meaning=goal.meaning,
            )
            for number, one in enumerate(runs, start=1)
        ]
        if not averages or goal.start is None:
            return tried[0]
        return average_with_probe(tried, goal.start, name=name, encoder=encoder, room=room)

    return train_several(tune_one, seconds=seconds, room=room)


def _read_by_tuning(given: dict[str, Any], *, head: str, room: Room) -> dict[str, Any]:
    """Return the settings that fine-tuning reads: with the method auto the others are meant for the network from scratch."""
    from fovea.learn.finetune.settings import hidden_widths

    if room.config.training.method != "auto" or hidden_widths(head):
        return given
    return {name: value for name, value in given.items() if name != "dropout"}


def train_beside(goal: Goal, *, net: str, seconds: float | None, room: Room) -> Attempt:
    """Train a network from random weights on the pictures that the probe learned from."""
    preprocess = preprocess_for(net, goal.manifest, goal.rows_train, config=room.config)
    sides = _read_sides(goal, preprocess=preprocess, room=room)
    return train_several(
        lambda room, seconds: _learn_net(
            net, sides, goal=goal, seconds=seconds, preprocess=preprocess, room=room
        ),
        seconds=seconds,
        room=room,
    )


def train_alone(
    plan: SplitPlan, *, aim: Aim, strata: Strata | None, net: str, room: Room
) -> tuple[Attempt, Prepared]:
    """Train a network from random weights where no probe was fitted; copies are found by what it sees.

    `strata` are those by which the plan's sides were made alike.
    """
    from fovea.learn.pixels import close_up, piece_of, try_pixels

    manifest, begun = plan.manifest, time.perf_counter()
    opened = [k for k, row in enumerate(manifest.rows) if row.split in ("train", "valid") and not row.problem]
    preprocess = preprocess_for(net, manifest, np.array(opened), config=room.config)
    chosen = sorted(opened, key=lambda k: manifest.rows[k].split)  # each side is a piece of the file
    read = try_pixels(
        [partial(manifest.read, manifest.rows[k]) for k in chosen],
        preprocess=preprocess,
        folder=room.workspace,
        threads=room.config.backbone.threads,
        progress=room.progress,
    )
    decoding = time.perf_counter() - begun
    rows = list(manifest.rows)
    for k, problem in zip(chosen, read.problems, strict=True):
        rows[k] = replace(rows[k], problem=problem)
    plan = replace(plan, manifest=manifest.with_rows(rows))
    goal = aim(plan.manifest)
    readable = close_up(read)
    pixels, held = read.pixels[: len(readable)], np.array(chosen)[readable]
    train, valid = (piece_of(pixels, np.isin(held, rows)) for rows in (goal.rows_train, goal.rows_valid))
    sides = _sides(goal, train, valid)
    n_test = sum(row.split == "test" and not row.problem for row in manifest.rows)
    attempt = train_several(
        lambda room, seconds: _learn_net(
            net,
            sides,
            goal=goal,
            seconds=seconds,
            preprocess=preprocess,
            room=room,
            n_again=len(chosen) + n_test,
        ),
        seconds=room.seconds_left(n_test, rate=len(chosen) / max(decoding, 1e-9)),
        room=room,
    )
    encoder, order = attempt.exported.encoder, np.argsort(chosen)
    features = np.zeros((len(chosen), 1, encoder.n_features), np.float32)
    features[readable, 0] = _encode(encoder, pixels, room=room)
    found = Extraction(
        features=features[order],
        problems=tuple(read.problems[at] for at in order),
        facts=tuple(read.facts[at] for at in order),
        n_decoded=len(readable),
        seconds=decoding,
    )
    gathered = settle(manifest, opened, found=found)
    prepared = prepare(room.config, gathered, encoder=encoder, store=room.store, earlier=None, strata=strata)
    return attempt, replace(prepared, plan=replace(plan, manifest=prepared.plan.manifest))


def features_of(attempt: Attempt, *, room: Room) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the features of both sides by a trained network."""
    encoder, sides = attempt.exported.encoder, attempt.sides
    return _encode(encoder, sides.train.pixels, room=room), encoder.encode(sides.all_valid)


def _encode(encoder: Encoder, pixels: NDArray[np.uint8], *, room: Room) -> NDArray[np.float32]:
    """Return the features float32 (n, d) of decoded pictures."""
    features = np.empty((len(pixels), encoder.n_features), np.float32)
    size, done = encoder.batch_size, 0
    for part in encoder.encode_batches(pixels[at : at + size] for at in range(0, len(pixels), size)):
        features[done : done + len(part)] = part
        done += len(part)
        room.progress("read again", done, len(pixels))
    return features


def _read_sides(goal: Goal, *, preprocess: Preprocess, room: Room) -> Sides:
    """Read the pictures of both sides at a network's size."""
    from fovea.learn.pixels import read_pixels

    manifest = goal.manifest
    rows = np.concatenate([goal.rows_train, goal.rows_valid]).tolist()
    pixels = read_pixels(
        [partial(manifest.read, manifest.rows[k]) for k in rows],
        height_px=preprocess.height_px,
        width_px=preprocess.width_px,
        fit=preprocess.fit,
        crop=preprocess.crop,
        folder=room.workspace,
        threads=room.config.backbone.threads,
        progress=room.progress,
    )
    n = len(goal.rows_train)
    return _sides(goal, pixels[:n], pixels[n:])


def _sides(goal: Goal, train: NDArray[np.uint8], valid: NDArray[np.uint8]) -> Sides:
    """Return the sides of a goal, of its rows' pixels; without a copy where all can be judged."""
    from fovea.learn.trained import Pictures

    known = goal.known
    judged = Pictures(valid, goal.valid_labels)
    if not known.all():
        judged = Pictures(valid[known], goal.valid_labels[known])
    return Sides(Pictures(train, goal.train_labels), judged, valid)


def _learn_net(
    net: str,
    sides: Sides,
    *,
    goal: Goal,
    seconds: float | None,
    preprocess: Preprocess,
    room: Room,
    n_again: int = 0,
) -> Attempt:
    from fovea.learn.scratch import scratch

    name, begun = f"{Path(net).name} from scratch", time.perf_counter()
    wish = room.making(seconds, kind=goal.meaning.kind, n_again=n_again)
    with room.watched(name, kind=goal.meaning.kind) as on_epoch:
        trained = scratch(
            net,
            sides.train,
            valid=sides.valid,
            class_names=goal.names,
            wish=wish,
            workspace=room.workspace / "scratch",
            progress=room.progress,
            announce=room.announce,
            on_epoch=on_epoch,
        )
    end_follower()
    made = bring_over(
        name, trained, sides, preprocess=preprocess, begun=begun, room=room, meaning=goal.meaning
    )
    return replace(made, net=net)


def bring_over(
    name: str,
    trained: "Trained",
    sides: Sides,
    *,
    preprocess: Preprocess,
    begun: float,
    room: Room,
    meaning: Meaning = CLASSES,
) -> Attempt:
    """Bring a trained network into the runtime's form, whose answers are what counts from here on."""
    from fovea.model.export import export_trained

    room.workspace.mkdir(parents=True, exist_ok=True)
    room.progress("convert", 0, 1)
    exported = export_trained(
        trained,
        Path(tempfile.mkdtemp(prefix="network.", dir=room.workspace)),
        name=name,
        preprocess=preprocess,
        examples=sides.all_valid,
        precision=room.config.backbone.compute,
        threads=room.config.backbone.threads,
        meaning=meaning,
    )
    logits = exported.head.logits(exported.encoder.encode(sides.all_valid))
    room.progress("convert", 1, 1)
    return Attempt(name, trained, exported, sides, logits, time.perf_counter() - begun, kind=meaning.kind)
