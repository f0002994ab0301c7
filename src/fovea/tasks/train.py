"""The main job: a folder of pictures in; a checked, calibrated, saved classifier and its evidence out.

Read and hash, features once, units and splits, copies across sides, the probe by cross-validation on the training
part, the verdict, the model folder: written whole or not at all. Features are stored as they come, so a run that was
interrupted continues where it stopped.
"""

import time
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fovea.features import KNOWN, Encoder, open_backbone, open_store
from fovea.judge import NoveltyScore, Verdict, fit_novelty, judge
from fovea.manifest import (
    Manifest,
    change_classes,
    fingerprint,
    formula_notes,
    read_source,
    require_trainable,
)
from fovea.model import Classifier, DataFacts, ModelParts, Thresholds, load_model, write_model
from fovea.pages import Report, render_report_fragment
from fovea.progress import Progress, silent
from fovea.tasks.backbones import with_default
from fovea.tasks.gather import add_hashes
from fovea.tasks.options import (
    BackboneOptions,
    PromiseOptions,
    SourceOptions,
    check_promise,
    check_share,
    configure,
)
from fovea.tasks.train_evidence import Evidence
from fovea.tasks.train_learn import Learned, learn
from fovea.tasks.train_report import evidence_files
from fovea.tasks.train_since import read_earlier
from fovea.tasks.train_test import read_test
from fovea.tasks.train_unfinished import require_apart, unfinished

FALSE_ALARM = 0.01


