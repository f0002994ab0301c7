"""Beyond the probe: its network trained further, or another from scratch, and whichever is better kept."""

import importlib.util
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fovea.errors import BackboneError, InputError, MissingExtraError
from fovea.features import Encoder
from fovea.learn import ProbeFit
from fovea.manifest import Manifest, Strata, assign_splits
from fovea.tasks.gather import Gathered
from fovea.tasks.several import agreed, end_follower
from fovea.tasks.sides import units_of
from fovea.tasks.train.attempt import (
    END_SECONDS,
    Attempt,
    Room,
    features_of,
    train_alone,
    train_beside,
    tune,
)
from fovea.tasks.train.choose import Candidate, Choice, choose, compare
from fovea.tasks.train.ensemble import MOST_RUNS, averages_with_probe
from fovea.tasks.train.goal import Aim, Goal, aim_at_classes, goal_of
from fovea.tasks.train.input_size import usual_side
from fovea.tasks.train.learn import Learned, make_learned
from fovea.tasks.train.prepare import HELD_OUT, Prepared
from fovea.tasks.train.since import Earlier
from fovea.tasks.train.sizing import seconds_a_picture

PROBE = "the probe"
LEAST_SECONDS = 5.0
"""With less left of a budget, nothing is trained."""
_ADVISED = 3.0  # times these seconds: in the fewest of all one epoch often does not fit
SMALL_PX = 64
"""Pictures up to this side lie far from what backbones know, which see them several times enlarged."""
SMALL_NET = "fast"
EACH_SHARE = 0.2
"""Of the budget for fine-tuning as planned, and as much for all of the network, where one from scratch is tried beside them."""
_TRIES = {
    "finetune": "fine-tuning",
    "finetune-all": "fine-tuning the whole network",
    "scratch": "a network from scratch",
}


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What is told of training: the method, what is kept and why, how all stood, and what was tried."""

    method: str
    kept: str
    text: str
    choice: Choice | None = None
    attempts: tuple[Attempt, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values for metrics.json."""
        return {
            "method": self.method,
            "kept": self.kept,
            "text": self.text,
            "standings": [] if self.choice is None else [one.to_json() for one in self.choice.standings],
            "kept_of": [
                one.name
                for attempt in self.attempts
                if attempt.name == self.kept
                for one in attempt.members or (attempt,)
            ],
            "attempts": [one.to_json() for attempt in self.attempts for one in attempt.members or (attempt,)],
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What stands at the end: what was learned, by which encoder, and what is told of training (None: only the probe)."""

    learned: Learned
    encoder: Encoder
    facts: TrainingFacts | None = None

    @property
    def by_valid(self) -> bool:
        """Whether a trained network is kept, which the validation part has to calibrate."""
        return self.facts is not None and self.facts.kept != PROBE


def require_torch(method: str) -> None:
    """Raise MissingExtraError where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(
            f'--method {method} trains a network, which needs torch. Install it: pip install "fovea-vision[torch]".'
        )


def train_further(learned: Learned, encoder: Encoder, *, room: Room) -> Outcome:
    """Return the better of the probe and the networks that the method tries, judged on the validation part."""
    method, goal = room.config.training.method, goal_of(learned)
    attempts, why_not = try_further(goal, encoder, gathered=learned.gathered, room=room)
    if not attempts:
        return Outcome(learned, encoder, TrainingFacts(method, PROBE, why_not))
    candidates = [Candidate(PROBE, learned.valid_logits, learned.fit.seconds)]
    candidates += [Candidate(one.name, one.valid_logits, one.seconds) for one in attempts]
    choice = choose(candidates, labels=learned.valid_labels, seed=room.config.seed)
    kept = candidates[choice.chosen].name
    facts = TrainingFacts(method, kept, choice.text + why_not, choice=choice, attempts=tuple(attempts))
    if choice.chosen == 0:
        return Outcome(learned, encoder, facts)
    best = attempts[choice.chosen - 1]
    return Outcome(_adopt(learned, best, room=room), best.exported.encoder, facts)


def _adopt(learned: Learned, attempt: Attempt, *, room: Room) -> Learned:
    """Return what was learned with a trained network in the probe's place; copies and sides are as they were.

    The probe's out-of-fold logits stay: they tell likely label errors.
    """
    head = attempt.exported.head
    train_features, valid_features = features_of(attempt, room=room)
    return replace(
        learned,
        train_features=train_features,
        valid_features=valid_features,
        fit=ProbeFit(head, learned.fit.oof_logits, path=(), seconds=attempt.seconds),
        valid_logits=head.logits(valid_features),
        seconds={**learned.seconds, "train": attempt.seconds},
    )


def try_further(goal: Goal, encoder: Encoder, *, gathered: Gathered, room: Room) -> tuple[list[Attempt], str]:
    """Return the networks that the method trains beside a probe on `encoder`, and why the others or all of them were not."""
    method = room.config.training.method
    n_rows = len(goal.rows_train) + len(goal.rows_valid)
    rate = _reading_rate(goal, encoder, gathered=gathered, room=room)
    n_test = sum(row.split == "test" and not row.problem for row in goal.manifest.rows)
    is_far = method == "auto" and usual_side(goal.manifest, goal.rows_train) <= SMALL_PX
    # An average of which all is frozen but the last blocks takes twice as long for the training part; of whole networks more.
    n_more = (
        (MOST_RUNS if is_far else 1) * len(goal.rows_train) if averages_with_probe(goal, room=room) else 0
    )
    left = room.seconds_left(n_rows + n_test + n_more, rate=rate)
    seconds = agreed(left, device=room.config.training.how.device)
    tries = Tries(room, seconds)
    # An interrupted run goes on with the seconds that were planned.
    why_not = _why_not(goal, seconds=None if tries.are_continued else seconds, room=room)
    if why_not:
        end_follower()
        return [], why_not
    net = room.config.training.how.net
    has_net = method == "auto" and (is_far or net is not None)
    share = EACH_SHARE if is_far else 2 * EACH_SHARE if has_net else 1.0
    tries.add("finetune", partial(tune, goal, encoder, room=room), share=share)
    if is_far and not any(one.trained.is_whole for one in tries.attempts):
        tries.add("finetune-all", partial(tune, goal, encoder, room=room, whole=True), share=EACH_SHARE)
    if has_net:
        tries.add("scratch", partial(train_beside, goal, net=net or SMALL_NET, room=room), share=1.0)
    end_follower()
    why_not = " ".join(tries.reasons)
    if not tries.attempts:
        return [], f"{why_not} The probe is given."
    return tries.attempts, why_not and f" Not trained: {why_not}"


def _reading_rate(goal: Goal, encoder: Encoder, *, gathered: Gathered, room: Room) -> float:
    """Return how many pictures a second a network reads; where most lay in the store, a few are read again for it."""
    rows = np.concatenate([goal.rows_train, goal.rows_valid])
    if 2 * gathered.n_decoded > len(rows) or room.config.training.how.budget is None:
        return gathered.n_decoded / max(gathered.seconds, 1e-9)
    return 1 / max(seconds_a_picture(goal.manifest, rows, encoder=encoder, store=None), 1e-9)


class Tries:
    """What is trained one after the other within `seconds` (None: without end), and the `reasons` why others were not.

    Which had time, and how much, is written in the run's workspace: an interrupted run goes on with the same ones. What
    refuses to go on from its checkpoint is raised, whatever is survived: no probe is given for hours of training.
    """

    def __init__(self, room: Room, seconds: float | None) -> None:
        from fovea.learn.training.planned import PlanFile

        self.seconds, self.begun = seconds, time.perf_counter()
        self.kept = PlanFile(room.workspace / "tries.json", job="")
        room.workspace.mkdir(parents=True, exist_ok=True)
        self.are_continued = bool(self.kept.read())
        self.attempts: list[Attempt] = []
        self.reasons: list[str] = []
        training = room.config.training
        self.survived: tuple[
            type[Exception], ...
        ] = ()  # under a budget the probe is there; in `auto` nothing was named
        if training.method == "auto":
            self.survived = (InputError, BackboneError)
        elif training.how.budget is not None:
            self.survived = (BackboneError,)

    def add(self, name: str, train: Callable[..., Attempt], *, share: float) -> None:
        """Train with a share of the seconds, or what is left of them, unless too few are left."""
        from fovea.learn.training.planned import TooLittleTimeError

        survived: tuple[type[Exception], ...] = (TooLittleTimeError, *self.survived)
        held = self.kept.read().get(name)
        has_checkpoint = any(self.kept.path.parent.rglob(f"{name}/*.checkpoint"))
        seconds, why_not = held or (self._left(share), "")
        is_next = bool(self.attempts or self.reasons)
        if not why_not and is_next and seconds is not None and seconds <= LEAST_SECONDS:
            why_not = f"No time was left of the budget for {_TRIES[name]}: raise it (--budget)."
        if not why_not:
            self.kept.add(**{name: (seconds, "")})
            try:
                self.attempts.append(train(seconds=seconds))
                return
            except survived as error:
                if has_checkpoint and isinstance(error, InputError):
                    raise
                why_not = str(error)
        self.kept.add(**{name: (seconds, why_not)})
        if why_not and why_not not in self.reasons:
            self.reasons.append(why_not)

    def _left(self, share: float) -> float | None:
        """Return a share of all seconds, or what is left where that is less, or everything is given."""
        if self.seconds is None:
            return None
        return min(share * self.seconds, self.seconds - (time.perf_counter() - self.begun))


def train_from_scratch(manifest: Manifest, *, earlier: Earlier | None, room: Room) -> Outcome:
    """Return a network trained from random weights; no backbone reads the pictures before."""
    attempt, prepared = train_net(manifest, aim=aim_at_classes, earlier=earlier, room=room)
    head = attempt.exported.head
    fit = ProbeFit(head, np.zeros((0, len(head.class_names)), np.float32), path=(), seconds=attempt.seconds)
    seconds = {"extract": prepared.gathered.seconds, "train": attempt.seconds}
    learned = make_learned(room.config, prepared, fit=lambda *_, **__: fit, seconds=seconds)
    choice, text = None, alone(attempt)
    if attempt.members:
        tried = [Candidate(one.name, one.valid_logits, one.seconds) for one in (*attempt.members, attempt)]
        choice = compare(tried, labels=learned.valid_labels, seed=room.config.seed)
        text = choice.text
    facts = TrainingFacts("scratch", attempt.name, text, choice=choice, attempts=(attempt,))
    return Outcome(learned, attempt.exported.encoder, facts)


def alone(attempt: Attempt) -> str:
    """Say that there is nothing to compare with."""
    return f"{attempt.name}: no probe was fitted beside it."


def train_net(
    manifest: Manifest, *, aim: Aim, strata: Strata | None = None, earlier: Earlier | None = None, room: Room
) -> tuple[Attempt, Prepared]:
    """Return a network trained from random weights on what `aim` makes of the sides; `strata` as in `prepare`."""
    config, rows = room.config, manifest.rows
    net = config.training.how.net or SMALL_NET
    units = units_of(manifest)
    plan = assign_splits(
        manifest,
        units=units,
        seed=config.seed,
        valid_share=config.valid_share or HELD_OUT,
        since=None if earlier is None else earlier.manifest,
        strata=None if strata is None else strata(manifest, units),
    )
    if plan.protocol == "cross-validated":
        raise InputError(
            f"{len(rows):,} pictures are too few to train a network from scratch: none could be held out to judge it by. "
            "Leave out --method scratch, or bring more pictures."
        )
    return train_alone(plan, aim=aim, strata=strata, net=net, room=room)


def _why_not(goal: Goal, *, seconds: float | None, room: Room) -> str:
    """Say why nothing can be trained; "" where something can."""
    if not goal.known.any():
        return "There is no validation part by which a trained network could be judged: the probe is given."
    if seconds is not None and seconds < LEAST_SECONDS:
        return (
            f"The budget of {room.config.training.how.budget:.0f} s is too small to train a network in beside the probe, which "
            f"took {time.perf_counter() - room.begun:.1f} s, since {END_SECONDS:.0f} s are kept to convert it and for the report: "
            f"the probe is given. Raise --budget by {math.ceil(_ADVISED * LEAST_SECONDS - seconds)} s or more."
        )
    return ""
