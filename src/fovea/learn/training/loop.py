"""The training loop: a network, batches and settings in; the best weights in the network and the history out.

Every draw is seeded by its place (seed, step), so that a resumed run needs no generator's state and ends the same.
"""

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from fovea.learn.training.batches import Batch, Batches
from fovea.learn.training.devices import choose_machine, computing, gpu_bytes, gpu_share
from fovea.learn.training.history import EpochRecord, History, Score
from fovea.learn.training.losses import Criterion, Kind, usual_criterion
from fovea.learn.training.memory import forecast_memory, free_bytes, require_memory
from fovea.learn.training.optimisers import Optimizers, ParamGroup, make_optimizer, usual_groups
from fovea.learn.training.processes import join_processes
from fovea.learn.training.schedules import due_step, schedule_factor
from fovea.learn.training.settings import USUAL_EPOCHS, Training, check_settings
from fovea.learn.training.state import Keeper, Place, State, is_as_good
from fovea.learn.training.step import Goal, Stepper, learning_mode
from fovea.learn.training.told import describe_running
from fovea.learn.training.vitals import dead_shares, find_non_finite
from fovea.progress import Progress, silent

_PROBE_PICTURES = 64  # a unit that speaks for none of them is dead
_FIRST_EVALUATION = 0.1  # of the seconds allowed: what the first one is taken to need
_STEPS_TOGETHER = 10  # several processes compare clocks every so many steps
_LIVE_SECONDS = 1.0  # so often what is known of an epoch that runs is told: a GPU is waited for


