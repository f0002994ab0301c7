"""Beyond the probe: its network trained further, or another from scratch, and whichever is better kept."""

import importlib.util
import time
from dataclasses import dataclass
from typing import Any

from fovea.errors import InputError, MissingExtraError
from fovea.features import Encoder
from fovea.manifest import Manifest, assign_splits, equal_groups, join_units
from fovea.tasks.train_attempt import Attempt, Room, adopt, train_alone, train_beside, tune, usual_side
from fovea.tasks.train_choose import Candidate, Choice, choose, compare
from fovea.tasks.train_learn import Learned
from fovea.tasks.train_prepare import HELD_OUT
from fovea.tasks.train_since import Earlier

PROBE = "the probe"
LEAST_SECONDS = 5.0
"""With less left of a budget, nothing is trained."""
SMALL_PX = 64
"""Pictures up to this side lie far from what backbones know, which see them several times enlarged."""
SMALL_NET = "fast"
FIRST_SHARE = 0.4
"""Of the budget for fine-tuning, where a network is trained from scratch beside it."""


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
    method, gathered = room.config.training.method, learned.gathered
    rate = gathered.n_decoded / max(gathered.seconds, 1e-9)
    n_rows = len(learned.rows_train) + len(learned.rows_valid)
    seconds = room.seconds_left(n_rows, **({"rate": rate} if rate > 0 else {}))
    why_not = _why_not(learned, seconds=seconds, room=room)
    if why_not:
        return Outcome(learned, encoder, TrainingFacts(method, PROBE, why_not))
    is_far = method == "auto" and usual_side(learned.plan.manifest, learned.rows_train) <= SMALL_PX
    begun = time.perf_counter()
    attempts, why_not = _tuned(
        learned, encoder, seconds=_part(seconds, FIRST_SHARE if is_far else 1.0), room=room
    )
    left = None if seconds is None else seconds - (time.perf_counter() - begun)
    if is_far and (left is None or left > LEAST_SECONDS):
        net = room.config.training.how.net or SMALL_NET
        attempts.append(train_beside(learned, net=net, seconds=left, room=room))
    if not attempts:
        return Outcome(learned, encoder, TrainingFacts(method, PROBE, why_not))
    candidates = [Candidate(PROBE, learned.valid_logits, learned.fit.seconds)]
    candidates += [Candidate(one.name, one.valid_logits, one.seconds) for one in attempts]
    choice = choose(candidates, labels=learned.valid_labels, seed=room.config.seed)
    kept = candidates[choice.chosen].name
    facts = TrainingFacts(method, kept, choice.text, choice=choice, attempts=tuple(attempts))
    if choice.chosen == 0:
        return Outcome(learned, encoder, facts)
    best = attempts[choice.chosen - 1]
    return Outcome(adopt(learned, best, room=room), best.exported.encoder, facts)


def train_from_scratch(manifest: Manifest, *, earlier: Earlier | None, room: Room) -> Outcome:
    """Return a network trained from random weights; no backbone reads the pictures before."""
    config, rows = room.config, manifest.rows
    net = config.training.how.net
    if net is None:
        raise InputError(
            "--method scratch needs the network's name: --net lenet5, for example, or --net fast for pictures of 28 to 32 px."
        )
    same_bytes = equal_groups(["" if row.problem else row.sha256 for row in rows])
    plan = assign_splits(
        manifest,
        units=join_units(len(rows), same_bytes, equal_groups([row.group for row in rows])),
        seed=config.seed,
        valid_share=config.valid_share or HELD_OUT,
        since=None if earlier is None else earlier.manifest,
    )
    if plan.protocol == "cross-validated":
        raise InputError(
            f"{len(rows):,} pictures are too few to train a network from scratch: none could be held out to judge it by. "
            "Leave out --method scratch, or bring more pictures."
        )
    attempt, learned = train_alone(plan, net=net, seconds=room.seconds_left(len(rows)), room=room)
    choice, text = None, f"{attempt.name}: no probe was fitted beside it."
    if attempt.members:
        tried = [Candidate(one.name, one.valid_logits, one.seconds) for one in (*attempt.members, attempt)]
        choice = compare(tried, labels=learned.valid_labels, seed=config.seed)
        text = choice.text
    facts = TrainingFacts("scratch", attempt.name, text, choice=choice, attempts=(attempt,))
    return Outcome(learned, attempt.exported.encoder, facts)


def _why_not(learned: Learned, *, seconds: float | None, room: Room) -> str:
    """Say why nothing can be trained; "" where something can."""
    if not (learned.valid_labels >= 0).any():
        return "There is no validation part by which a trained network could be judged: the probe is given."
    if seconds is not None and seconds < LEAST_SECONDS:
        return (
            f"The budget of {room.config.training.how.budget:.0f} s is too small to train a network in beside the probe, which "
            f"took {time.perf_counter() - room.begun:.0f} s: the probe is given."
        )
    return ""


def _tuned(
    learned: Learned, encoder: Encoder, *, seconds: float | None, room: Room
) -> tuple[list[Attempt], str]:
    """Return the fine-tuned network, or none and why."""
    from fovea.learn.finetune import TooLittleTimeError

    try:
        return [tune(learned, encoder, seconds=seconds, room=room)], ""
    except TooLittleTimeError as error:
        return [], f"{error} The probe is given."


def _part(seconds: float | None, share: float) -> float | None:
    return None if seconds is None else share * seconds
