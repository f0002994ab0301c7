"""What went wrong in a training, from its curves: numbers in, findings in words out, each with the options to try next.

Overfitting, underfitting, stopped too soon, or none of these; dead units; gradients that explode or vanish; a learning rate too
high or too low.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ROSE = 1.05  # times its lowest: a validation loss above this went up again
_GAP = 0.05  # in accuracy: less between training and validation is no worry
_LOW = 0.85  # training accuracy below which a network has not even learned its pictures
_STILL_FALLING = 0.97  # of the loss a fifth of the epochs earlier: below this, more epochs will help
_LONG_FALLING = 0.9  # the same of the loss at half of the epochs, for schedules whose end is flat
_DEAD = 0.4  # of a layer's units; of random ones behind a ReLU hardly any is dead on 64 pictures
_BLOCKED = 0.95  # of a layer's units dead: it lets nothing through
_EXPLODES, _VANISHES = 1e3, 1e-4  # a gradient's length; the first layer's share of the longest
_JUMP = 1.1  # times the epoch before: a training loss above this rises
_FEW = 3  # epochs: fewer make no curve
_FLAT = 0.02  # of its first value: a training loss that fell by less has not begun to learn
_STEP, _FAR = 3.0, 10.0  # by which a rate is changed
_HIGHEST = 1.0  # usual rate of any optimiser (Adadelta's)


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is one of the names in this file's `diagnose`; `text` says what was seen; `try_next` are options of `fovea train`."""

    kind: str
    text: str
    try_next: str


