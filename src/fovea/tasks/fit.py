"""A run of a module that the user built: trained on loaders, then judged, calibrated and saved as `train` does it."""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from fovea.errors import InputError
from fovea.learn.pixels import Pixels, read_pixels
from fovea.manifest import Manifest, Row
from fovea.progress import Progress, silent
from fovea.tasks.options import MethodOptions, SourceOptions, TrainingOptions, configure
from fovea.tasks.several import end_follower
from fovea.tasks.train import train as task
from fovea.tasks.train.again import read_again
from fovea.tasks.train.attempt import Attempt, Room, Sides
from fovea.tasks.train.method import Outcome, TrainingFacts
from fovea.tasks.train.since import Earlier

if TYPE_CHECKING:
    from torch import nn

    from fovea.learn.fitting import Fitted
    from fovea.learn.loading import Entry, Loaders

_N_COMPARED = 8
_WELL_READ = 0.25
"""Deviations: another kernel of resizing makes some hundredths."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A module, the pictures it learns from, and what trains it: train(progress=, checkpoint=)."""

    module: "nn.Module"
    loaders: "Loaders"
    train: Callable[..., "Fitted"]


def run_fit(fit: Fit, *, out: Path, seed: int, progress: Progress) -> "Fitted":
    """Train the module and write the run into `out`; return what was trained, with the run.

    Raises InputError, OutputError, BackboneError; see `fovea.fit`.
    """
    name = type(fit.module).__name__
    done: list[Fitted] = []

    def learn(manifest: Manifest, *, earlier: Earlier | None, room: Room) -> Outcome:
        begun = time.perf_counter()
        room.workspace.mkdir(parents=True, exist_ok=True)
        _require_well_read(fit, room=room)
        done.append(fit.train(progress=room.progress, checkpoint=room.workspace / "fit.checkpoint"))
        end_follower()
        attempt = _export(fit, done[0], name=name, begun=begun, room=room)
        exported = attempt.exported
        learned = read_again(
            fit.loaders.plan, exported.encoder, head=exported.head, seconds=attempt.seconds, room=room
        )
        text = f"{name} was trained by fovea.fit: no probe was fitted beside it."
        facts = TrainingFacts("fit", name, text, attempts=(attempt,))
        return Outcome(learned, attempt.exported.encoder, facts)

    how = MethodOptions(method="scratch", net=name)
    config = task.Config(
        fit.loaders.source,
        out,
        source=configure(SourceOptions, fit.loaders.read_as),
        training=TrainingOptions(how=how),
        seed=seed,
    )
    run = task.run(config, learn=learn, progress=progress)
    return dataclasses.replace(done[0], run=run)


def _require_well_read(fit: Fit, *, room: Room) -> None:
    """Raise InputError where a run would read pictures in another way than the user's transform does: it would answer badly."""
    from fovea.learn.fitting import misread

    apart = misread(fit.loaders, _read_valid(fit, room=room, most=_N_COMPARED)[1])
    if apart > _WELL_READ:
        raise InputError(
            f"fit cannot write a run: what the transform of 'val' makes of the first {_N_COMPARED} validation pictures is not what "
            f"its Resize, CenterCrop and Normalize say (it lies {apart:.2g} deviations away). Use fovea.torch.loaders without a "
            "transform, or leave out out=."
        )


def _read_valid(fit: Fit, *, room: Room, most: int | None = None) -> "tuple[list[Row], Pixels]":
    """Return the (first) validation pictures as the entry of the loaders reads them."""
    entry = fit.loaders.entry
    if entry is None:
        raise ValueError("expected loaders whose validation transform is known")
    manifest, preprocess = fit.loaders.manifest, entry.preprocess
    rows = [
        row for row in manifest.rows if row.split == "valid" and not row.problem and row.label is not None
    ][:most]
    pixels = read_pixels(
        [partial(manifest.read, row) for row in rows],
        height_px=preprocess.height_px,
        width_px=preprocess.width_px,
        fit=preprocess.fit,
        crop=preprocess.crop,
        folder=room.workspace,
        progress=silent if most else room.progress,
    )
    return rows, pixels


def _export(fit: Fit, fitted: "Fitted", *, name: str, begun: float, room: Room) -> Attempt:
    """Bring the module into the runtime's form, with its answers to the validation pictures as a model reads them."""
    from fovea.learn.fitting import describe
    from fovea.learn.trained import Pictures
    from fovea.model.export import export_trained

    rows, pixels = _read_valid(fit, room=room)
    entry = cast("Entry", fit.loaders.entry)
    trained = describe(fitted, entry, class_names=fit.loaders.class_names)
    exported = export_trained(
        trained,
        Path(tempfile.mkdtemp(prefix="network.", dir=room.workspace)),
        name=name,
        preprocess=entry.preprocess,
        examples=pixels,
    )
    logits = exported.head.logits(exported.encoder.encode(pixels))
    labels = np.array([fit.loaders.class_names.index(row.label or "") for row in rows], np.int64)
    sides = Sides(Pictures(pixels[:0], labels[:0]), Pictures(pixels, labels), pixels)
    return Attempt(name, trained, exported, sides, logits, time.perf_counter() - begun, is_module=True)
