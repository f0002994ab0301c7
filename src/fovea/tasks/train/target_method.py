"""What the method makes of numbers or labels: the probe, or a network that was trained, whichever is better."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder
from fovea.judge import cross_fitted
from fovea.manifest import Manifest
from fovea.tasks.gather import gather
from fovea.tasks.sides import units_of
from fovea.tasks.train.attempt import Room, features_of
from fovea.tasks.train.choose import N_PARTS, SMALLEST_PROBABILITY, Candidate, choose_by_loss
from fovea.tasks.train.goal import Goal, rows_of
from fovea.tasks.train.method import PROBE, TrainingFacts, alone, train_net, try_further
from fovea.tasks.train.prepare import Prepared, prepare
from fovea.tasks.train.target_files import Told

if TYPE_CHECKING:
    from fovea.tasks.train.target import Kind


@dataclass(frozen=True)
class TargetOutcome:
    """What stands at the end: rows and features, the head and its verdict, the encoder, what is told of training."""

    prepared: Prepared
    told: Told
    encoder: Encoder
    seconds: Mapping[str, float]
    facts: TrainingFacts | None = None


def learn_probe(kind: "Kind", manifest: Manifest, *, encoder: Encoder, room: Room) -> TargetOutcome:
    """Return a head on the encoder's features; the test split is not looked at."""
    config, progress = room.config, room.progress
    gathered = gather(
        manifest,
        encoder=encoder,
        store=room.store,
        views=config.backbone.views,
        without="test",
        progress=progress,
    )
    begun = time.perf_counter()
    progress("fit", 0, 2)
    kind.require(gathered.manifest)
    prepared = prepare(config, gathered, encoder=encoder, store=room.store, earlier=None, strata=kind.strata)
    told = kind.learn(prepared, encoder=encoder)
    progress("fit", 2, 2)
    seconds = {"extract": gathered.seconds, "fit": told.seconds}
    seconds["judge"] = time.perf_counter() - begun - told.seconds
    return TargetOutcome(prepared, told, encoder, seconds)


def train_on(kind: "Kind", probe: TargetOutcome, *, room: Room) -> TargetOutcome:
    """Return the better of the probe and the networks that the method tries, judged on the validation part."""
    method, prepared, encoder = room.config.training.method, probe.prepared, probe.encoder
    goal = kind.goal(
        prepared.plan.manifest,
        rows_train=prepared.rows_train,
        rows_valid=prepared.rows_valid,
        units=prepared.units,
    )
    goal = replace(goal, start=goal.meaning.begun_by(probe.told.head))
    attempts, why_not = try_further(goal, encoder, gathered=prepared.gathered, room=room)
    if not attempts:
        return replace(probe, facts=TrainingFacts(method, PROBE, why_not))
    answers = probe.told.head.logits(prepared.valid_features)
    candidates = [Candidate(PROBE, answers, probe.told.seconds)]
    candidates += [Candidate(one.name, one.valid_logits, one.seconds) for one in attempts]
    choice = choose_by_loss(
        candidates,
        losses=[losses_of(one.valid_logits, goal, seed=room.config.seed) for one in candidates],
        is_number=goal.meaning.kind == "values",
    )
    kept = candidates[choice.chosen].name
    facts = TrainingFacts(method, kept, choice.text + why_not, choice=choice, attempts=tuple(attempts))
    if choice.chosen == 0:
        return replace(probe, facts=facts)
    best = attempts[choice.chosen - 1]
    train_features, valid_features = features_of(best, room=room)
    prepared = replace(prepared, train_features=train_features, valid_features=valid_features)
    told = kind.take(prepared, head=best.exported.head, seconds=best.seconds, notes=goal.notes)
    seconds = {**probe.seconds, "train": best.seconds}
    return TargetOutcome(prepared, told, best.exported.encoder, seconds, facts)


def learn_from_scratch(kind: "Kind", manifest: Manifest, *, room: Room) -> TargetOutcome:
    """Return a network trained from random weights; no backbone reads the pictures before."""
    notes: list[str] = []

    def aim(manifest: Manifest) -> Goal:
        kind.require(manifest)
        train, valid = rows_of(manifest, "train"), rows_of(manifest, "valid")
        goal = kind.goal(manifest, rows_train=train, rows_valid=valid, units=units_of(manifest))
        notes.extend(goal.notes)
        return goal

    attempt, prepared = train_net(manifest, aim=aim, strata=kind.strata, room=room)
    told = kind.take(prepared, head=attempt.exported.head, seconds=attempt.seconds, notes=tuple(notes))
    seconds = {"extract": prepared.gathered.seconds, "train": attempt.seconds}
    facts = TrainingFacts("scratch", attempt.name, alone(attempt), attempts=(attempt,))
    return TargetOutcome(prepared, told, attempt.exported.encoder, seconds, facts)


def losses_of(answers: NDArray[np.float32], goal: Goal, *, seed: int) -> NDArray[np.float64]:
    """Return a loss for each validation picture (m,) of answers (m, k) as the head tells them.

    Of numbers the squared error in the user's unit; of labels the mean log loss, after a temperature fitted on other
    pictures.
    """
    if goal.meaning.kind == "values":
        missed = goal.meaning.learned_as(answers.astype(np.float64)) - goal.valid_labels
        squares: NDArray[np.float64] = np.square(goal.meaning.deviation * missed.astype(np.float64)).mean(1)
        return squares
    has, k = goal.valid_labels.astype(np.int64), answers.shape[1]
    parts = np.random.default_rng(seed).permutation(len(has)) % N_PARTS
    pairs = np.column_stack([np.zeros(answers.size, answers.dtype), answers.reshape(-1)])
    told = cross_fitted(pairs, has.reshape(-1), parts=np.repeat(parts, k))
    given = told[np.arange(len(told)), has.reshape(-1)].reshape(has.shape)
    found: NDArray[np.float64] = -np.log(np.maximum(given, SMALLEST_PROBABILITY)).mean(1)
    return found
