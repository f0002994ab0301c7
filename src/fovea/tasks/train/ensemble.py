"""Several classifiers of the same pictures averaged into one attempt: trainings that differ by seed or order, and the probe."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fovea.features import Encoder
from fovea.judge import fit_temperature
from fovea.learn import Head
from fovea.model import Member, average_members

if TYPE_CHECKING:
    from fovea.tasks.train.attempt import Attempt, Room
    from fovea.tasks.train.goal import Goal

MOST_RUNS = 2
"""Trainings that are averaged with the probe where a budget has room: each makes an answer a third slower."""
MEMBER_SECONDS = 10.0
"""For converting and comparing one network that takes 224 x 224 pixels: in proportion to these."""


def train_several(
    train_one: Callable[["Room", float | None], "Attempt"], *, seconds: float | None, room: "Room"
) -> "Attempt":
    """Return what `train_one` trains, or the average of as many as the ensemble has; `seconds` are for all together."""
    from fovea.learn.training.planned import TooLittleTimeError

    n = room.config.training.how.ensemble
    if n == 1:
        return train_one(room, seconds)
    end = None if seconds is None else time.perf_counter() + seconds
    attempts: list[Attempt] = []
    for number in range(n):
        seed = room.config.seed + number
        room.announce(f"Member {number + 1} of {n}, seed {seed}.")
        own = replace(room, config=replace(room.config, seed=seed), workspace=room.workspace / f"seed-{seed}")
        left = None
        if end is not None:  # the conversion of one is kept of the budget already
            later = n - number - 1
            left = (end - time.perf_counter() - later * MEMBER_SECONDS) / (later + 1)
        try:
            attempt = train_one(own, left)
        except TooLittleTimeError as error:
            if not attempts:
                raise
            room.announce(f"{len(attempts)} of {n} members fit the budget. {error}")
            break
        attempts.append(replace(attempt, name=f"{attempt.name}, seed {seed}"))
    if len(attempts) == 1:
        return replace(attempt, name=attempts[0].name)
    return _averaged(attempts, name=f"{len(attempts)} times {attempt.name}", room=room)


def averages_with_probe(goal: "Goal", *, room: "Room") -> bool:
    """Return whether what is tuned is averaged with the probe: under a budget, of classes, where no ensemble is wished."""
    how = room.config.training.how
    return (
        how.budget is not None
        and how.ensemble == 1
        and goal.meaning.kind == "class"
        and goal.start is not None
    )


def average_with_probe(
    attempts: "Sequence[Attempt]", probe: Head, *, name: str, encoder: Encoder, room: "Room"
) -> "Attempt":
    """Return the average of trainings, called `name`, that began at one probe, and of that probe.

    A tuned network and the one that it began as err differently: their average is better calibrated than both, and right
    more often (Wortsman et al., 2022, average weights; answers were measured to be better here: lab/LOG.md). What their
    networks have in common is computed once.
    """
    sides, times = attempts[0].sides, f" {len(attempts)} times" if len(attempts) > 1 else ""
    temperature = fit_temperature(
        probe.logits(encoder.encode(sides.valid.pixels)), sides.valid.labels.astype("int64")
    )
    return _averaged(
        attempts,
        name=f"{name}{times}, averaged with the probe",
        room=room,
        more=[Member("the probe", encoder, probe, temperature)],
    )


def _averaged(
    attempts: "Sequence[Attempt]", *, name: str, room: "Room", more: Sequence[Member] = ()
) -> "Attempt":
    """Return the average as an attempt of its own: how it came about is told by its members."""
    first, begun = attempts[0], time.perf_counter()
    labels = first.sides.valid.labels.astype("int64")
    members = [*more] + [
        Member(
            one.name,
            one.exported.encoder,
            one.exported.head,
            fit_temperature(one.trained.valid_logits, labels),
        )
        for one in attempts
    ]
    folder = Path(tempfile.mkdtemp(prefix="average.", dir=room.workspace))
    encoder, head = average_members(members, folder, name=name, threads=room.config.backbone.threads)
    told = [one.exported for one in attempts]
    exported = replace(
        told[0],
        encoder=encoder,
        head=head,
        agreement=min(one.agreement for one in told),
        difference=max(one.difference for one in told),
    )
    logits = head.logits(encoder.encode(first.sides.all_valid))
    seconds = sum(one.seconds for one in attempts) + time.perf_counter() - begun
    return replace(
        first, name=name, exported=exported, valid_logits=logits, seconds=seconds, members=tuple(attempts)
    )
