"""`curve`: labelled pictures in; accuracy by pictures learned from, what twice as many would bring, and the seconds, out.

From scratch beside it on request (extra torch): what starting from a network that was trained before saves.
"""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import InputError
from fovea.progress import Progress, silent
from fovea.tasks.options import BackboneOptions, SourceOptions, configure
from fovea.tasks.written import require_free, write_whole
from fovea.wording import count, percent

if TYPE_CHECKING:
    from fovea.features import Store
    from fovea.manifest import Manifest, SplitPlan
    from fovea.tasks.curve_scratch import ScratchPoint
    from fovea.tasks.learning import LabelledFeatures, MeasuredLearning
    from fovea.tasks.stored import Stored


@dataclass(frozen=True, slots=True)
class Config:
    """Which labelled pictures, where the page goes, and a network to train from scratch beside the probe (None: none).

    With `private` the page names no absolute path.
    """

    photos: Path
    html: Path | None = None
    scratch: str | None = None
    epochs: int | None = None
    private: bool = False
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
    quarantined: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
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
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        from html import escape

        points = zip(self.measured.learning.sizes, self.measured.learning.accuracies, strict=True)
        rows = "".join(f"<tr><td>{n:,}</td><td>{percent(accuracy)}</td></tr>" for n, accuracy in points)
        return f"<p>{escape(self.advice)}</p><table>{rows}</table>"


def curve(photos: str | Path, *, progress: Progress = silent, **settings: Any) -> Result:
    """Measure how accuracy grows with labelled pictures.

    Args:
        photos: labelled pictures as `train` takes them; splits that are given are kept.
        progress: is told how far each stage is.
        settings: any field of `Config` or of its groups by name, such as `html`, `scratch`, `backbone`.

    Raises:
        InputError: the pictures cannot be learned from, are too few for a curve, or are those that the network was trained on.
        MissingExtraError: `scratch` without torch.
        OutputError: the page is there already, or cannot be written.
    """
    return run(configure(Config, {"photos": photos, **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Measure as `config` says; see `curve`."""
    from fovea.features import open_store
    from fovea.tasks.gather import add_hashes
    from fovea.tasks.learning import measure_learning
    from fovea.tasks.stored import open_network, read_stored
    from fovea.tasks.train.read import read_labelled

    begun = time.perf_counter()
    require_free(config.html, option="--html")
    if config.scratch is not None:
        from fovea.tasks.train.method import require_torch

        require_torch("scratch")
    elif config.epochs is not None:
        raise InputError(
            "--epochs says how long --scratch trains: give --scratch too, for example --scratch lenet5."
        )
    manifest = read_labelled(config.photos, config.source)
    unnamed = _require_named(manifest) if config.scratch is not None else ()
    encoder, notes = open_network(config.backbone, progress=progress)
    with open_store() as store:
        threads = config.backbone.threads
        manifest = add_hashes(manifest, store, threads=threads, progress=progress)
        _require_untaught(config, manifest)
        stored = read_stored(manifest, encoder=encoder, store=store, threads=threads, progress=progress)
        plan, labelled = _sides(stored, store=store, seed=config.seed, threads=threads)
    measured = measure_learning(
        labelled, stages=encoder.stages, seed=config.seed, threads=threads, progress=progress
    )
    if measured is None:
        from fovea.tasks.learning import LEAST_PICTURES

        raise InputError(
            f"A curve takes {LEAST_PICTURES} pictures or more to learn from, of two classes with two different pictures each, "
            f"and more than two a class; {str(config.photos)!r} has {len(labelled.names):,} in "
            f"{count(len(set(labelled.names)), 'class', 'classes')}. Label more: `fovea next` says which."
        )
    scratch, saved = _beside(config, stored, plan=plan, measured=measured, progress=progress)
    result = Result(
        measured=measured,
        net=config.scratch,
        scratch=scratch,
        saved=saved,
        html=None if config.html is None else str(config.html),
        quarantined=tuple((row.path, row.problem) for row in stored.manifest.rows if row.problem),
        seconds=time.perf_counter() - begun,
        notes=(*notes, *stored.notes, *plan.notes, *unnamed),
    )
    if config.html is not None:
        write_whole(config.html, _page(config, result), option="--html")
    return result


def _require_named(manifest: "Manifest") -> tuple[str, ...]:
    """Raise InputError where the pictures are no files, as --scratch takes them; say of how many it cannot name the file."""
    from fovea.tasks.curve_scratch import is_nameable, require_files

    require_files(manifest)
    n = sum(not is_nameable(manifest, row) for row in manifest.rows if not row.problem)
    names = count(n, "picture whose name", "pictures whose names")
    return (f"{names} cannot be written in UTF-8 took no part from scratch.",) if n else ()


def _require_untaught(config: Config, manifest: "Manifest") -> None:
    """Raise InputError where the network was trained on these pictures: with fewer of their labels it would know them all."""
    from fovea.tasks.backbones import with_default
    from fovea.tasks.train.taught import taught_by

    network = with_default(config.backbone)[0].backbone
    taught = taught_by(network)
    rows = [row for row in manifest.rows if not row.problem]
    n_taught = sum(row.sha256 in taught for row in rows)
    if n_taught:
        raise InputError(
            f"The network of the run {network!r} was trained on {n_taught:,} of the {len(rows):,} pictures itself, so its "
            "curve would be flat and say nothing. Take a network that was not: --backbone mobilenetv2, for example."
        )


def _sides(
    stored: "Stored", *, store: "Store", seed: int, threads: int | None
) -> "tuple[SplitPlan, LabelledFeatures]":
    """Return the sides that `train` would make, and the pictures of train and valid by them."""
    import numpy as np

    from fovea.manifest import assign_splits
    from fovea.tasks.learning import LabelledFeatures
    from fovea.tasks.stored import units_of_stored

    rows = stored.manifest.rows
    units = units_of_stored(stored, store=store, threads=threads)
    plan = assign_splits(stored.manifest, units=units, seed=seed)
    in_train = np.isin(units, units[[row.split == "train" for row in plan.manifest.rows]])
    plan = replace(  # what stands among those to learn from too judges nothing
        plan,
        manifest=plan.manifest.with_rows(
            replace(row, split="") if row.split == "valid" and is_known else row
            for row, is_known in zip(plan.manifest.rows, in_train.tolist(), strict=True)
        ),
    )
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
        private=config.private,
    )
    return render_curve(page).encode(errors="surrogateescape")
