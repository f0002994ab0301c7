"""All that a step changes: weights and statistics, their averages, the best so far, the optimiser's memory, the place.

`Keeper` writes it to the checkpoint in good time and brings it back.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fovea.learn.training.averaging import Averages, averaged_tensors
from fovea.learn.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from fovea.learn.training.history import EpochRecord, History, Score
from fovea.learn.training.step import Stepper

CHECKPOINT_SECONDS = 30.0  # the most work that a kill costs, but where writing takes long
_WRITING_SHARE = 0.05  # of the time at most
_PAIRED = (
    0.3  # of its own standard error is that of an epoch's difference to one before: 0.1 to 0.5 (lab/LOG.md)
)
_NOISE = 2.0  # such errors


@dataclass(slots=True)
class Place:
    """Where a training stands, in plain values; "epoch_" counts since the last epoch ended."""

    step: int = 0
    n_seen: int = 0
    seconds: float = 0.0
    epoch_steps: int = 0
    epoch_pictures: int = 0
    epoch_seconds: float = 0.0
    lowest: float | None = None
    best_epoch: int = -1
    stopped: str = ""
    is_finished: bool = False
    records: list[EpochRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    scaler: dict[str, Any] = field(default_factory=dict)

    def history(self) -> History:
        """Return what the caller gets."""
        return History(
            tuple(self.records), self.best_epoch, self.stopped, tuple(self.notes), self.step, self.n_seen
        )


class State:
    """A training's tensors by name, live, and its place."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper, self.place = stepper, Place()
        decay = stepper.settings.regularisation.ema
        self.averages = Averages(stepper.network, decay=decay) if decay else None
        self.moving = averaged_tensors(stepper.network) | dict(stepper.network.named_buffers())
        self.best = {name: tensor.detach().clone() for name, tensor in self.moving.items()}

    def keep_as_best(self) -> None:
        """Remember what the network holds now."""
        _copy(self.moving, into=self.best)

    def put_best(self) -> None:
        """Let the network hold the best again."""
        _copy(self.best, into=self.moving)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything by the name it has in a checkpoint."""
        tensors = {f"now/{name}": tensor for name, tensor in self.moving.items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        if self.averages is not None:
            tensors |= {f"average/{name}": tensor for name, tensor in self.averages.tensors.items()}
        tensors |= {f"optimizer/{name}": held for name, held in self.stepper.optimizers.state().items()}
        return tensors | {"sums": self.stepper.sums}

    def load(self, checkpoint: Checkpoint) -> None:
        """Take over what a checkpoint holds."""
        held = checkpoint.tensors
        _copy(_under("now/", held), into=self.moving)
        _copy(_under("best/", held), into=self.best)
        if self.averages is not None:
            _copy(_under("average/", held), into=self.averages.tensors)
        self.stepper.optimizers.load(_under("optimizer/", held))
        self.stepper.sums.copy_(held["sums"])
        place = dict(checkpoint.place)
        records = [EpochRecord(**record) for record in place.pop("records")]
        self.place = Place(**place, records=records)
        if self.averages is not None:
            self.averages.n_updates = self.place.step
        self.stepper.scaler.load_state_dict(self.place.scaler)


class Keeper:
    """Writes a training's state to a file, never oftener than is worth it; without a path it does nothing."""

    def __init__(self, state: State, path: Path | None, *, about: Mapping[str, Any]) -> None:
        self.state, self.path, self.about = state, path, about
        self.written_at, self.writing_seconds = time.perf_counter(), 0.0

    def resume(self) -> None:
        """Go on from the file if there is one. Raises InputError or ModelError (see `read_checkpoint`)."""
        found = None if self.path is None else read_checkpoint(self.path, about=self.about)
        if found is not None:
            self.state.load(found)

    def write_in_time(self) -> None:
        """Write if the last time was long enough ago."""
        pause = max(CHECKPOINT_SECONDS, self.writing_seconds / _WRITING_SHARE)
        if time.perf_counter() - self.written_at >= pause:
            self.write()

    def write(self) -> None:
        """Write now, in the first process; a disk that is full is noted once and costs nothing else."""
        if self.path is None or not self.state.stepper.processes.is_first:
            return
        clock, place = time.perf_counter(), self.state.place
        place.scaler = self.state.stepper.scaler.state_dict()
        told = {item.name: getattr(place, item.name) for item in fields(place)}
        told["records"] = [asdict(record) for record in place.records]
        failure = write_checkpoint(self.path, Checkpoint(self.state.tensors(), self.about, told))
        self.written_at = time.perf_counter()
        self.writing_seconds = self.written_at - clock
        note = f"The checkpoint {str(self.path)!r} could not be written"
        if failure and not any(one.startswith(note) for one in place.notes):
            place.notes.append(
                f"{note} ({failure}); training went on, and would begin anew if it were interrupted."
            )


def is_as_good(score: Score, lowest: float | None) -> bool:
    """Return whether no earlier epoch was better by more than noise: then the later one, learned at a lower rate, is trusted.

    Noise is two standard errors of the difference between the answers of two epochs to the same pictures.
    """
    if not math.isfinite(score.penalty):
        return False
    return lowest is None or score.penalty <= lowest + _NOISE * _PAIRED * score.error


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): held for name, held in tensors.items() if name.startswith(prefix)}


@torch.no_grad()
def _copy(held: Mapping[str, Tensor], *, into: Mapping[str, Tensor]) -> None:
    """Copy tensor by tensor; the live ones keep device and memory order."""
    for name, tensor in into.items():
        tensor.copy_(held[name])
