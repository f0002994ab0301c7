"""A run of a module that the user built: trained on loaders, then judged, calibrated and saved as `train` does it."""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fovea.errors import InputError
from fovea.learn.pixels import Pixels, piece_of, read_pixels
from fovea.manifest import Manifest
from fovea.progress import Progress, silent
from fovea.tasks.options import MethodOptions, SourceOptions, TrainingOptions, configure
from fovea.tasks.several import end_follower
from fovea.tasks.train import train as task
from fovea.tasks.train.again import read_again
from fovea.tasks.train.attempt import Attempt, Room, Sides
from fovea.tasks.train.goal import Numbers, aim_at_classes
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

    goal = aim_at_classes(fit.loaders.manifest)
    first = goal.rows_valid[goal.known][:_N_COMPARED]
    apart = misread(fit.loaders, _read(fit, first, room=room, progress=silent))
    if apart > _WELL_READ:
        raise InputError(
            f"fit cannot write a run: what the transform of 'val' makes of the first {_N_COMPARED} validation pictures is not what "
            f"its Resize, CenterCrop and Normalize say (it lies {apart:.2g} deviations away). Use fovea.torch.loaders without a "
            "transform, or leave out out=."
        )


def _read(fit: Fit, rows: Numbers, *, room: Room, progress: Progress) -> Pixels:
    """Return the pictures of these rows of the manifest as the entry of the loaders reads them."""
    entry = fit.loaders.entry
    if entry is None:
        raise ValueError("expected loaders whose validation transform is known")
    manifest, preprocess = fit.loaders.manifest, entry.preprocess
    return read_pixels(
        [partial(manifest.read, manifest.rows[k]) for k in rows.tolist()],
        height_px=preprocess.height_px,
        width_px=preprocess.width_px,
        fit=preprocess.fit,
        crop=preprocess.crop,
        folder=room.workspace,
        progress=progress,
    )


def _export(fit: Fit, fitted: "Fitted", *, name: str, begun: float, room: Room) -> Attempt:
    """Bring the module into the runtime's form, with its answers to the validation pictures as a model reads them.

    Pictures of a class that is not learned are answered too, and not judged. The module goes back to its device.
    """
    from fovea.learn.fitting import describe
    from fovea.learn.trained import Pictures
    from fovea.model.export import export_trained

    goal, entry = aim_at_classes(fit.loaders.manifest), cast("Entry", fit.loaders.entry)
    pixels, known = _read(fit, goal.rows_valid, room=room, progress=room.progress), goal.known
    device = next(fit.module.parameters()).device
    try:
        trained = describe(fitted, entry, class_names=goal.names)
        exported = export_trained(
            trained,
            Path(tempfile.mkdtemp(prefix="network.", dir=room.workspace)),
            name=name,
            preprocess=entry.preprocess,
            examples=pixels,
            precision="f32" if fitted.settings.looping.precision == "f32" else "auto",
        )
    finally:
        fit.module.to(device)
    logits = exported.head.logits(exported.encoder.encode(pixels))
    judged = Pictures(piece_of(pixels, known), goal.valid_labels[known])
    sides = Sides(Pictures(pixels[:0], goal.valid_labels[:0]), judged, pixels)
    return Attempt(name, trained, exported, sides, logits, time.perf_counter() - begun, is_module=True)