def train_network(
    network: nn.Module,
    batches: Batches,
    *,
    settings: Training,
    kind: Kind = "class",
    criterion: Criterion | None = None,
    evaluate: Callable[[nn.Module], Score] | None = None,
    groups: Sequence[ParamGroup] | Optimizers | None = None,
    frozen_statistics: bool = False,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> History:
    """Train a network in place and leave the best weights in it.

    Under torchrun or accelerate every process takes its share of each batch; the first one evaluates, tells and writes.
    Batch-norm statistics that are not frozen are then those of the first one's share.

    Args:
        network: takes a batch's x and answers (n, k); it is moved to the device and stays there.
        batches: the training pictures.
        settings: None in it means the usual value.
        kind: what the targets are: "class", "values" or "labels".
        criterion: the loss of each picture, in place of the kind's own.
        evaluate: scores the network on validation pictures; it is called in evaluation mode, without gradients, in the
            training's precision. The last epoch that is as good as the best one is kept; without it the last epoch is.
        groups: what learns and at which rate, by default all that has a gradient; or the optimisers themselves.
        frozen_statistics: batch-norm layers keep their statistics.
        checkpoint: a file from which an interrupted training goes on; it stays, so that a finished one is not repeated.
        progress: told ("training", steps done, of), behind a colon once a second what is known of the epoch that runs.
        on_epoch: told every epoch's record.

    Raises:
        InputError: settings that cannot be used, a network of which nothing learns, a batch that memory cannot hold, a
            checkpoint of other settings.
        ModelError: a checkpoint that cannot be read.
        BackboneError: this computer has no such device.
    """
    check_settings(settings)
    machine = choose_machine(device=settings.looping.device, precision=settings.looping.precision)
    processes = join_processes(machine.device)
    cast("Any", network.to(machine.device)).to(memory_format=torch.channels_last)
    groups = usual_groups(network) if groups is None else groups
    made = groups if isinstance(groups, Optimizers) else None
    optimizers = made or make_optimizer(cast("Any", groups), settings=settings.optimisation)
    goal = Goal(kind, criterion or usual_criterion(kind, smoothing=settings.regularisation.smoothing or 0.0))
    watch = _Watch(
        evaluate, frozen_statistics, checkpoint, progress if processes.is_first else silent, on_epoch
    )
    with computing(machine.device):
        stepper = Stepper(
            network, optimizers, settings=settings, machine=machine, processes=processes, goal=goal
        )
        return _Run(stepper, batches, watch=watch).train()


@dataclass(frozen=True, slots=True)
class _Watch:
    """What the caller wants done beside training."""

    evaluate: Callable[[nn.Module], Score] | None
    frozen_statistics: bool
    checkpoint: Path | None
    progress: Progress
    on_epoch: Callable[[EpochRecord], None] | None


class _Run:
    """One training under way."""

    def __init__(self, stepper: Stepper, batches: Batches, *, watch: _Watch) -> None:
        self.stepper, self.batches, self.watch = stepper, batches, watch
        self.network, self.settings = stepper.network, stepper.settings
        self.machine, self.processes = stepper.machine, stepper.processes
        self.n_batches = batches.n_batches
        self.n_steps = (self.settings.looping.epochs or USUAL_EPOCHS) * batches.n_batches
        self.state = State(stepper)
        self.keeper = Keeper(self.state, watch.checkpoint, about=self._about())
        self.evaluation_seconds = _FIRST_EVALUATION * (self.settings.looping.seconds or 0.0)
        self.due = 0  # the step whose rate is due by the clock
        self.probe: Tensor | None = None
        self.known, self.told_at = "", 0.0

    def train(self) -> History:
        """Run all epochs that are left and put the best weights in place."""
        self.keeper.resume()
        place = self.state.place
        if not place.is_finished:
            clock = time.perf_counter()
            self._look_ahead()
            place.seconds += time.perf_counter() - clock
        self.watch.progress("training", place.step, self.n_steps)
        while place.step < self.n_steps and not place.stopped:
            if self._epoch(place):
                self._close(place, epoch=(place.step - 1) // self.n_batches)
        if not place.is_finished:
            place.is_finished = True
            self.keeper.write()
        self.state.put_best()
        self.network.eval()
        return place.history()

    def _look_ahead(self) -> None:
        """Take the pictures on which units are looked at, and refuse a batch that memory cannot hold."""
        x = next(iter(self.batches.epoch(0))).x
        self.probe = x[:_PROBE_PICTURES].to(self.machine.device)
        need = forecast_memory(self.network, self.probe, settings=self.settings)
        n_own = len(x) // self.processes.n or 1
        free = self.processes.least(free_bytes(self.machine.device))
        require_memory(need, batch_size=n_own, free=free)

    def _epoch(self, place: Place) -> bool:
        """Run what is left of an epoch; return whether its numbers stayed finite."""
        learning_mode(self.network, frozen_statistics=self.watch.frozen_statistics)
        epoch, clock = place.step // self.n_batches, time.perf_counter()
        for batch in self.batches.epoch(epoch, start=place.step % self.n_batches):
            if not self._step(batch, place):
                self._stop_non_finite(batch, place)
                return False
            now = time.perf_counter()
            place.epoch_seconds += now - clock
            place.seconds += now - clock
            clock = now
            self._tell(place, epoch=epoch)
            if place.step < self.n_steps and self._is_late(place):
                place.stopped = "seconds"
                break
            if place.step % self.n_batches:
                self.keeper.write_in_time()
        return True

    def _tell(self, place: Place, *, epoch: int) -> None:
        """Tell how far the training is, and what is known of the epoch."""
        now = time.perf_counter()
        if now - self.told_at >= _LIVE_SECONDS and self.watch.progress is not silent:
            totals = self.stepper.sums.tolist()
            record = self._record(place, epoch=epoch, totals=totals, score=None, dead={})
            n_epochs = self.settings.looping.epochs or USUAL_EPOCHS
            told = describe_running(record, n_epochs=n_epochs, kind=self.stepper.goal.kind)
            self.known, self.told_at = f": {told}", now
        self.watch.progress(f"training{self.known}", place.step, self.n_steps)

    def _step(self, batch: Batch, place: Place) -> bool:
        factor = schedule_factor(
            max(place.step, self.due),
            n_steps=self.n_steps,
            steps_per_epoch=self.n_batches,
            settings=self.settings.optimisation,
        )
        ends = (place.step + 1) % self.n_batches == 0
        if not self.stepper.step(batch, number=place.step, factor=factor, look=ends):
            return False
        if self.state.averages is not None:
            self.state.averages.update()
        place.step += 1
        place.epoch_steps += 1
        place.n_seen += len(batch.x)
        place.epoch_pictures += len(batch.x)
        return True

    def _is_late(self, place: Place) -> bool:
        allowed = self.settings.looping.seconds
        if allowed is None or (self.processes.n > 1 and place.step % _STEPS_TOGETHER):
            return False
        spent, reserve, allowed = self.processes.agree(place.seconds, self.evaluation_seconds, allowed)
        self.due = due_step(spent, allowed - reserve, n_steps=self.n_steps)
        return spent + reserve > allowed

    def _close(self, place: Place, *, epoch: int) -> None:
        """End an epoch: evaluate, keep the best, record, and look whether it is time to stop."""
        clock = time.perf_counter()
        totals = self.stepper.sums.tolist()
        self.stepper.sums.zero_()
        averages = self.state.averages
        with contextlib.nullcontext() if averages is None else averages.in_place():
            score, dead = self._score()
            if score is None or is_as_good(score, place.lowest):
                place.best_epoch = epoch
                self.state.keep_as_best()
            if score is not None and math.isfinite(score.penalty):
                place.lowest = min(score.penalty, math.inf if place.lowest is None else place.lowest)
        record = self._record(place, epoch=epoch, totals=totals, score=score, dead=dead)
        place.records.append(record)
        self.stepper.optimizers.end_epoch(record.valid_loss)
        place.epoch_steps, place.epoch_pictures, place.epoch_seconds = 0, 0, 0.0
        patience = self.settings.looping.patience
        if patience is not None and epoch - place.best_epoch >= patience:
            place.stopped = place.stopped or "patience"
        if self.watch.on_epoch is not None and self.processes.is_first:
            self.watch.on_epoch(record)
        self.evaluation_seconds = time.perf_counter() - clock
        self.keeper.write_in_time()
        place.seconds += time.perf_counter() - clock

    def _record(
        self, place: Place, *, epoch: int, totals: list[float], score: Score | None, dead: dict[str, float]
    ) -> EpochRecord:
        loss, right = (total / place.epoch_pictures for total in totals)
        return EpochRecord(
            epoch=epoch,
            steps=place.epoch_steps,
            seconds=place.epoch_seconds,
            lr=max(group["lr"] for group in self.stepper.optimizers.param_groups),
            train_loss=loss,
            train_accuracy=None if self.stepper.goal.kind == "values" else right,
            valid_loss=None if score is None else score.loss,
            valid_accuracy=None if score is None else score.accuracy,
            gradient_norms=self.stepper.norms if place.step % self.n_batches == 0 else {},
            dead_share=dead,
            images_per_second=place.epoch_pictures / max(place.epoch_seconds, 1e-9),
            gpu_bytes=gpu_bytes(self.machine.device),
            gpu_share=gpu_share(self.machine.device),
            is_kept=place.best_epoch == epoch,
        )

    def _score(self) -> tuple[Score | None, dict[str, float]]:
        """Evaluate in the first process and tell the others; look for dead units."""
        self.network.eval()
        score: Score | None = None
        dead: dict[str, float] = {}
        if self.processes.is_first:
            with torch.no_grad(), self.machine.autocast():
                dead = {} if self.probe is None else dead_shares(self.network, self.probe)
                score = None if self.watch.evaluate is None else self.watch.evaluate(self.network)
        if self.watch.evaluate is None:
            return None, dead
        told = (0.0, 0.0, 0, math.nan, 0.0)
        if score is not None:
            brier = math.nan if score.brier is None else score.brier
            told = (score.loss, score.accuracy, score.n, brier, score.error)
        loss, accuracy, n, brier, error = self.processes.agree(*told)
        return Score(loss, accuracy, int(n), None if math.isnan(brier) else brier, error), dead

    def _stop_non_finite(self, batch: Batch, place: Place) -> None:
        with self.machine.autocast():
            source = find_non_finite(self.network, batch.x.to(self.machine.device))
        kept = f"those of epoch {place.best_epoch + 1}" if place.best_epoch >= 0 else "those of the beginning"
        helps = ["a lower learning rate"]
        if self.settings.optimisation.clip is None:
            helps.append("a limit on the length of gradients (clip)")
        if self.machine.precision != "f32":
            helps.append("computing in f32")
        place.stopped = "non-finite"
        place.notes.append(
            f"Training stopped in epoch {place.step // self.n_batches + 1}, step {place.step % self.n_batches + 1}: "
            f"{source} gave numbers that are none (not finite). The weights are {kept}. What may help: "
            f"{', '.join(helps)}."
        )

    def _about(self) -> dict[str, Any]:
        """Return what a checkpoint must agree in; the time allowed and the machine may change."""
        settings = asdict(self.settings)
        for name in ("seconds", "device", "compile"):
            del settings["looping"][name]
        settings["looping"]["precision"] = self.machine.precision
        shapes = repr([(name, tuple(tensor.shape)) for name, tensor in self.state.moving.items()])
        groups = [
            (group["name"], group["base_lr"], group["weight_decay"], len(group["params"]))
            for group in self.stepper.optimizers.param_groups
        ]
        return {
            **settings,
            "pictures": self.batches.fingerprint,
            "network": hashlib.sha256(shapes.encode()).hexdigest(),
            "groups": groups,
            "kind": self.stepper.goal.kind,
            "frozen_statistics": self.watch.frozen_statistics,
        }
