"""Several classifiers of the same classes as one: their networks side by side, their heads stacked into a mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fovea.errors import InputError
from fovea.features import Encoder, join_encoders
from fovea.learn import Head


@dataclass(frozen=True, slots=True)
class Member:
    """A classifier among those averaged: how it is called, its network, its head, and what its logits are divided by."""

    name: str
    encoder: Encoder
    head: Head
    temperature: float


def average_members(
    members: Sequence[Member], folder: Path, *, name: str, threads: int | None = None
) -> tuple[Encoder, Head]:
    """Write the members' networks as one into `folder`; return it, and the head that gives their mean.

    Its logits are the means of the members' calibrated ones (each divided by its temperature), in the class order of the
    first. Up to a number of each picture's own, which no softmax sees, these are the means of their log-probabilities.
    Raises InputError where they name different classes or take different pictures, BackboneError.
    """
    require_same_classes(members)
    encoder = join_encoders([one.encoder for one in members], folder, name=name, threads=threads)
    return encoder, stack_heads(members)


def require_same_classes(members: Sequence[Member]) -> None:
    """Raise InputError where members name different classes."""
    first = members[0]
    for one in members[1:]:
        mine, its = set(first.head.class_names), set(one.head.class_names)
        if mine != its:
            more = sorted(its - mine) or sorted(mine - its)
            owner, other = (one, first) if its - mine else (first, one)
            raise InputError(
                f"{owner.name!r} tells the class {more[0]!r}, which {other.name!r} does not know: only classifiers of the same "
                "classes can be averaged. Train them on the same classes (--drop, --merge), or leave one out."
            )


def stack_heads(members: Sequence[Member]) -> Head:
    """Return the head over the members' columns side by side whose logits are the means of theirs over temperature."""
    names = members[0].head.class_names
    weights, bias = [], np.zeros(len(names), np.float32)
    for one in members:
        order = [one.head.class_names.index(name) for name in names]
        share = 1 / (one.temperature * len(members))
        weights.append(one.head.weights[order] * np.float32(share))
        bias += one.head.bias[order] * np.float32(share)
    return Head(
        np.concatenate(weights, axis=1),
        bias,
        np.concatenate([one.head.mean for one in members]),
        np.concatenate([one.head.scale for one in members]),
        names,
        0.0,
    )
