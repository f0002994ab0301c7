"""`train --target`: a number, or several labels, of each picture; what the two share. Each says the rest by a `Told`.

The way is that of classes: features once, units and sides, a head by cross-validation on the training part, the verdict,
the model folder, written whole or not at all.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import Encoder, open_store
from fovea.judge import NoveltyScore, fit_novelty
from fovea.learn import Head
from fovea.manifest import (
    TARGETS,
    Manifest,
    Strata,
    fingerprint,
    formula_notes,
    read_source,
)
from fovea.model import DataFacts, ModelParts, Thresholds, write_model
from fovea.progress import Progress, unheard
from fovea.tasks.backbones import open_encoder, with_default
from fovea.tasks.gather import add_hashes
from fovea.tasks.options import check_choice
from fovea.tasks.train.attempt import Room
from fovea.tasks.train.goal import Goal
from fovea.tasks.train.prepare import Prepared
from fovea.tasks.train.target_files import TargetEvidence, Told, target_files
from fovea.tasks.train.target_method import TargetOutcome, learn_from_scratch, learn_probe, train_on
from fovea.tasks.train.taught import taught_file
from fovea.tasks.train.testing import gather_test
from fovea.tasks.train.train import (
    FALSE_ALARM,
    Config,
    Run,
    saved_settings,
    settings_json,
    share_held_out,
)
from fovea.tasks.train.unfinished import unfinished, workspace_beside

N_LISTED = 500
"""Mistakes that metrics.json lists."""


class Kind(Protocol):
    """A target: how its labels are read, by what sides are made alike, how a head is fitted and judged."""

    def begin(self, manifest: Manifest) -> Manifest:
        """Return the manifest with its labels understood. Raises InputError where a label is not there."""

    def require(self, manifest: Manifest) -> None:
        """Raise InputError where nothing can be learned; before the pictures are read, and after."""

    @property
    def strata(self) -> Strata:
        """By what sides are made alike."""

    def learn(self, prepared: Prepared, *, encoder: Encoder) -> Told:
        """Fit and judge a head."""

    def goal(
        self,
        manifest: Manifest,
        *,
        rows_train: NDArray[np.int64],
        rows_valid: NDArray[np.int64],
        units: NDArray[np.int64],
    ) -> Goal:
        """Return what a network is to learn of these rows; `units` (n,) are those of all rows."""

    def take(self, prepared: Prepared, *, head: Head, seconds: float, notes: Sequence[str] = ()) -> Told:
        """Judge the head of a network that was trained, by the validation part alone; the features are that network's."""


def check_target(config: Config) -> None:
    """Raise InputError where the target is unknown, or does not go with another option."""
    check_choice("--target", config.target, TARGETS)
    is_number = config.target == "regression"
    wrong = {
        "--ensemble": config.training.how.ensemble > 1,
        "--balance": config.balance,
        "--since": config.since is not None,
        "--per-class": config.promise.per_class,
        "--fixes": config.source.fixes is not None,
        "--precision": is_number and config.promise.precision is not None,
        "--drop": is_number and bool(config.source.drop),
        "--merge": is_number and bool(config.source.merge),
    }
    said = [name for name, is_wrong in wrong.items() if is_wrong]
    if said and config.target != "classes":
        raise InputError(f"{', '.join(said)} cannot go with --target {config.target} (yet): leave it out.")
    if is_number and config.training.regular.smoothing is not None:
        raise InputError(
            "--smoothing changes nothing of --target regression: it moves a share of each label to the other classes, and a "
            "number has none. Leave it out."
        )


def run_target(config: Config, *, progress: Progress, announce: Callable[[str], None] = unheard) -> Run:
    """Train as `config` says, where its target is "regression" or "labels"; see `train.run`."""
    begun = time.perf_counter()
    check_target(config)
    backbone, told = with_default(config.backbone)
    config = replace(config, backbone=backbone)
    kind = _kind(config)
    taught = taught_file(config.backbone.backbone)
    with unfinished(config.out, settings=settings_json(config)) as marker:
        manifest = kind.begin(_read(config))
        kind.require(manifest)
        config = replace(config, valid_share=share_held_out(config, manifest))
        with open_store() as store, workspace_beside(config.out) as workspace:
            room = Room(config, workspace, store, begun, progress, announce)
            manifest = add_hashes(manifest, store, threads=config.backbone.threads, progress=progress)
            outcome = _learn(kind, manifest, room=room)
            evidence = _evidence(outcome, room=room)
            notes = (*told, *evidence.notes, *formula_notes(manifest), *store.notes)
        metrics, files, page = target_files(replace(evidence, notes=notes), progress=progress)
        files |= taught
        write_model(config.out, _model_parts(evidence, metrics=metrics), extra=files)
        marker.done()
    shutil.rmtree(workspace, ignore_errors=True)
    return Run(config.out, metrics, page)