@dataclass(frozen=True, slots=True)
class Config:
    """What to train on, where to, and how; `fovea train` has an option for each."""

    photos: Path
    out: Path
    source: SourceOptions = field(default_factory=SourceOptions)
    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    promise: PromiseOptions = field(default_factory=PromiseOptions)
    since: Path | None = None
    valid_share: float = 0.2
    balance: bool = False
    seed: int = 0
    private: bool = False


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, its figures (the keys of metrics.json), its report, and its model."""

    folder: Path
    metrics: dict[str, Any]
    page: Report = field(repr=False)

    @property
    def report(self) -> Path:
        """Where the report is."""
        return self.folder / "report.html"

    @cached_property
    def model(self) -> Classifier:
        """The saved classifier, read back from the folder."""
        return load_model(self.folder)

    def to_json(self) -> dict[str, Any]:
        """Return what metrics.json holds, and where the run is."""
        return {**self.metrics, "run": str(self.folder), "report": str(self.report)}

    def _repr_html_(self) -> str:
        return render_report_fragment(self.page)


def train(photos: str | Path, *, out: str | Path, progress: Progress = silent, **settings: Any) -> Run:
    """Train a classifier on a folder (or table) of labelled pictures.

    Args:
        photos: class folders, folders train/valid[/test] of them, or a CSV, TSV or JSON-lines table.
        out: the folder to write; it must not hold a finished run.
        progress: is told how far each stage is.
        settings: any field of `Config` or its groups by name, such as `weights`, `seed`, `since`, `precision`.

    Raises:
        InputError: the pictures cannot be trained on; the message says what is there and what is needed.
        OutputError: something is at `out` already, or it cannot be written.
    """
    for name in ("weights", "since"):
        if settings.get(name) is not None:
            settings[name] = Path(settings[name])
    settings["stages"] = tuple(settings.get("stages") or ())
    return run(configure(Config, {"photos": Path(photos), "out": Path(out), **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Run:
    """Train as `config` says; see `train`."""
    begun = time.perf_counter()
    check_promise(config.promise)
    check_share("--valid-share", config.valid_share, most=0.5, example=0.2)
    require_apart(config.photos, out=config.out)
    backbone, told = with_default(config.backbone)
    config = replace(config, backbone=backbone)
    with unfinished(config.out, settings=settings_json(config)) as marker:
        earlier = None if config.since is None else read_earlier(config.since)
        manifest = _read(config)
        with open_store() as store:
            manifest = add_hashes(manifest, store, threads=config.backbone.threads, progress=progress)
            progress("network", 0, 1)  # weights used for the first time are converted now
            encoder = _open_encoder(config.backbone)
            progress("network", 1, 1)
            seconds = {"scan": time.perf_counter() - begun}
            parts = learn(config, manifest, encoder=encoder, store=store, earlier=earlier, progress=progress)
            seconds |= parts.seconds
            begun_judging = time.perf_counter()
            verdict = _judge(config, parts)
            test = read_test(
                parts,
                verdict=verdict,
                encoder=encoder,
                store=store,
                threads=config.backbone.threads,
                progress=progress,
            )
            novelty = _novelty(parts, seed=config.seed)
            seconds["judge"] += time.perf_counter() - begun_judging
            seconds["total"] = time.perf_counter() - begun
            notes = (
                *told,
                *encoder.notes,
                *test.manifest.notes,
                *parts.plan.notes,
                *formula_notes(manifest),
                *store.notes,
            )
        evidence = Evidence(
            config=config,
            encoder=encoder,
            gathered=replace(parts.gathered, manifest=test.manifest),
            plan=replace(parts.plan, manifest=test.manifest),
            copies=parts.copies,
            rows_train=parts.rows_train,
            rows_valid=parts.rows_valid,
            leaked=parts.leaked,
            fit=parts.fit,
            valid_logits=parts.valid_logits,
            verdict=verdict,
            novelty=novelty,
            n_unlike=0 if novelty is None else int(novelty.is_unlike(parts.valid_features).sum()),
            test=test.figures,
            test_pairs=test.pairs,
            earlier=earlier,
            seconds=seconds,
            notes=notes,
        )
        metrics, files, page = evidence_files(evidence, progress=progress)
        write_model(
            config.out,
            _model_parts(evidence, parts, metrics=metrics),
            extra=files,
        )
        marker.done()
    return Run(config.out, metrics, page)


def settings_json(config: Config) -> dict[str, Any]:
    """Return the settings as plain JSON values; what does not change the result (threads, offline) is left out."""
    plain = asdict(config)
    del plain["out"], plain["backbone"]["threads"], plain["backbone"]["offline"]
    plain["photos"] = str(config.photos.absolute())
    for group, name in ((plain, "since"), (plain["backbone"], "weights")):
        group[name] = None if group[name] is None else str(Path(group[name]).absolute())
    plain["backbone"]["stages"] = list(config.backbone.stages)
    if _is_folder(config.backbone.backbone):
        plain["backbone"]["backbone"] = str(Path(config.backbone.backbone or "").absolute())
    plain["source"]["drop"] = list(config.source.drop)
    plain["source"]["merge"] = dict(config.source.merge)
    return plain


def _is_folder(backbone: str | None) -> bool:
    """Return whether a backbone is named by its place: a run, or a saved network."""
    return backbone is not None and backbone not in KNOWN and Path(backbone).is_dir()


def _read(config: Config) -> Manifest:
    source = config.source
    manifest = read_source(
        config.photos,
        label_by=source.label_by,
        group_by=source.group_by,
        group_pattern=source.group_pattern,
        strict=source.strict,
    )
    manifest = change_classes(manifest, drop=source.drop, merge=source.merge)
    require_trainable(manifest)
    return manifest


def _open_encoder(options: BackboneOptions) -> Encoder:
    return open_backbone(
        options.weights,
        backbone=options.backbone,
        stages=options.stages,
        engine=options.engine,
        fit=options.fit,
        precision=options.compute,
        threads=options.threads,
        offline=options.offline,
    )


def _judge(config: Config, parts: Learned) -> Verdict:
    promise = config.promise
    held_out = len(parts.rows_valid) > 0 and bool((parts.valid_labels >= 0).any())
    return judge(
        train_labels=parts.train_labels,
        oof_logits=parts.fit.oof_logits,
        class_names=parts.class_names,
        valid_labels=parts.valid_labels if held_out else None,
        valid_logits=parts.valid_logits if held_out else None,
        leaked=parts.leaked if held_out else None,
        folds=parts.folds,
        train_units=parts.units[parts.rows_train],
        precisions=() if promise.precision is None else (promise.precision,),
        per_class=promise.per_class,
        confidence=promise.confidence,
        seed=config.seed,
    )


def _novelty(parts: Learned, *, seed: int) -> NoveltyScore | None:
    """Return the distance to what was seen; None where so few pictures could not set a limit."""
    if len(parts.train_features) < 1 / FALSE_ALARM:
        return None
    return fit_novelty(
        parts.train_features,
        parts.train_labels,
        folds=parts.folds,
        false_alarm=FALSE_ALARM,
        seed=seed,
    )


def _model_parts(evidence: Evidence, parts: Learned, *, metrics: dict[str, Any]) -> ModelParts:
    config, verdict = evidence.config, evidence.verdict
    supported = verdict.unsure.threshold is not None
    settings = settings_json(config)
    if config.private:
        settings["photos"] = settings["since"] = settings["backbone"]["weights"] = None
        if _is_folder(config.backbone.backbone):
            settings["backbone"]["backbone"] = Path(settings["backbone"]["backbone"]).name
    counts = np.bincount(parts.train_labels, minlength=len(parts.class_names)).tolist()
    return ModelParts(
        encoder=evidence.encoder,
        head=parts.fit.head,
        temperature=verdict.temperature,
        thresholds=Thresholds(
            unsure=verdict.unsure_threshold,
            precision=verdict.unsure.precision if supported else None,
            confidence=verdict.unsure.confidence if supported else None,
        ),
        calibration=verdict.calibration,
        data=DataFacts(
            fingerprint=fingerprint(evidence.plan.manifest),
            n_train=len(parts.rows_train),
            n_valid=len(parts.rows_valid),
            n_test=metrics["n_test"],
            n_quarantined=metrics["n_quarantined"],
            classes=dict(zip(parts.class_names, counts, strict=True)),
            source="" if config.private else str(config.photos),
        ),
        novelty=evidence.novelty,
        seed=config.seed,
        settings=settings,
        metrics=metrics,
        private=config.private,
    )
