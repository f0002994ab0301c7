"""torch's own optimisers by their usual names, with usual rates; Muon for matrices with AdamW for the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fovea.errors import InputError
from fovea.learn.training.settings import Optimisation

USUAL_LR = {
    "sgd": 0.1, "momentum": 0.01, "nesterov": 0.01, "adagrad": 0.01, "adadelta": 1.0, "rmsprop": 1e-3, "adam": 1e-3,
    "adamw": 1e-3, "muon": 2e-3,
}  # fmt: skip
USUAL_DECAY = {
    "adamw": 0.01,
    "muon": 0.01,
}  # decoupled; coupled decay (L2) of the others is 0 unless asked for
_FUSED = frozenset(
    {"sgd", "momentum", "nesterov", "adagrad", "adam", "adamw"}
)  # one kernel a step, on CPU too


@dataclass(frozen=True, slots=True)
class ParamGroup:
    """Weights that learn alike: at `lr_factor` times the learning rate, with weight decay or without."""

    params: Sequence[nn.Parameter]
    lr_factor: float = 1.0
    decay: bool = True
    name: str = ""


def usual_groups(network: nn.Module) -> tuple[ParamGroup, ...]:
    """Return two groups of all that learns: matrices and filters, which decay, and biases, scales and shifts, which do not."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    groups = (
        ParamGroup([weight for weight in weights if weight.ndim > 1], name="weights"),
        ParamGroup([weight for weight in weights if weight.ndim <= 1], decay=False, name="vectors"),
    )
    return tuple(group for group in groups if group.params)


def make_optimizer(
    groups: Sequence[ParamGroup], *, settings: Optimisation
) -> "torch.optim.Optimizer | MuonAndAdamW":
    """Return the optimiser; every param group of it keeps its highest rate as "base_lr" and its name as "name".

    Raises:
        InputError: nothing learns, or this torch has no Muon.
    """
    if not any(group.params for group in groups):
        raise InputError(
            "No weight of this network may learn: unfreeze some of it, for example with --unfreeze 1."
        )
    name = settings.optimizer
    lr = USUAL_LR[name] if settings.lr is None else settings.lr
    decay = USUAL_DECAY.get(name, 0.0) if settings.weight_decay is None else settings.weight_decay
    plain: list[dict[str, Any]] = [
        {
            "params": list(group.params),
            "lr": lr * group.lr_factor,
            "base_lr": lr * group.lr_factor,
            "weight_decay": decay if group.decay else 0.0,
            "name": group.name,
        }
        for group in groups
        if group.params
    ]
    if name == "muon":
        return MuonAndAdamW(plain)
    return _maker(settings)(plain)


def _maker(settings: Optimisation) -> Callable[[list[dict[str, Any]]], torch.optim.Optimizer]:
    name, momentum = settings.optimizer, settings.momentum
    makers: dict[str, tuple[Any, dict[str, Any]]] = {
        "sgd": (torch.optim.SGD, {}),
        "momentum": (torch.optim.SGD, {"momentum": momentum}),
        "nesterov": (torch.optim.SGD, {"momentum": momentum, "nesterov": True}),
        "adagrad": (torch.optim.Adagrad, {}),
        "adadelta": (torch.optim.Adadelta, {}),
        "rmsprop": (torch.optim.RMSprop, {"momentum": momentum}),
        "adam": (torch.optim.Adam, {}),
        "adamw": (torch.optim.AdamW, {}),
    }
    make, named = makers[name]
    if name in _FUSED:
        named = named | {"fused": True}

    def build(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = make(groups, **named)
        return optimizer

    return build


class MuonAndAdamW:
    """Muon for matrices and filters (as matrices of outputs by inputs), AdamW for vectors and for the last matrix, the classifier.

    Muon's updates are scaled to AdamW's size (Moonlight 2025), so that one learning rate serves both.
    """

    def __init__(self, groups: Sequence[dict[str, Any]]) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise InputError(
                f"The optimizer 'muon' needs torch 2.9 or later, and this is torch {torch.__version__}: run "
                "pip install -U torch, or choose 'adamw'."
            )
        matrices = [weight for group in groups for weight in group["params"] if weight.ndim > 1]
        last = matrices[-1:]
        self._views: list[tuple[nn.Parameter, nn.Parameter]] = []
        by_muon, by_adam = [], []
        for group in groups:
            is_muons = [
                weight.ndim > 1 and not any(weight is one for one in last) for weight in group["params"]
            ]
            matrix = [
                self._view(weight) for weight, yes in zip(group["params"], is_muons, strict=True) if yes
            ]
            rest = [weight for weight, yes in zip(group["params"], is_muons, strict=True) if not yes]
            by_muon += [group | {"params": matrix}] if matrix else []
            by_adam += [group | {"params": rest}] if rest else []
        self.parts: list[torch.optim.Optimizer] = []
        if by_muon:
            self.parts.append(torch.optim.Muon(by_muon, adjust_lr_fn="match_rms_adamw"))
        if by_adam:
            self.parts.append(torch.optim.AdamW(by_adam, fused=True))

    def _view(self, weight: nn.Parameter) -> nn.Parameter:
        matrix = nn.Parameter(_as_matrix(weight.detach()))
        self._views.append((weight, matrix))
        return matrix

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both parts."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self) -> None:
        """Move all weights once."""
        for weight, matrix in self._views:
            matrix.grad = None if weight.grad is None else _as_matrix(weight.grad)
        for part in self.parts:
            part.step()

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=set_to_none)
        for weight, _ in self._views:
            weight.grad = None


def _as_matrix(weight: Tensor) -> Tensor:
    """Return a view (outputs, all the rest) in the weight's own memory, whichever its memory order."""
    if weight.ndim == 4 and not weight.is_contiguous():
        return weight.permute(0, 2, 3, 1).view(len(weight), -1)
    return weight.view(len(weight), -1)
