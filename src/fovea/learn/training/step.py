"""One step of training: forward, losses, backward, a look at the gradients, and the weights moved."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from fovea.learn.training.batches import Batch
from fovea.learn.training.devices import Machine, seed_draws
from fovea.learn.training.losses import Criterion, Kind, right_answers
from fovea.learn.training.mixing import Mixed, mix
from fovea.learn.training.optimisers import Optimizers
from fovea.learn.training.processes import Processes
from fovea.learn.training.seeds import seed_of
from fovea.learn.training.settings import Training
from fovea.learn.training.vitals import gradient_norms

_PICTURES = 4  # dimensions of a batch of pictures


@dataclass(frozen=True, slots=True)
class Goal:
    """What is learned: the kind of target, and the loss of each picture."""

    kind: Kind
    criterion: Criterion


class Stepper:
    """Runs single steps; `sums` holds all processes' losses and right answers since it was last emptied, on the device."""

    def __init__(
        self,
        network: nn.Module,
        optimizers: Optimizers,
        *,
        settings: Training,
        machine: Machine,
        processes: Processes,
        goal: Goal,
    ) -> None:
        self.network, self.optimizers, self.goal = network, optimizers, goal
        self.settings, self.machine, self.processes = settings, machine, processes
        wrapped = processes.wrap(network, device=machine.device)
        self.model: Any = torch.compile(wrapped) if settings.looping.compile else wrapped
        weights: Sequence[Any] = [weight for group in optimizers.param_groups for weight in group["params"]]
        originals = {id(matrix): weight for weight, matrix in optimizers.views}
        self.weights: list[Tensor] = [originals.get(id(weight), weight) for weight in weights]
        self.drawing: list[Any] = [one for one in network.modules() if hasattr(one, "seed_draws")]
        self.scaler = torch.amp.GradScaler(machine.device, enabled=machine.precision == "f16")
        exact = torch.float32 if machine.device == "mps" else torch.float64
        self.sums = torch.zeros(2, dtype=exact, device=machine.device)
        self.norms: dict[str, float] = {}

    def step(self, batch: Batch, *, number: int, factor: float, look: bool) -> bool:
        """Learn from one batch at `factor` of the highest rates; return False, with no weight moved, on numbers that are none.

        `number` counts all steps and seeds what is drawn; with `look` the gradients' lengths are kept in `norms`. Of several
        processes all refuse together: each looks at what all have.
        """
        loss = self._forward(batch, number)
        told = _Told(loss if self.processes.n == 1 else self.sums[0])
        self.optimizers.zero_grad()
        cast("Any", self.scaler.scale(loss)).backward()
        self.optimizers.take_gradients(self.scaler)
        if look:
            self.norms = gradient_norms(self.network)
        if not (self._clip() and told.is_finite()):
            return False
        self.optimizers.set_rate(factor)
        self.optimizers.step(self.scaler)
        return True

    def _forward(self, batch: Batch, number: int) -> Tensor:
        """Return the loss of this process's share, such that the processes' mean is that of the whole batch."""
        regularisation, looping = self.settings.regularisation, self.settings.looping
        x, y = batch.x.to(self.machine.device), batch.y.to(self.machine.device)
        if x.ndim == _PICTURES:
            x = x.contiguous(memory_format=torch.channels_last)
        mixed = mix(
            x,
            mixup=regularisation.mixup or 0.0,
            cutmix=regularisation.cutmix or 0.0,
            seed=seed_of(looping.seed, "mix", number),
        )
        rows = self.processes.share(len(x))
        seed = seed_of(looping.seed, "step", number, self.processes.rank)
        seed_draws(seed, device=self.machine.device)
        for one in self.drawing:  # keras' networks, whose layers have generators of their own
            one.seed_draws(seed)
        with self.machine.autocast():
            outputs = self.model(mixed.x[rows])
        weight = None if batch.weight is None else batch.weight.to(outputs.device)
        n_shares = self.processes.n if len(x) >= self.processes.n else 1
        weighed = self._judge(outputs, y, weight, rows=rows, mixed=mixed).sum()
        if weight is None:
            return weighed * (n_shares / len(x))
        return weighed * n_shares / weight.sum()

    def _judge(
        self, outputs: Tensor, y: Tensor, weight: Tensor | None, *, rows: slice, mixed: Mixed
    ) -> Tensor:
        """Return the weighed losses of a share's (mixed) pictures, and count losses and right answers."""
        losses = self.goal.criterion(outputs, y[rows])
        weighed = losses if weight is None else losses * weight[rows]
        right = right_answers(outputs, y[rows], kind=self.goal.kind)
        if mixed.other is not None:
            other, share = mixed.other[rows], mixed.share
            others = self.goal.criterion(outputs, y[other])
            losses = torch.lerp(others, losses, share)
            weighed = torch.lerp(others if weight is None else others * weight[other], weighed, share)
            right = torch.lerp(right_answers(outputs, y[other], kind=self.goal.kind), right, share)
        n_takers = 1 if len(y) >= self.processes.n else self.processes.n  # of every row
        self.sums += self.processes.total(torch.stack([losses.detach().sum(), right.sum()]) / n_takers)
        return weighed

    def _clip(self) -> bool:
        """Shorten the gradients to the longest allowed; return whether their length is a number, where that is known at once.

        Several processes learn of each other's faults by it; a GPU is not waited for; f16 has infinite ones now and then.
        """
        clip, is_shared = self.settings.optimisation.clip, self.processes.n > 1
        if clip is None and not is_shared:
            return True
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if (
            (is_shared or norm.device.type == "cpu")
            and not self.scaler.is_enabled()
            and not math.isfinite(norm)
        ):
            return False
        if clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.weights, clip, norm)
        return True


def learning_mode(network: nn.Module, *, frozen_statistics: bool) -> None:
    """Put a network into the mode in which it learns; frozen batch norms keep their statistics."""
    network.train()
    for layer in network.modules() if frozen_statistics else ():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()


class _Told:
    """A loss on its way from the device: asked for after the backward pass was queued, so that a GPU never stands still."""

    def __init__(self, loss: Tensor) -> None:
        self._loss = loss.detach().to("cpu", non_blocking=True)
        self._event: Any = cast("Any", torch.cuda).Event() if loss.is_cuda else None
        if self._event is not None:
            self._event.record()

    def is_finite(self) -> bool:
        if self._event is not None:
            self._event.synchronize()
        return math.isfinite(self._loss)