def diagnose(
    history: Mapping[str, Any],
    *,
    n_valid: int,
    chance: float | None = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[Finding, ...]:
    """Say what went wrong, the gravest first; a training in which nothing did gets the one finding "fits".

    Kinds: "non-finite", "rate too high", "rate too low", "exploding gradients", "vanishing gradients", "dead units",
    "overfitting", "underfitting", "stopped too soon", "fits", "too short" (fewer than three epochs tell nothing).

    Args:
        history: `History.to_json()` of a training.
        n_valid: pictures of the validation part, by which a difference may be chance.
        chance: the accuracy of always answering the commonest class, in [0, 1]; None where it is not known.
        settings: what was used, by its usual name: lr, augment, dropout (None: the network has none), mixup, cutmix, seconds
            where there was a budget, and net where it was from scratch; has_activation: whether --activation is for it.
    """
    used = settings or {}
    records: Sequence[Mapping[str, Any]] = history["records"]
    if history["stopped"] == "non-finite":
        seen = " ".join(history["notes"]) or "The loss was no longer a number."
        return (Finding("non-finite", seen, f"{_rate(records, used, 1 / _FAR)} --clip 1"),)
    if len(records) < _FEW:
        text = f"{len(records)} of at least {_FEW} epochs: too few to say from the curves how it went."
        return (Finding("too short", text, f"--epochs {max(10, 3 * len(records))}"),)
    units, gradients = _of_units(records, used), _of_gradients(records, used)
    rate = _of_rate(records, used, chance=chance)
    if _blocks(records):
        return tuple(
            units
        )  # what lies below such a layer gets no gradient and learns nothing: that follows from it
    if gradients:
        return (*gradients, *units)
    found = [*rate, *units] if rate else [*units, *_of_fit(history, used, n_valid=n_valid)]
    return tuple(found) or (_fits(history),)


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
        return [Finding("exploding gradients", text, f"{_rate(records, used, 1 / _STEP)} --clip 1")]
    last = told[-1]
    first_name, first = next(iter(last.items()))
    longest_name, longest = largest[-1]
    if len(last) > 1 and _number(first) < _VANISHES * _number(longest):
        text = (
            f"Gradients vanish on their way down: in the first layer, {first_name!r}, they have a length of "
            f"{_number(first):.1g}, in {longest_name!r} of {_number(longest):.1g}. The first layers hardly learn."
        )
        relu = "--activation relu " if used.get("has_activation", True) else ""
        another = f"{relu}--init he, or a network with shortcuts: --net resnet20"
        return [
            Finding("vanishing gradients", text, another if used.get("net") else _rate(records, used, _STEP))
        ]
    return []


def _of_units(records: Sequence[Mapping[str, Any]], used: Mapping[str, Any]) -> list[Finding]:
    last = _last_dead(records)
    dead = sorted(((share, name) for name, share in last.items() if share >= _DEAD), reverse=True)
    if not dead:
        return []
    share, name = dead[0]
    others = ", ".join(repr(other) for _, other in dead[1:4])
    more = f"; so are many in {others}" if others else ""
    text = f"{share:.0%} of the units of the layer {name!r} are dead: they answer 0 to every picture and cannot learn again{more}."
    activation = " --activation leaky" if used.get("net") and used.get("has_activation", True) else ""
    factor = 1 / _FAR if _blocks(records) else 1 / _STEP
    return [Finding("dead units", text, _rate(records, used, factor) + activation)]


def _last_dead(records: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
    told: list[Mapping[str, float]] = [record["dead_share"] for record in records if record["dead_share"]]
    return told[-1] if told else {}


def _blocks(records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether hardly anything passes through some layer."""
    return any(share >= _BLOCKED for share in _last_dead(records).values())


def _of_fit(history: Mapping[str, Any], used: Mapping[str, Any], *, n_valid: int) -> list[Finding]:
    """Judge both curves: each loss against itself, since smoothing and mixing make them different losses."""
    records = [record for record in history["records"] if record["valid_loss"] is not None]
    if len(records) < _FEW:
        return []
    best = min(range(len(records)), key=lambda i: float(records[i]["valid_loss"]))
    lowest, last = records[best]["valid_loss"], records[-1]["valid_loss"]
    before, after = records[best]["train_loss"], records[-1]["train_loss"]
    if last > _ROSE * lowest and None not in (before, after) and after < before:
        text = (
            f"Overfitting: after epoch {records[best]['epoch'] + 1} the loss on the training pictures went on falling, from "
            f"{before:.3g} to {after:.3g}, while that on the validation pictures rose from {lowest:.3g} to {last:.3g}: from there "
            "on the network learned its pictures by heart. The weights kept are those of that epoch."
        )
        return [Finding("overfitting", text, _against_heart(used, epochs=records[best]["epoch"] + 1))]
    gap = _gap(records[best], used, n_valid=n_valid)
    if gap:
        return [Finding("overfitting", gap, _against_heart(used))]
    is_learned = (records[best]["train_accuracy"] or 1.0) >= _LOW
    back = records[-1 - max(1, len(records) // 5 if is_learned else (len(records) + 1) // 2)]["valid_loss"]
    if best == len(records) - 1 and last < (_STILL_FALLING if is_learned else _LONG_FALLING) * back:
        text = (
            f"Stopped too soon: the loss on the validation pictures was still falling at the end, from {back:.3g} to "
            f"{last:.3g} over the last epochs."
        )
        return [Finding("stopped too soon", text, _longer(history, used))]
    return _underfit(records[best], used)


def _longer(history: Mapping[str, Any], used: Mapping[str, Any]) -> str:
    """Return options for twice as many epochs, within a budget that holds them."""
    epochs = f"--epochs {2 * len(history['records'])}"
    if used.get("seconds") is None:
        return epochs
    if history["stopped"] == "seconds":
        return "a larger --budget"
    fits = 2 * sum(record["seconds"] for record in history["records"]) <= used["seconds"]
    return epochs if fits else f"{epochs} and a larger --budget"


def _gap(record: Mapping[str, Any], used: Mapping[str, Any], *, n_valid: int) -> str:
    """Return what to say of a gap between the accuracies that is no chance; "" for none or where mixing hides it."""
    seen, judged = record["train_accuracy"], record["valid_accuracy"]
    if seen is None or judged is None or used.get("mixup") or used.get("cutmix"):
        return ""
    noise = 2 * math.sqrt(max(judged * (1 - judged), 0.0) / max(n_valid, 1))
    if seen - judged <= max(_GAP, noise):
        return ""
    return (
        f"Overfitting: {seen:.1%} of the training pictures are answered right, and {judged:.1%} of the validation pictures: "
        "what is learned holds for its own pictures more than for others."
    )


def _underfit(record: Mapping[str, Any], used: Mapping[str, Any]) -> list[Finding]:
    seen = record["train_accuracy"]
    if seen is None or seen >= _LOW or used.get("mixup") or used.get("cutmix"):
        return []
    text = (
        f"Underfitting: even of the training pictures only {seen:.1%} are answered right, and more epochs no longer helped: the "
        "network is too small for them, too little of it learns, or the pictures do not show the classes."
    )
    larger = (
        "a larger network (--net)" if used.get("net") else "--unfreeze all, or a larger network (--backbone)"
    )
    return [Finding("underfitting", text, larger)]


def _against_heart(used: Mapping[str, Any], *, epochs: int | None = None) -> str:
    """Return options against learning by heart: sooner, more augmentation or more dropout than there was."""
    steps = [f"--epochs {epochs}"] if epochs else []
    if used.get("augment") != "strong":
        steps.append("--augment strong")
    dropout = used.get("dropout", 0.0)
    if dropout is not None and dropout < 0.5:
        steps.append(f"--dropout {min(0.5, dropout + 0.2):.1f}")
    return " ".join(steps or ["--mixup 0.2 --weight-decay 0.05"]) + ", or more pictures"


def _fits(history: Mapping[str, Any]) -> Finding:
    kept = history["best_epoch"] + 1
    text = f"Neither overfitting nor underfitting by more than noise: epoch {kept} of {len(history['records'])} is kept."
    return Finding("fits", text, "")


def _rate(records: Sequence[Mapping[str, Any]], used: Mapping[str, Any], factor: float) -> str:
    """Return --lr changed by a factor: of the rate used, else of the highest one that was told; far off, one that is found."""
    lr = used.get("lr") or max((record["lr"] for record in records), default=0.0)
    if lr * factor > _HIGHEST:
        return "--lr find"
    return f"--lr {float(f'{lr * factor:.1g}'):g}" if lr else "a lower --lr"


def _number(value: float | None) -> float:
    return math.inf if value is None else value  # JSON writes null for what is not finite


def _of(n: int, total: int) -> str:
    return f"{n} of {total}"
