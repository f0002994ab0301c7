"""What went wrong in a training, from its curves: numbers in, findings in words out, each with what to try next.

Overfitting, underfitting, stopped too soon, or none of these; dead units; gradients that explode or vanish; a learning rate too
high or too low.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fovea.judge.advice import (
    Used,
    allow_more_seconds,
    change_rate,
    compute_exactly,
    learn_less_by_heart,
    learn_more,
    let_gradients_through,
    let_units_live,
    shorten_gradients,
    together,
    train_longer,
)
from fovea.judge.one_answer import OneAnswer
from fovea.wording import percent

_ROSE = 1.05  # times its lowest: a validation loss above this went up again
_GAP = 0.05  # in accuracy: less between training and validation is no worry
_LOW = 0.85  # training accuracy below which a network has not even learned its pictures
_HALF = 0.5  # of the loss of one answer to every picture: where less of it is gone, a network has not learned them either
_GAP_OF_LOSS = 0.1  # of that loss: less between training and validation is no worry
_STILL_FALLING = 0.97  # of the loss a fifth of the epochs earlier: below this, more epochs will help
_LONG_FALLING = 0.9  # the same of the loss at half of the epochs, for schedules whose end is flat
_DEAD = 0.4  # of a layer's units; of random ones behind a ReLU hardly any is dead on 64 pictures
_BLOCKED = 0.95  # of a layer's units dead: it lets nothing through
_EXPLODES, _VANISHES = (
    1e3,
    1e-3,
)  # a gradient's length; the first layer's share of the longest (healthy ones: 0.02 and more)
_JUMP = 1.1  # times the epoch before: a training loss above this rises
_FEW = 3  # epochs: fewer make no curve
_FLAT = 0.02  # of its first value: a training loss that fell by less has not begun to learn
_STEP, _FAR = 3.0, 10.0  # by which a rate is changed


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is one of the names in this file's `diagnose`; `text` says what was seen, `try_next` what may mend it."""

    kind: str
    text: str
    try_next: str


def diagnose(
    history: Mapping[str, Any],
    *,
    n_valid: int,
    chance: float | None = None,
    one_answer: OneAnswer | None = None,
    settings: Used | None = None,
) -> tuple[Finding, ...]:
    """Say what went wrong, the gravest first; a training in which nothing did gets the one finding "fits".

    Kinds: "non-finite", "rate too high", "rate too low", "exploding gradients", "vanishing gradients", "dead units",
    "overfitting", "underfitting", "stopped too soon", "fits", "too short" (fewer than three epochs tell nothing). Where
    nothing was validated nothing may be found.

    Args:
        history: `History.to_json()` of a training.
        n_valid: pictures of the validation part, by which a difference may be chance.
        chance: of classes the accuracy of always answering the commonest, in [0, 1]; None where it is not known.
        one_answer: of numbers and labels the losses of one answer to every picture.
        settings: what was used, by its usual name: lr, clip, optimizer, weight_decay, precision, augment, mixup, cutmix,
            dropout (None: the network takes none), seconds where there was a budget, and net where it was from scratch;
            has_activation, has_init: whether --activation and --init are for it; is_whole: nothing of a network that was
            trained further was frozen; is_module: it is a user's own, trained by `fovea.fit`; teacher: of a student the
            accuracy of its teacher on the validation part, its training accuracy being how often it agrees with that.
    """
    used = settings or {}
    records: Sequence[Mapping[str, Any]] = history["records"]
    if history["stopped"] == "non-finite":
        seen = " ".join(history["notes"]) or "The loss was no longer a number."
        steps = _rate(records, used, 1 / _FAR), shorten_gradients(used), compute_exactly(used)
        return (Finding("non-finite", seen, together(used, *steps)),)
    if len(records) < _FEW:
        text = f"{len(records)} of at least {_FEW} epochs: too few to say from the curves how it went."
        return (Finding("too short", text, _long_enough(history, used)),)
    units, gradients = _of_units(records, used), _of_gradients(records, used)
    rate = _of_rate(records, used, chance=chance)
    if _blocks(records):
        return tuple(
            units
        )  # what lies below such a layer gets no gradient and learns nothing: that follows from it
    if gradients:
        return (*gradients, *units)
    # No low rate kills units: where they are dead a lower one is advised.
    if rate and not (units and rate[0].kind == "rate too low"):
        return (*rate, *units)
    fit = _of_fit(history, used, n_valid=n_valid, chance=chance, one_answer=one_answer)
    return (*units, *(one for one in fit if one.kind != "fits" or not units))


