"""`curve`: labelled pictures in; accuracy by pictures learned from, what twice as many would bring, and the seconds, out.

From scratch beside it on request (extra torch): what starting from a network that was trained before saves.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import InputError
from fovea.progress import Progress, silent
from fovea.tasks.options import BackboneOptions, SourceOptions, configure
from fovea.tasks.written import require_free, write_whole

if TYPE_CHECKING:
    from fovea.manifest import SplitPlan
    from fovea.tasks.curve_scratch import ScratchPoint
    from fovea.tasks.learning import LabelledFeatures, MeasuredLearning
    from fovea.tasks.stored import Stored


@dataclass(frozen=True, slots=True)
class Config:
    """Which labelled pictures, where the page goes, and a network to train from scratch beside the probe (None: none)."""

    photos: Path
    html: Path | None = None
    scratch: str | None = None
    epochs: int | None = None
    source: SourceOptions = field(default_factory=SourceOptions)
    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The measured curve, its points from scratch, and sentences: what twice the labels bring, what transfer learning saves."""

    measured: "MeasuredLearning"
    net: str | None = None
    scratch: "tuple[ScratchPoint, ...]" = ()
    saved: tuple[str, ...] = ()
    html: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """Return what twice as many labels would bring, and whether that pays."""
        from fovea.tasks.learning import sentence

        return sentence(self.measured)

    def to_json(self) -> dict[str, Any]:
        """Return what `fovea curve --json` prints."""
        return {
            **self.measured.to_json(),
            "net": self.net,
            "scratch": [one.to_json() for one in self.scratch],
            "advice": self.advice,
            "saved": list(self.saved),
            "html": self.html,
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        from html import escape

        points = zip(self.measured.learning.sizes, self.measured.learning.accuracies, strict=True)
        rows = "".join(f"<tr><td>{n:,}</td><td>{accuracy:.1%}</td></tr>" for n, accuracy in points)
        return f"<p>{escape(self.advice)}</p><table>{rows}</table>"


def curve(photos: str | Path, *, progress: Progress = silent, **settings: Any) -> Result:
    """Measure how accuracy grows with labelled pictures.

    Args:
        photos: labelled pictures as `train` takes them; splits that are given are kept.
        progress: is told how far each stage is.
        settings: any field of `Config` or of its groups by name, such as `html`, `scratch`, `backbone`.

    Raises:
        InputError: the pictures cannot be learned from, or are too few for a curve.
        MissingExtraError: `scratch` without torch.
        OutputError: the page is there already, or cannot be written.
    """
    return run(configure(Config, {"photos": photos, **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Measure as `config` says; see `curve`."""
    from fovea.features import open_store
    from fovea.tasks.learning import measure_learning
    from fovea.tasks.stored import open_network, read_stored
    from fovea.tasks.train_read import read_labelled

    require_free(config.html, option="--html")
    if config.scratch is not None:
        from fovea.tasks.train_method import require_torch

        require_torch("scratch")
    elif config.epochs is not None:
        raise InputError(
            "--epochs says how long --scratch trains: give --scratch too, for example --scratch lenet5."
        )
    manifest = read_labelled(config.photos, config.source)
    encoder, notes = open_network(config.backbone, progress=progress)
    with open_store() as store:
        threads = config.backbone.threads
        stored = read_stored(manifest, encoder=encoder, store=store, threads=threads, progress=progress)
    plan, labelled = _sides(stored, seed=config.seed)
    measured = measure_learning(
        labelled, stages=encoder.stages, seed=config.seed, threads=threads, progress=progress
    )
    if measured is None:
        from fovea.tasks.learning import LEAST_PICTURES

        raise InputError(
            f"A curve takes {LEAST_PICTURES} pictures or more to learn from, of two classes with two different pictures each; "
            f"{str(config.photos)!r} has {len(labelled.names):,}. Label more: `fovea next` says which."
        )
    scratch, saved = _beside(config, stored, plan=plan, measured=measured, progress=progress)
    result = Result(
        measured=measured,
        net=config.scratch,
        scratch=scratch,
        saved=saved,
        html=None if config.html is None else str(config.html),
        notes=(*notes, *stored.notes, *plan.notes),
    )
    if config.html is not None:
        write_whole(config.html, _page(config, result), option="--html")
    return result


def _sides(stored: "Stored", *, seed: int) -> "tuple[SplitPlan, LabelledFeatures]":
    """Return the sides that `train` would make, and the pictures of train and valid by them."""
    import numpy as np

    from fovea.manifest import assign_splits, equal_groups, join_units
    from fovea.tasks.learning import LabelledFeatures

    rows = stored.manifest.rows
    units = join_units(
        len(rows),
        equal_groups(["" if row.problem else row.sha256 for row in rows]),
        equal_groups([row.group for row in rows]),
    )
    plan = assign_splits(stored.manifest, units=units, seed=seed)
    sides = [plan.manifest.rows[int(k)].split for k in stored.rows]
    inside = np.flatnonzero([side in ("train", "valid") for side in sides])
    at = stored.rows[inside]
    return plan, LabelledFeatures(
        features=stored.features if len(inside) == len(sides) else stored.features[inside],
        names=tuple(rows[int(k)].label or "" for k in at),
        units=units[at],
        held_out=np.array([sides[k] == "valid" for k in inside], bool),
    )


def _beside(
    config: Config, stored: "Stored", *, plan: "SplitPlan", measured: "MeasuredLearning", progress: Progress
) -> "tuple[tuple[ScratchPoint, ...], tuple[str, ...]]":
    """Return what a network reaches from scratch, where one was named, and what is saved in sentences."""
    if config.scratch is None:
        return (), ()
    from fovea.tasks.curve_scratch import learn_from_scratch, savings

    points = learn_from_scratch(config, plan, measured=measured, progress=progress)
    return points, savings(points, measured, net=config.scratch, features_seconds=stored.seconds)


def _page(config: Config, result: Result) -> bytes:
    from fovea.pages import CurvePage, GrowthPoint, render_curve
    from fovea.tasks.learning import learning_page

    points = tuple(GrowthPoint(one.n, one.accuracy, one.interval, one.seconds) for one in result.scratch)
    page = CurvePage(
        title=config.html.stem if config.html else "curve",
        advice=result.advice,
        curve=learning_page(result.measured, scratch=points, net=result.net or ""),
        saved=result.saved,
        source=str(config.photos),
        notes=result.notes,
    )
    return render_curve(page).encode(errors="surrogateescape")
