"""The optimisers of the fast recipe: Muon with normalised filters (Jordan 2024), Nesterov's momentum for all the rest.

A filter bank as a matrix keeps its Frobenius norm, and moves by nearly the nearest orthogonal matrix to its gradient.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fovea.learn.training.optimisers import Optimizers

FILTERS_LR = 0.24  # the paper's code
# Of vectors and of the classifier: for each picture of a batch whose losses are added up, at the filters' rate above.
_SHIFTS_LR, _CLASSIFIER_LR, _DECAY = 0.053, 0.67, 2e-6
_REST_MOMENTUM = 0.85
_QUINTIC = (3.4445, -4.7750, 2.0315)  # brings all singular values near 1 within a few steps
_STEPS = 3


class NormalisedMuon(torch.optim.Optimizer):
    """Muon for weights of convolutions, float32 (n_out, n_in, h, w), which are scaled to a Frobenius norm of sqrt(n_out)."""

    def __init__(self, groups: list[dict[str, Any]], *, momentum: float) -> None:
        super().__init__(groups, {"momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move all weights once; no closure is called."""
        for group in self.param_groups:
            for weight in (one for one in group["params"] if one.grad is not None):
                total = self.state[weight].setdefault("sum", torch.zeros_like(weight))
                total.mul_(group["momentum"]).add_(weight.grad)
                towards = weight.grad.add(total, alpha=group["momentum"])
                weight.mul_(len(weight) ** 0.5 / weight.norm())
                matrix = orthogonal(towards.reshape(len(weight), -1))
                weight.add_(matrix.reshape(weight.shape), alpha=-group["lr"])


def fast_optimizers(network: nn.Module, *, lr: float, momentum: float, batch_size: int) -> Optimizers:
    """Return the optimisers of the fast recipe, `lr` being the filters' rate; the others' follow from it."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    filters = {
        "params": [one for one in weights if one.ndim == 4],
        "weight_decay": 0.0,
        **_named("filters", lr),
    }
    scale = batch_size * lr / FILTERS_LR  # losses are averaged over a batch here
    rest = [
        {
            "params": [one for one in weights if one.ndim == ndim],
            "weight_decay": _DECAY / rate,
            **_named(name, scale * rate),
        }
        for name, ndim, rate in (("shifts", 1, _SHIFTS_LR), ("classifier", 2, _CLASSIFIER_LR))
    ]
    sgd = torch.optim.SGD(rest, momentum=_REST_MOMENTUM, nesterov=True)
    return Optimizers([NormalisedMuon([filters], momentum=momentum), sgd])


def _named(name: str, lr: float) -> dict[str, Any]:
    return {"name": name, "lr": lr, "base_lr": lr}


def orthogonal(matrix: Tensor) -> Tensor:
    """Return nearly the nearest semi-orthogonal matrix to one of float32 (m, n), by Newton-Schulz steps."""
    a, b, c = _QUINTIC
    is_tall = len(matrix) > matrix.shape[1]
    x: Tensor = (matrix.T if is_tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if is_tall else x).float()
