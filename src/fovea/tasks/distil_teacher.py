"""Who teaches a student: a saved run, or a probe that is fitted here on the features of any network."""

from dataclasses import dataclass, replace
from pathlib import Path

from fovea.errors import InputError
from fovea.features import Encoder
from fovea.judge import fit_temperature
from fovea.learn import Head
from fovea.manifest import Manifest, SplitPlan, assign_splits, read_manifest
from fovea.model import Classifier, load_classifier, read_evidence
from fovea.tasks.backbones import open_encoder
from fovea.tasks.imagenet import is_place_of_run
from fovea.tasks.options import BackboneOptions
from fovea.tasks.sides import units_of
from fovea.tasks.train.attempt import Room
from fovea.tasks.train.learn import learn
from fovea.tasks.train.prepare import HELD_OUT
from fovea.wording import some


@dataclass(frozen=True, slots=True)
class Teacher:
    """A network and a calibrated head on its features; `seconds` are what fitting the head took here."""

    name: str
    encoder: Encoder
    head: Head
    temperature: float
    seconds: float = 0.0


def open_teacher(name: str | None, backbone: BackboneOptions) -> Classifier | Encoder:
    """Return the run that teaches, or the network on which a probe will be fitted.

    `name` is a run's folder, a network's name or the file of its weights; None where the options say it all. Raises
    InputError, MissingInputError, ModelError, BackboneError.
    """
    if name is None and backbone.weights is None and backbone.backbone is None:
        raise InputError(
            "A student needs a teacher: a run's folder, the name of a network such as mobilenetv2, or --weights FILE."
        )
    if name is not None and is_place_of_run(name):
        if backbone.weights is not None:
            raise InputError(
                f"The run in {name!r} has weights of its own: leave out --weights, or name a network instead of the run."
            )
        return load_classifier(name, threads=backbone.threads, needed_by="fovea distil")
    if name is not None and Path(name).is_file():
        backbone = replace(backbone, weights=Path(name))
    elif name is not None:
        backbone = replace(backbone, backbone=name)
    return open_encoder(backbone)


def make_teacher(
    opened: Classifier | Encoder, manifest: Manifest, *, name: str | None, room: Room
) -> tuple[Teacher, SplitPlan]:
    """Return the teacher of these pictures, and their sides; `name` is that of a run. Raises InputError."""
    teacher, plan = (
        _trained(opened, manifest, name=name or "", room=room)
        if isinstance(opened, Classifier)
        else _fitted(opened, manifest, room=room)
    )
    if plan.protocol == "cross-validated":
        raise InputError(
            f"{len(manifest.rows):,} pictures are too few to distil with: none could be held out to judge the student by. Bring "
            "more labelled pictures; those without a label come with --unlabelled."
        )
    return teacher, plan


def _trained(model: Classifier, manifest: Manifest, *, name: str, room: Room) -> tuple[Teacher, SplitPlan]:
    """Return a run as the teacher; what it held out is held out again, so that it is judged fairly too."""
    names, config = manifest.class_names, room.config
    if set(names) != set(model.class_names):
        raise InputError(
            f"The teacher tells {some(model.class_names)}, and the pictures in {str(config.photos)!r} show {some(names)}: a "
            "student learns the same classes as its teacher. Give pictures of these, or bring them together with --merge "
            "OLD=CLASS."
        )
    has_sides = read_evidence(model.folder, "manifest.csv", document=model.document) is not None
    plan = assign_splits(
        manifest,
        units=units_of(manifest),
        seed=config.seed,
        valid_share=config.valid_share or HELD_OUT,
        since=read_manifest(model.folder / "manifest.csv") if has_sides else None,
    )
    return Teacher(f"the teacher {name}", model.encoder, model.head, model.temperature), plan


def _fitted(encoder: Encoder, manifest: Manifest, *, room: Room) -> tuple[Teacher, SplitPlan]:
    """Return a probe on a network, fitted on the labelled pictures as `fovea train` fits it."""
    learned = learn(
        room.config, manifest, encoder=encoder, store=room.store, earlier=None, progress=room.progress
    )
    temperature = fit_temperature(learned.fit.oof_logits, learned.train_labels)
    name = f"the teacher, a probe on {encoder.name}"
    return Teacher(name, encoder, learned.fit.head, temperature, learned.fit.seconds), learned.plan