def _learn(kind: Kind, manifest: Manifest, *, room: Room) -> TargetOutcome:
    """Return what the method makes of the training part."""
    method = room.config.training.method
    if method == "scratch":
        scan = time.perf_counter() - room.begun
        outcome = learn_from_scratch(kind, manifest, room=room)
    else:
        room.progress("network", 0, 1)
        encoder = open_encoder(room.config.backbone)
        room.progress("network", 1, 1)
        scan = time.perf_counter() - room.begun
        outcome = learn_probe(kind, manifest, encoder=encoder, room=room)
        if method != "probe":
            outcome = train_on(kind, outcome, room=room)
    return replace(outcome, seconds={"scan": scan, **outcome.seconds})


def _kind(config: Config) -> Kind:
    from fovea.tasks.train.labels import LabelsKind
    from fovea.tasks.train.values import ValuesKind

    return ValuesKind(config) if config.target == "regression" else LabelsKind(config)


def _read(config: Config) -> Manifest:
    source = config.source
    return read_source(
        config.photos,
        label_by=source.label_by,
        group_by=source.group_by,
        group_pattern=source.group_pattern,
        strict=source.strict,
        target=config.target,
    )


def _novelty(prepared: Prepared, judged: Told, *, seed: int) -> NoveltyScore | None:
    """Return the distance to what was seen; None where so few pictures could not set a limit."""
    if len(prepared.train_features) < 1 / FALSE_ALARM:
        return None
    return fit_novelty(
        prepared.train_features, judged.groups, folds=judged.folds, false_alarm=FALSE_ALARM, seed=seed
    )


def _evidence(outcome: TargetOutcome, *, room: Room) -> TargetEvidence:
    """Read the test split once, and return all that the run's files are made of."""
    config, prepared, judged, encoder = room.config, outcome.prepared, outcome.told, outcome.encoder
    begun, threads = time.perf_counter(), config.backbone.threads
    part = gather_test(
        prepared,
        is_used=lambda row: row.label is not None,
        encoder=encoder,
        store=room.store,
        progress=room.progress,
        threads=threads,
    )
    manifest = prepared.plan.manifest if part is None else part.manifest
    test = None
    if part is not None and len(part.rows):
        rows = np.array(part.rows)

        def figures(chosen: NDArray[np.bool_]) -> dict[str, Any]:
            some = [manifest.rows[k] for k in rows[chosen].tolist()]
            return judged.measure(some, part.features[chosen], prepared.units[rows[chosen]])

        test = part.told(figures)
    novelty = _novelty(prepared, judged, seed=config.seed)
    now = time.perf_counter()
    judging = outcome.seconds.get("judge", 0.0) + now - begun
    return TargetEvidence(
        config=config,
        encoder=encoder,
        gathered=replace(prepared.gathered, manifest=manifest),
        plan=replace(prepared.plan, manifest=manifest),
        copies=prepared.copies,
        rows_train=prepared.rows_train,
        rows_valid=prepared.rows_valid,
        leaked=prepared.leaked,
        told=judged,
        novelty=novelty,
        n_unlike=0 if novelty is None else int(novelty.is_unlike(prepared.valid_features).sum()),
        test=test,
        test_pairs=() if part is None else part.pairs,
        seconds={**outcome.seconds, "judge": judging, "total": now - room.begun},
        notes=(*encoder.notes, *prepared.plan.manifest.notes, *prepared.plan.notes, *judged.notes),
        training=outcome.facts,
    )


def _model_parts(evidence: TargetEvidence, *, metrics: dict[str, Any]) -> ModelParts:
    config, told = evidence.config, evidence.told
    return ModelParts(
        encoder=evidence.encoder,
        head=told.head,
        temperature=told.temperature,
        thresholds=Thresholds(unsure=0.0),
        calibration=None,
        data=DataFacts(
            fingerprint=fingerprint(evidence.plan.manifest),
            n_train=len(evidence.rows_train),
            n_valid=len(evidence.rows_valid),
            n_test=metrics["n_test"],
            n_quarantined=metrics["n_quarantined"],
            classes=dict(told.counts),
            source="" if config.private else str(config.photos),
        ),
        novelty=evidence.novelty,
        seed=config.seed,
        settings=saved_settings(config),
        metrics=metrics,
        private=config.private,
        target=told.target,
    )