def _of_rate(
    records: Sequence[Mapping[str, Any]], used: Mapping[str, Any], *, chance: float | None
) -> list[Finding]:
    losses = [record["train_loss"] for record in records if record["train_loss"] is not None]
    if len(losses) < _FEW:
        return []
    rises = [epoch for epoch in range(1, len(losses)) if losses[epoch] > _JUMP * losses[epoch - 1]]
    if losses[-1] > _JUMP * losses[0] or len(rises) * 3 >= len(losses):
        text = (
            f"The learning rate seems too high: the loss on the training pictures rose in {_of(len(rises), len(losses) - 1)} "
            f"epochs and ended at {losses[-1]:.3g} after {losses[0]:.3g} in the first."
        )
        return [Finding("rate too high", text, _rate(records, used, 1 / _STEP))]
    accuracies = [record["train_accuracy"] for record in records if record["train_accuracy"] is not None]
    knows_nothing = chance is not None and bool(accuracies) and max(accuracies) <= chance + _GAP
    begins_anew = chance is None and bool(used.get("net"))  # else it began with the probe's answers
    if min(losses) > (1 - _FLAT) * losses[0] and (begins_anew or knows_nothing):
        text = (
            f"The learning rate seems too low: over {len(losses)} epochs the loss on the training pictures only went from "
            f"{losses[0]:.3g} to {losses[-1]:.3g}."
        )
        return [Finding("rate too low", text, _rate(records, used, _FAR))]
    return []


def _of_gradients(records: Sequence[Mapping[str, Any]], used: Mapping[str, Any]) -> list[Finding]:
    told = [record["gradient_norms"] for record in records if record["gradient_norms"]]
    if not told:
        return []
    largest = [max(norms.items(), key=lambda item: _number(item[1])) for norms in told]
    name, norm = max(largest, key=lambda item: _number(item[1]))
    if _number(norm) > _EXPLODES:
        text = f"Gradients explode: in the layer {name!r} they reached a length of {_number(norm):.3g}."
        steps = _rate(records, used, 1 / _STEP), shorten_gradients(used)
        return [Finding("exploding gradients", text, together(used, *steps))]
    last = told[-1]
    first_name, first = next(iter(last.items()))
    longest_name, longest = largest[-1]
    if len(last) > 1 and _number(first) < _VANISHES * _number(longest):
        text = (
            f"Gradients vanish on their way down: in the first layer, {first_name!r}, they have a length of "
            f"{_number(first):.1g}, in {longest_name!r} of {_number(longest):.1g}. The first layers hardly learn."
        )
        another = let_gradients_through(used) or _rate(records, used, _STEP)
        return [Finding("vanishing gradients", text, another)]
    return []


def _of_units(records: Sequence[Mapping[str, Any]], used: Mapping[str, Any]) -> list[Finding]:
    last = _last_dead(records)
    dead = sorted(((share, name) for name, share in last.items() if share >= _DEAD), reverse=True)
    if not dead:
        return []
    share, name = dead[0]
    others = ", ".join(repr(other) for _, other in dead[1:4])
    more = f"; so are many in {others}" if others else ""
    text = (
        f"{percent(share, 0)} of the units of the layer {name!r} are dead: they answer 0 to every picture and cannot learn "
        f"again{more}."
    )
    factor = 1 / _FAR if _blocks(records) else 1 / _STEP
    return [Finding("dead units", text, together(used, _rate(records, used, factor), let_units_live(used)))]


