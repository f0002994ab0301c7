"""torch's own optimisers by their usual names, at usual rates; Muon for matrices with AdamW for the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fovea.errors import InputError
from fovea.learn.training.settings import Optimisation

USUAL_LR = {
    "sgd": 0.1,
    "momentum": 0.01,
    "nesterov": 0.01,
    "adagrad": 0.01,
    "adadelta": 1.0,
    "rmsprop": 1e-3,
    "adam": 1e-3,
    "adamw": 1e-3,
    "muon": 1e-3,
}
USUAL_DECAY = {"adamw": 0.01, "muon": 0.01}  # decoupled; the others' (L2) is 0 unless asked for
_FUSED = {"cpu": frozenset({"SGD", "Adagrad", "Adam", "AdamW"}), "cuda": frozenset({"SGD", "Adam", "AdamW"})}
_FILTERS = 4  # dimensions of a convolution's weights


@dataclass(frozen=True, slots=True)
class ParamGroup:
    """Weights that learn alike: at `lr_factor` times the learning rate, with weight decay or without."""

    params: Sequence[nn.Parameter]
    lr_factor: float = 1.0
    decay: bool = True
    name: str = ""


def usual_groups(network: nn.Module) -> tuple[ParamGroup, ...]:
    """Return two groups of all that learns: matrices and filters, which decay; biases, scales and shifts, which do not."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    groups = (
        ParamGroup([weight for weight in weights if weight.ndim > 1], name="weights"),
        ParamGroup([weight for weight in weights if weight.ndim <= 1], decay=False, name="vectors"),
    )
    return tuple(group for group in groups if group.params)


class Optimizers:
    """One optimiser of torch's, or two that share the weights; `views` pairs weights with the matrices that Muon takes for them."""

    def __init__(
        self,
        parts: Sequence[torch.optim.Optimizer],
        *,
        views: Sequence[tuple[nn.Parameter, nn.Parameter]] = (),
    ) -> None:
        self.parts, self.views = tuple(parts), tuple(views)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all parts."""
        return [group for part in self.parts for group in part.param_groups]

    def set_rate(self, factor: float) -> None:
        """Let every group learn at `factor` times its highest rate."""
        for group in self.param_groups:
            group["lr"] = group["base_lr"] * factor

    def end_epoch(self, valid_loss: float | None) -> None:
        """Be told that an epoch ended, and its validation loss, in every process: rates of ours follow from the step alone."""

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for part in self.parts:
            for weight in _weights(part):
                weight.grad = None
        for weight, _ in self.views:
            weight.grad = None

    def take_gradients(self, scaler: "torch.amp.GradScaler") -> None:
        """Make the gradients of a backward pass ready to be looked at: undo the scale that kept f16 from underflow."""
        for weight, matrix in self.views:
            matrix.grad = None if weight.grad is None else _as_matrix(weight.grad)
        for part in self.parts if scaler.is_enabled() else ():
            scaler.unscale_(part)

    def step(self, scaler: "torch.amp.GradScaler") -> None:
        """Move all weights once."""
        for part in self.parts:
            scaler.step(part)
        scaler.update()

    def state(self) -> dict[str, Tensor]:
        """Return what is remembered of each weight, as "part/weight/name"; numbers count in an order that is always the same."""
        return {
            f"{part}/{number}/{name}": held
            for part, optimizer in enumerate(self.parts)
            for number, weight in enumerate(_weights(optimizer))
            for name, held in optimizer.state[weight].items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave, in the weights' own memory order (fused kernels go by it)."""
        for part, optimizer in enumerate(self.parts):
            remembered: dict[int, dict[str, Tensor]] = {}
            for key, held in state.items():
                of_part, number, name = key.split("/")
                if int(of_part) == part:
                    like = _weights(optimizer)[int(number)]
                    laid = torch.empty_like(like).copy_(held) if held.shape == like.shape else held
                    remembered.setdefault(int(number), {})[name] = laid
            optimizer.load_state_dict({**optimizer.state_dict(), "state": remembered})


def make_optimizer(groups: Sequence[ParamGroup], *, settings: Optimisation) -> Optimizers:
    """Return the optimiser; each of its param groups keeps its highest rate as "base_lr" and its name as "name".

    Raises:
        InputError: nothing learns, or this torch has no Muon.
    """
    if not any(group.params for group in groups):
        raise InputError("No weight of this network may learn: unfreeze some of it, with --unfreeze 1 say.")
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
        return _muon_and_adamw(plain)
    momentum: dict[str, Any] = {"momentum": settings.momentum}
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "sgd": ("SGD", {}),
        "momentum": ("SGD", momentum),
        "nesterov": ("SGD", momentum | {"nesterov": True}),
        "adagrad": ("Adagrad", {}),
        "adadelta": ("Adadelta", {}),
        "rmsprop": ("RMSprop", momentum),
        "adam": ("Adam", {}),
        "adamw": ("AdamW", {}),
    }
    kind, named = kinds[name]
    return Optimizers([_build(kind, plain, **named)])


def _build(kind: str, groups: list[dict[str, Any]], **named: Any) -> torch.optim.Optimizer:
    """Build torch's optimiser, as one fused kernel where the device has it."""
    device = groups[0]["params"][0].device.type
    if kind in _FUSED.get(device, ()):
        named["fused"] = True
    optimizer: torch.optim.Optimizer = getattr(torch.optim, kind)(groups, **named)
    return optimizer


def _muon_and_adamw(groups: Sequence[dict[str, Any]]) -> Optimizers:
    """Muon for matrices and filters (outputs by all the rest); AdamW for vectors and the last matrix, the classifier.

    Muon's updates are brought to AdamW's size (Liu 2025, arXiv 2502.16982), so that one learning rate serves both.
    """
    if not hasattr(torch.optim, "Muon"):
        raise InputError(
            f"The optimizer 'muon' needs torch 2.9 or later, and this is torch {torch.__version__}: run "
            "pip install -U torch, or choose 'adamw'."
        )
    last = [id(weight) for group in groups for weight in group["params"] if weight.ndim > 1][-1:]
    views: list[tuple[nn.Parameter, nn.Parameter]] = []
    by_muon, by_adamw = [], []
    for group in groups:
        matrices = [weight for weight in group["params"] if weight.ndim > 1 and id(weight) not in last]
        rest = [weight for weight in group["params"] if weight.ndim <= 1 or id(weight) in last]
        pairs = [(weight, nn.Parameter(_as_matrix(weight.detach()))) for weight in matrices]
        views += pairs
        by_muon += [group | {"params": [matrix for _, matrix in pairs]}] if pairs else []
        by_adamw += [group | {"params": rest}] if rest else []
    parts = [_build("Muon", by_muon, adjust_lr_fn="match_rms_adamw")] if by_muon else []
    return Optimizers([*parts, _build("AdamW", by_adamw)] if by_adamw else parts, views=views)


def _as_matrix(weight: Tensor) -> Tensor:
    """Return a view (outputs, all the rest) of the weight's own memory, in whichever order that is."""
    if weight.ndim == _FILTERS and not weight.is_contiguous():
        return weight.permute(0, 2, 3, 1).view(len(weight), -1)
    return weight.view(len(weight), -1)


def _weights(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]
