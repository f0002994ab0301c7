"""The loss of every picture, by kind of target: classes, values, several labels; and how right the answers are."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Kind: TypeAlias = Literal["class", "values", "labels"]
Criterion: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""criterion(outputs (n, k), y) -> losses (n,)."""


def usual_criterion(kind: Kind, *, smoothing: float = 0.0) -> Criterion:
    """Return cross-entropy ("class"), squared error ("values") or binary cross-entropy ("labels"), one loss a picture.

    y is int64 (n,) or float (n, k) that sums to 1 for "class", float (n,) or (n, k) for "values", float (n, k) in [0, 1]
    for "labels". Smoothing moves that share of each label to all classes alike.
    """

    def of_classes(outputs: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(outputs.float(), y, reduction="none", label_smoothing=smoothing)

    def of_values(outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.float() - y.reshape(outputs.shape)).square().flatten(1).mean(1)

    def of_labels(outputs: Tensor, y: Tensor) -> Tensor:
        soft = y * (1 - smoothing) + smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(outputs.float(), soft, reduction="none")
        return losses.mean(1)

    return {"class": of_classes, "values": of_values, "labels": of_labels}[kind]


@torch.no_grad()
def right_answers(outputs: Tensor, y: Tensor, *, kind: Kind) -> Tensor:
    """Return float (n,): 1 where the class is right, the share of right labels, or 0 for values (see R2)."""
    if kind == "class":
        return (outputs.argmax(1) == (y.argmax(1) if y.ndim > 1 else y)).float()
    if kind == "labels":
        return ((outputs > 0) == (y > 0.5)).float().mean(1)
    return torch.zeros(len(y), device=outputs.device)