def _last_dead(records: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
    told: list[Mapping[str, float]] = [record["dead_share"] for record in records if record["dead_share"]]
    return told[-1] if told else {}


def _blocks(records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether hardly anything passes through some layer."""
    return any(share >= _BLOCKED for share in _last_dead(records).values())


def _of_fit(
    history: Mapping[str, Any],
    used: Used,
    *,
    n_valid: int,
    chance: float | None,
    one_answer: OneAnswer | None,
) -> list[Finding]:
    """Judge both curves: each loss against itself, since smoothing and mixing make them different losses."""
    records = [record for record in history["records"] if record["valid_loss"] is not None]
    if len(records) < _FEW:
        return []
    best = min(range(len(records)), key=lambda i: float(records[i]["valid_loss"]))
    lowest, last = records[best]["valid_loss"], records[-1]["valid_loss"]
    before, after = records[best]["train_loss"], records[-1]["train_loss"]
    if last > _ROSE * lowest and None not in (before, after) and after < before:
        n_epochs = records[best]["epoch"] + 1
        text = (
            f"Overfitting: after epoch {n_epochs} the loss on the training pictures went on falling, from {before:.3g} to "
            f"{after:.3g}, while that on the validation pictures rose from {lowest:.3g} to {last:.3g}: from there on the network "
            f"learned its pictures by heart. {_kept(history, n_epochs)}"
        )
        return [Finding("overfitting", text, learn_less_by_heart(used, n_epochs=n_epochs))]
    level = _level(records[best], used, chance=chance, one_answer=one_answer)
    gap = level.gap(n_valid)
    if gap:
        return [Finding("overfitting", gap, learn_less_by_heart(used))]
    back = records[-1 - max(1, len(records) // 5 if level.is_learned else (len(records) + 1) // 2)]
    falls = last < (_STILL_FALLING if level.is_learned else _LONG_FALLING) * back["valid_loss"]
    if best == len(records) - 1 and falls:
        text = (
            f"Stopped too soon: the loss on the validation pictures was still falling at the end, from {back['valid_loss']:.3g} "
            f"to {last:.3g} over the last epochs."
        )
        return [Finding("stopped too soon", text, _longer(history, used))]
    if level.seen is not None and not level.is_learned:
        return [Finding("underfitting", level.underfit(), learn_more(used))]
    return [_fits(history, is_told=None not in (level.seen, level.judged))]


def _kept(history: Mapping[str, Any], n_epochs: int) -> str:
    """Say whose weights are kept: not always those of the lowest loss, which is that of epoch `n_epochs`."""
    kept = history["best_epoch"] + 1
    if kept == n_epochs:
        return "The weights kept are those of that epoch."
    return f"The weights kept are those of epoch {kept}, the last one that answered as well as the best, noise aside."


def _longer(history: Mapping[str, Any], used: Used) -> str:
    """Return twice as many epochs, within a budget that holds them."""
    epochs = train_longer(used, 2 * len(history["records"]))
    if used.get("seconds") is None:
        return epochs
    if history["stopped"] == "seconds":
        return allow_more_seconds(used)
    return epochs if _fit_in(2, history, used) else f"{epochs} and {allow_more_seconds(used)}"


def _long_enough(history: Mapping[str, Any], used: Used) -> str:
    """Return epochs of which something can be told; the time for them where a budget left room for so few."""
    n_epochs = max(10, 3 * len(history["records"]))
    if used.get("seconds") is None or _fit_in(n_epochs / max(1, len(history["records"])), history, used):
        return train_longer(used, n_epochs)
    return allow_more_seconds(used)


def _fit_in(times: float, history: Mapping[str, Any], used: Used) -> bool:
    """Return whether so many times the epochs fit the budget that there was."""
    return times * sum(float(record["seconds"]) for record in history["records"]) <= float(used["seconds"])


def _fits(history: Mapping[str, Any], *, is_told: bool) -> Finding:
    """Say that nothing was found; without `is_told` nothing is known of how much the pictures were learned."""
    kept = f"epoch {history['best_epoch'] + 1} of {len(history['records'])} is kept."
    if is_told:
        return Finding("fits", f"Neither overfitting nor underfitting by more than noise: {kept}", "")
    text = "No overfitting is seen in the losses, and from these curves no more can be told of the fit"
    return Finding("fits", f"{text}: {kept}", "")


@dataclass(frozen=True, slots=True)
class _Level:
    """How much of both sides an epoch answered right, 1 at best; None where it cannot be told.

    Of classes the accuracy; of numbers and labels the share that is gone of the loss of one answer to every picture.
    """

    seen: float | None
    judged: float | None
    chance: float | None
    one_answer: OneAnswer | None
    teacher: float | None

    @property
    def is_learned(self) -> bool:
        """Whether it answered well enough, on either side."""
        known = [one for one in (self.seen, self.judged) if one is not None]
        least = _HALF if self.one_answer else max(_LOW, (1 + (self.chance or 0.0)) / 2)
        return not known or max(known) >= least

    def gap(self, n_valid: int) -> str:
        """Return what to say of a gap between the sides that is no chance; "" where there is none."""
        seen, judged, n = self.seen, self.judged, max(n_valid, 1)
        if seen is None or judged is None:
            return ""
        if self.one_answer is not None:
            # Of squares of normal errors the deviation is sqrt(2) times their mean.
            worry = max(_GAP_OF_LOSS, 2 * (1 - judged) * math.sqrt(2 / n))
            sides = (
                f"of the loss of always answering {self.one_answer.name}, {percent(max(seen, 0.0), 0)} is gone on the training "
                f"pictures and {percent(max(judged, 0.0), 0)} on the validation pictures"
            )
        else:
            worry = max(_GAP, 2 * math.sqrt(max(judged * (1 - judged), 0.0) / n))
            sides = (
                f"{percent(seen)} of the training pictures are answered {self._right}, and {percent(judged)} of the validation "
                "pictures"
            )
            if self.teacher is not None:
                sides += f" are answered right, where the teacher is right on {percent(self.teacher)}"
        if seen * (1.0 if self.teacher is None else self.teacher) - judged <= worry:
            return ""
        return f"Overfitting: {sides}: what is learned holds for its own pictures more than for others."

    def underfit(self) -> str:
        """Return what to say where not even the training pictures are learned."""
        seen = self.seen or 0.0
        if self.one_answer is not None:
            sides = (
                f"even on the training pictures only {percent(max(seen, 0.0), 0)} of the loss of always answering "
                f"{self.one_answer.name} is gone"
            )
        else:
            sides = f"even of the training pictures only {percent(seen)} are answered {self._right}"
            if self.chance is not None and self.chance >= _LOW:
                sides += f", where {percent(self.chance)} would be by the commonest class alone"
        return (
            f"Underfitting: {sides}, and more epochs no longer helped: the network is too small for them, too little of it learns, "
            f"or the pictures do not show {'the classes' if self.one_answer is None else 'what is asked'}."
        )

    @property
    def _right(self) -> str:
        return "right" if self.teacher is None else "as the teacher answers them"


def _level(
    record: Mapping[str, Any], used: Used, *, chance: float | None, one_answer: OneAnswer | None
) -> _Level:
    """Return how much an epoch answered right; of mixed training pictures it cannot be told."""
    chance = None if used.get("balance") else chance
    seen, judged = record["train_accuracy"], record["valid_accuracy"]
    if one_answer is not None:
        loss = record["train_loss"]
        seen = None if loss is None else one_answer.gone_of_train(loss)
        judged = one_answer.gone_of_valid(record["valid_loss"])
    elif seen is None:
        judged = None  # of numbers, about which nothing else is known
    if used.get("mixup") or used.get("cutmix"):
        seen = None
    return _Level(seen, judged, chance, one_answer, used.get("teacher"))


def _rate(records: Sequence[Mapping[str, Any]], used: Used, factor: float) -> str:
    return change_rate(used, [record["lr"] for record in records], factor)


def _number(value: float | None) -> float:
    return math.inf if value is None else value  # JSON writes null for what is not finite


def _of(n: int, total: int) -> str:
    return f"{n} of {total}"
