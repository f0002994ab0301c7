"""`train --target`: a number, or several labels, of each picture; what the two share. Each says the rest by a `Told`.

The way is that of classes: features once, units and sides, a head by cross-validation on the training part, the verdict,
the model folder, written whole or not at all.
"""

import time
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import Encoder, open_store
from fovea.judge import NoveltyScore, fit_novelty
from fovea.manifest import (
    TARGETS,
    Manifest,
    Strata,
    fingerprint,
    formula_notes,
    read_source,
)
from fovea.model import DataFacts, ModelParts, Thresholds, write_model
from fovea.progress import Progress
from fovea.tasks.backbones import with_default
from fovea.tasks.gather import add_hashes, gather
from fovea.tasks.options import check_choice
from fovea.tasks.train import FALSE_ALARM, Config, Run, open_encoder, saved_settings, settings_json
from fovea.tasks.train_prepare import Prepared, prepare
from fovea.tasks.train_target_files import TargetEvidence, Told, target_files
from fovea.tasks.train_test import TestPart, gather_test
from fovea.tasks.train_unfinished import unfinished

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


def check_target(config: Config) -> None:
    """Raise InputError where the target is unknown, or does not go with another option."""
    check_choice("--target", config.target, TARGETS)
    is_number = config.target == "regression"
    wrong = {
        f"--method {config.training.method}": config.training.method != "probe",
        "--balance": config.balance,
        "--since": config.since is not None,
        "--per-class": config.promise.per_class,
        "--precision": is_number and config.promise.precision is not None,
        "--drop": is_number and bool(config.source.drop),
        "--merge": is_number and bool(config.source.merge),
    }
    said = [name for name, is_wrong in wrong.items() if is_wrong]
    if said and config.target != "classes":
        raise InputError(f"{', '.join(said)} cannot go with --target {config.target} (yet): leave it out.")


def run_target(config: Config, *, progress: Progress) -> Run:
    """Train as `config` says, where its target is "regression" or "labels"; see `train.run`."""
    begun = time.perf_counter()
    check_target(config)
    backbone, told = with_default(config.backbone)
    config = replace(config, backbone=backbone)
    kind = _kind(config)
    with unfinished(config.out, settings=settings_json(config)) as marker:
        manifest = kind.begin(_read(config))
        kind.require(manifest)
        with open_store() as store:
            threads = config.backbone.threads
            manifest = add_hashes(manifest, store, threads=threads, progress=progress)
            progress("network", 0, 1)
            encoder = open_encoder(config.backbone)
            progress("network", 1, 1)
            seconds = {"scan": time.perf_counter() - begun}
            views = config.backbone.views
            gathered = gather(
                manifest, encoder=encoder, store=store, views=views, without="test", progress=progress
            )
            seconds["extract"] = gathered.seconds
            begun_fitting = time.perf_counter()
            progress("fit", 0, 2)
            kind.require(gathered.manifest)
            prepared = prepare(
                config, gathered, encoder=encoder, store=store, earlier=None, strata=kind.strata
            )
            judged = kind.learn(prepared, encoder=encoder)
            progress("fit", 2, 2)
            part = _gather_test(prepared, encoder=encoder, store=store, progress=progress, threads=threads)
            novelty = _novelty(prepared, judged, seed=config.seed)
            seconds["fit"] = judged.seconds
            seconds["judge"] = time.perf_counter() - begun_fitting - judged.seconds
            seconds["total"] = time.perf_counter() - begun
            seen = (*prepared.plan.manifest.notes, *prepared.plan.notes, *judged.notes)
            notes = (*told, *encoder.notes, *seen, *formula_notes(manifest), *store.notes)
        evidence = _evidence(config, prepared, judged=judged, part=part, encoder=encoder, novelty=novelty)
        evidence = replace(evidence, seconds=seconds, notes=notes)
        metrics, files, page = target_files(evidence, progress=progress)
        write_model(config.out, _model_parts(evidence, metrics=metrics), extra=files)
        marker.done()
    return Run(config.out, metrics, page)


def _gather_test(prepared: Prepared, **how: Any) -> TestPart | None:
    return gather_test(prepared, is_used=lambda row: row.label is not None, **how)


def _kind(config: Config) -> Kind:
    from fovea.tasks.train_labels import LabelsKind
    from fovea.tasks.train_values import ValuesKind

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


def _evidence(
    config: Config,
    prepared: Prepared,
    *,
    judged: Told,
    part: TestPart | None,
    encoder: Encoder,
    novelty: NoveltyScore | None,
) -> TargetEvidence:
    manifest = prepared.plan.manifest if part is None else part.manifest
    test = None
    if part is not None and len(part.rows):
        rows = np.array(part.rows)

        def figures(chosen: NDArray[np.bool_]) -> dict[str, Any]:
            some = [manifest.rows[k] for k in rows[chosen].tolist()]
            return judged.measure(some, part.features[chosen], prepared.units[rows[chosen]])

        test = part.told(figures)
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
        seconds={},
        notes=(),
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
