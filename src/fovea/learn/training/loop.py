"""The training loop: a network, batches and settings in; the best weights in the network and the history out.

Every draw is seeded by its place (seed, epoch, step), so a resumed run needs no generator's state.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from fovea.learn.training.averaging import Averages, averaged_tensors
from fovea.learn.training.batches import Batch, Batches
from fovea.learn.training.devices import Machine, choose_machine, own_threads
from fovea.learn.training.history import EpochRecord, History, Score
from fovea.learn.training.losses import Criterion, Kind, right_answers, usual_criterion
from fovea.learn.training.mixing import Mixed, mix
from fovea.learn.training.optimisers import ParamGroup, make_optimizer, usual_groups
from fovea.learn.training.schedules import schedule_factor
from fovea.learn.training.seeds import seed_of
from fovea.learn.training.settings import USUAL_EPOCHS, Training, check_settings
from fovea.learn.training.vitals import dead_shares, find_non_finite, gradient_norms
from fovea.progress import Progress, silent

_PROBE_PICTURES = 64  # on which units are found dead: each must have spoken for one of them


def train_network(
    network: nn.Module,
    batches: Batches,
    *,
    settings: Training,
    kind: Kind = "class",
    criterion: Criterion | None = None,
    evaluate: Callable[[nn.Module], Score] | None = None,
    groups: Sequence[ParamGroup] | None = None,
    frozen_statistics: bool = False,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> History:
    """Train a network in place and leave the best weights in it.

    Args:
        network: takes a batch's x and answers (n, k); it is moved to the device and stays there.
        batches: the training pictures.
        settings: checked here; None in it means the usual value.
        kind: what the targets are: "class", "values" or "labels".
        criterion: the loss of each picture, in place of the kind's own.
        evaluate: scores the network on validation pictures (it is given in evaluation mode, averaged where there is EMA).
        groups: what learns and at which rate; all that has a gradient by default.
        frozen_statistics: batch-norm layers keep their statistics.
        checkpoint: a file from which an interrupted training goes on, and which is left there at the end.
        progress: told ("training", steps done, of).
        on_epoch: told every epoch's record.

    Raises:
        InputError: settings that cannot be used, a network of which nothing learns.
        BackboneError: this computer has no such device.
    """
    check_settings(settings)
    looping = settings.looping
    machine = choose_machine(device=looping.device, precision=looping.precision)
    cast("Any", network.to(machine.device)).to(memory_format=torch.channels_last)
    criterion = criterion or usual_criterion(kind, smoothing=settings.regularisation.smoothing or 0.0)
    groups = usual_groups(network) if groups is None else groups
    run = _Run(
        network, batches, settings=settings, machine=machine, criterion=criterion, kind=kind, groups=groups
    )
    run.evaluate, run.frozen_statistics, run.progress, run.on_epoch = (
        evaluate,
        frozen_statistics,
        progress,
        on_epoch,
    )
    cuda = list(range(torch.cuda.device_count())) if machine.device == "cuda" else []
    with own_threads(machine.device), torch.random.fork_rng(cuda):
        return run.train()


class _Run:
    """One training under way."""

    def __init__(
        self,
        network: nn.Module,
        batches: Batches,
        *,
        settings: Training,
        machine: Machine,
        criterion: Criterion,
        kind: Kind,
        groups: Sequence[ParamGroup],
    ) -> None:
        self.network, self.batches, self.settings, self.machine = network, batches, settings, machine
        self.criterion, self.kind = criterion, kind
        self.model: Any = torch.compile(network) if settings.looping.compile else network
        self.optimizer = make_optimizer(groups, settings=settings.optimisation)
        self.weights = [weight for group in groups for weight in group.params]
        self.n_epochs = settings.looping.epochs or USUAL_EPOCHS
        decay = settings.regularisation.ema
        self.averages = Averages(network, decay=decay) if decay else None
        self.evaluate: Callable[[nn.Module], Score] | None = None
        self.frozen_statistics = False
        self.progress: Progress = silent
        self.on_epoch: Callable[[EpochRecord], None] | None = None
        self.records: list[EpochRecord] = []
        self.best = self._copy()
        self.best_loss, self.best_epoch = math.inf, -1
        self.step, self.stopped, self.n_seen = 0, "", 0
        self.notes: list[str] = []
        self.sums = torch.zeros(
            3, dtype=torch.float64 if machine.device != "mps" else torch.float32, device=machine.device
        )
        self.started, self.evaluation_seconds = time.perf_counter(), 0.0
        self.probe: Tensor | None = None

    def train(self) -> History:
        while self.step < self.n_epochs * self.batches.n_batches and not self.stopped:
            self._epoch(self.step // self.batches.n_batches)
        for name, tensor in self._moving().items():
            tensor.detach().copy_(self.best[name])
        self.network.eval()
        return History(
            tuple(self.records), self.best_epoch, self.stopped, tuple(self.notes), self.step, self.n_seen
        )

    def _epoch(self, epoch: int) -> None:
        self._set_mode()
        started, first, norms = time.perf_counter(), self.step, {}
        n_batches = self.batches.n_batches
        for batch in self.batches.epoch(epoch, start=self.step % n_batches):
            loss = self._backward(batch, epoch)
            if not math.isfinite(loss):
                return self._stop_non_finite(batch, epoch)
            if (self.step + 1) % n_batches == 0:
                norms = gradient_norms(self.network)
            self._move()
            self.n_seen += len(batch.x)
            self.progress("training", self.step, self.n_epochs * n_batches)
            if self._is_late():
                self.stopped = "seconds"
                break
        self._close(epoch, seconds=time.perf_counter() - started, steps=self.step - first, norms=norms)
        return None

    def _set_mode(self) -> None:
        self.network.train()
        if self.frozen_statistics:
            for layer in self.network.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()

    def _backward(self, batch: Batch, epoch: int) -> float:
        """Compute the gradients of one batch and return its loss."""
        regularisation, seed = self.settings.regularisation, self.settings.looping.seed
        place = seed_of(seed, "step", self.step)
        torch.manual_seed(place)
        x = batch.x.to(self.machine.device)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        y = batch.y.to(self.machine.device)
        if self.probe is None:
            self.probe = x[:_PROBE_PICTURES].detach().clone()
        mixed = mix(x, mixup=regularisation.mixup or 0.0, cutmix=regularisation.cutmix or 0.0, seed=place)
        with self.machine.autocast():
            outputs = self.model(mixed.x)
        losses = self._of_pair(
            self.criterion(outputs, y), mixed, lambda other: self.criterion(outputs, y[other])
        )
        if batch.weight is None:
            loss = losses.mean()
        else:
            weight = batch.weight.to(losses.device)
            loss = (losses * weight).sum() / weight.sum()
        self.optimizer.zero_grad(set_to_none=True)
        cast("Any", loss).backward()
        with torch.no_grad():
            right = right_answers(outputs, y, kind=self.kind)
            right = self._of_pair(
                right, mixed, lambda other: right_answers(outputs, y[other], kind=self.kind)
            )
            self.sums += torch.stack(
                [losses.detach().sum(), right.sum(), torch.tensor(float(len(x)), device=right.device)]
            )
        return float(loss.detach())

    def _of_pair(self, own: Tensor, mixed: Mixed, of_other: Callable[[Tensor], Tensor]) -> Tensor:
        return own if mixed.other is None else torch.lerp(of_other(mixed.other), own, mixed.share)

    def _move(self) -> None:
        clip = self.settings.optimisation.clip
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(self.weights, clip)
        n_batches = self.batches.n_batches
        factor = schedule_factor(
            self.step,
            n_steps=self.n_epochs * n_batches,
            steps_per_epoch=n_batches,
            settings=self.settings.optimisation,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        self.optimizer.step()
        if self.averages is not None:
            self.averages.update()
        self.step += 1

    def _is_late(self) -> bool:
        seconds = self.settings.looping.seconds
        return seconds is not None and time.perf_counter() - self.started + self.evaluation_seconds > seconds

    def _close(self, epoch: int, *, seconds: float, steps: int, norms: dict[str, float]) -> None:
        """End an epoch: evaluate, keep the best, record."""
        loss, right, n = self.sums.tolist()
        self.sums.zero_()
        self.network.eval()
        if self.averages is None:
            score, dead = self._score()
        else:
            with self.averages.in_place():
                score, dead = self._score()
        valid_loss = score.loss if score else -float(epoch)
        if valid_loss < self.best_loss:
            self.best_loss, self.best_epoch = valid_loss, epoch
            self.best = self._copy()
        record = EpochRecord(
            epoch=epoch,
            steps=steps,
            seconds=seconds,
            lr=max(group["lr"] for group in self.optimizer.param_groups),
            train_loss=loss / n if n else None,
            train_accuracy=right / n if n and self.kind != "values" else None,
            valid_loss=score.loss if score else None,
            valid_accuracy=score.accuracy if score else None,
            gradient_norms=norms,
            dead_share=dead,
            images_per_second=n / seconds if seconds else 0.0,
        )
        self.records.append(record)
        if self.on_epoch is not None:
            self.on_epoch(record)
        patience = self.settings.looping.patience
        if patience is not None and epoch - self.best_epoch >= patience:
            self.stopped = self.stopped or "patience"

    def _score(self) -> tuple[Score | None, dict[str, float]]:
        started = time.perf_counter()
        with torch.no_grad():
            dead = dead_shares(self.network, self.probe) if self.probe is not None else {}
            score = self.evaluate(self.network) if self.evaluate is not None else None
        self.evaluation_seconds = time.perf_counter() - started
        return score, dead

    def _stop_non_finite(self, batch: Batch, epoch: int) -> None:
        layer = find_non_finite(self.network, batch.x.to(self.machine.device))
        self.stopped = "non-finite"
        self.notes.append(
            f"The loss was no longer a number in epoch {epoch + 1}, step {self.step % self.batches.n_batches + 1}, layer {layer!r}."
        )

    def _moving(self) -> dict[str, Tensor]:
        """Return what training changes: weights that learn and all buffers."""
        return averaged_tensors(self.network) | dict(self.network.named_buffers())

    def _copy(self) -> dict[str, Tensor]:
        held = {name: tensor.detach().clone() for name, tensor in self._moving().items()}
        return held | (
            {name: tensor.clone() for name, tensor in self.averages.tensors.items()} if self.averages else {}
        )
