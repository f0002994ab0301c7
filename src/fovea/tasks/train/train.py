"""The main job: a folder of pictures in; a checked, calibrated, saved classifier and its evidence out.

Read and hash, features once, units and splits, copies across sides, the probe by cross-validation on the training
part, the verdict, the model folder: written whole or not at all. Features are stored as they come, so a run that was
interrupted continues where it stopped.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fovea.features import KNOWN, Encoder, open_store
from fovea.judge import NoveltyScore, Verdict, fit_novelty, judge
from fovea.manifest import Manifest, fingerprint, fixes_bytes, formula_notes
from fovea.model import Classifier, DataFacts, Estimator, ModelParts, Thresholds, load_model, write_model
from fovea.pages import Report, TargetReport, render_report_fragment, render_target_fragment
from fovea.progress import Progress, silent, unheard
from fovea.tasks.backbones import open_encoder, with_default
from fovea.tasks.gather import add_hashes
from fovea.tasks.options import (
    BackboneOptions,
    PromiseOptions,
    SourceOptions,
    TrainingOptions,
    check_promise,
    check_share,
    configure,
)
from fovea.tasks.several import is_follower
from fovea.tasks.train.attempt import Room
from fovea.tasks.train.check import check_training, check_wishes
from fovea.tasks.train.evidence import Evidence
from fovea.tasks.train.learn import Learned, learn
from fovea.tasks.train.method import Outcome, train_from_scratch, train_further
from fovea.tasks.train.prepare import HELD_OUT
from fovea.tasks.train.read import read_fixed
from fovea.tasks.train.report import evidence_files
from fovea.tasks.train.since import Earlier, read_earlier
from fovea.tasks.train.sizing import suit_size
from fovea.tasks.train.taught import taught_file
from fovea.tasks.train.testing import read_test
from fovea.tasks.train.unfinished import require_apart, unfinished, workspace_beside

FALSE_ALARM = 0.01
ENOUGH_HELD_OUT, LARGE_HELD_OUT = 400, 2_000
"""Pictures by which a trained network is chosen and calibrated, of usual and of the largest sets; more would be missed."""


@dataclass(frozen=True, slots=True)
class Config:
    """What to train on, where to, and how; `fovea train` has an option for each."""

    photos: Path
    out: Path
    source: SourceOptions = field(default_factory=SourceOptions)
    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    promise: PromiseOptions = field(default_factory=PromiseOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    target: str = "classes"
    since: Path | None = None
    valid_share: float | None = None
    balance: bool = False
    seed: int = 0
    private: bool = False


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, its figures (the keys of metrics.json), its report, and its model."""

    folder: Path
    metrics: dict[str, Any]
    page: Report | TargetReport = field(repr=False)

    @property
    def report(self) -> Path:
        """Where the report is."""
        return self.folder / "report.html"

    @cached_property
    def model(self) -> Classifier | Estimator:
        """The saved classifier (or estimator, of numbers or labels), read back from the folder."""
        return load_model(self.folder)

    def to_json(self) -> dict[str, Any]:
        """Return what metrics.json holds, and where the run is."""
        return {**self.metrics, "run": str(self.folder), "report": str(self.report)}

    def _repr_html_(self) -> str:
        if isinstance(self.page, TargetReport):
            return render_target_fragment(self.page)
        return render_report_fragment(self.page)


def train(
    photos: str | Path,
    *,
    out: str | Path,
    progress: Progress = silent,
    announce: Callable[[str], None] = unheard,
    **settings: Any,
) -> Run:
    """Train a classifier on a folder (or table) of labelled pictures.

    Args:
        photos: class folders, folders train/valid[/test] of them, or a CSV, TSV or JSON-lines table.
        out: the folder to write; it must not hold a finished run.
        progress: is told how far each stage is.
        announce: is told in sentences what will be trained and how each epoch went, as it happens.
        settings: any field of `Config` or its groups by name, such as `weights`, `seed`, `since`, `precision`.

    Raises:
        InputError: the pictures cannot be trained on; the message says what is there and what is needed.
        OutputError: something is at `out` already, or it cannot be written.
    """
    config = configure(Config, {"photos": photos, "out": out, **settings})
    return run(config, progress=progress, announce=announce)


def run(
    config: Config,
    *,
    learn: Callable[..., Outcome] | None = None,
    networks: Sequence[str | Path] = (),
    progress: Progress = silent,
    announce: Callable[[str], None] = unheard,
) -> Run:
    """Train as `config` says; see `train`. `learn` is called instead of what the method says (fovea.fit, average, distil).

    `networks` are runs whose networks `learn` takes over.
    """
    begun = time.perf_counter()
    check_promise(config.promise)
    check_share("--valid-share", config.valid_share, most=0.5, example=0.2)
    check_training(config.training, backbone=config.backbone)
    if learn is None:
        check_wishes(config.training, backbone=config.backbone)
    if is_follower():
        progress, announce = silent, unheard
    require_apart(config.photos, out=config.out)
    with _within_threads(config):
        return _run(config, learn=learn, networks=networks, begun=begun, progress=progress, announce=announce)


def _within_threads(config: Config) -> AbstractContextManager[None]:
    """Return the block in which torch keeps to the threads that were given, where it trains a network."""
    threads = config.backbone.threads
    if threads is None or config.training.method == "probe":
        return nullcontext()
    from fovea.learn.training.devices import threads_at_most

    return threads_at_most(threads)


def _run(
    config: Config,
    *,
    learn: Callable[..., Outcome] | None,
    networks: Sequence[str | Path],
    begun: float,
    progress: Progress,
    announce: Callable[[str], None],
) -> Run:
    if config.target != "classes":
        from fovea.tasks.train.target import run_target

        return run_target(config, progress=progress, announce=announce)
    backbone, told = (config.backbone, ()) if learn else with_default(config.backbone)
    config = replace(config, backbone=backbone)
    taught = taught_file(config.backbone.backbone, *networks)
    with unfinished(config.out, settings=settings_json(config)) as marker:
        earlier = None if config.since is None else read_earlier(config.since)
        manifest, fixes = read_fixed(config.photos, config.source)
        config = replace(config, valid_share=share_held_out(config, manifest))
        with open_store() as store, workspace_beside(config.out) as workspace:
            room = Room(config, workspace, store, begun, progress, announce)
            manifest = add_hashes(manifest, store, threads=config.backbone.threads, progress=progress)
            outcome = (learn or _learn)(manifest, earlier=earlier, room=room)
            evidence = _gather_evidence(outcome, earlier=earlier, room=room)
            notes = (*told, *evidence.notes, *formula_notes(manifest), *store.notes)
            evidence = replace(evidence, notes=notes)
        metrics, files, page = evidence_files(evidence, progress=progress)
        if fixes:
            files["fixes.csv"] = fixes_bytes(fixes)
        files |= taught
        write_model(
            config.out,
            _model_parts(evidence, outcome.learned, metrics=metrics),
            extra=files,
        )
        marker.done()
        shutil.rmtree(workspace, ignore_errors=True)
    return Run(config.out, metrics, page)


def _gather_evidence(outcome: Outcome, *, earlier: Earlier | None, room: Room) -> Evidence:
    """Judge what was learned, read the test split once, and return all that the run's files are made of."""
    config, parts, encoder = room.config, outcome.learned, outcome.encoder
    begun = time.perf_counter()
    verdict = _judge(config, parts, by_valid=outcome.by_valid)
    test = read_test(
        parts,
        verdict=verdict,
        encoder=encoder,
        store=room.store,
        threads=config.backbone.threads,
        progress=room.progress,
    )
    novelty = _novelty(parts, seed=config.seed)
    now = time.perf_counter()
    judging = parts.seconds.get("judge", 0.0) + now - begun
    return Evidence(
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
        seconds={**parts.seconds, "judge": judging, "total": now - room.begun},
        notes=(*encoder.notes, *test.manifest.notes, *parts.plan.notes),
        training=outcome.facts,
    )


def _learn(manifest: Manifest, *, earlier: Earlier | None, room: Room) -> Outcome:
    """Return what the method makes of the training part: the probe, or a network that was trained."""
    config, progress = room.config, room.progress
    method = config.training.method
    if method == "scratch":
        scan = time.perf_counter() - room.begun
        outcome = train_from_scratch(manifest, earlier=earlier, room=room)
    else:
        progress("network", 0, 1)  # weights used for the first time are converted now
        encoder = open_encoder(config.backbone)
        progress("network", 1, 1)
        scan = time.perf_counter() - room.begun

        def fit(encoder: Encoder) -> Learned:
            return learn(
                config, manifest, encoder=encoder, store=room.store, earlier=earlier, progress=progress
            )

        probe = fit(encoder), encoder
        outcome = (
            Outcome(*probe)
            if method == "probe"
            else train_further(*suit_size(probe, learn=fit, room=room), room=room)
        )
    return replace(
        outcome, learned=replace(outcome.learned, seconds={"scan": scan, **outcome.learned.seconds})
    )


def share_held_out(config: Config, manifest: Manifest) -> float:
    """Return the share to hold out: a fifth; where a network is trained at most 400 pictures, or 5 % up to 2,000."""
    if config.valid_share is not None:
        return config.valid_share
    n_pool = sum(row.label is not None and not row.problem and row.split != "test" for row in manifest.rows)
    if config.training.method == "probe":
        return HELD_OUT
    most = min(max(ENOUGH_HELD_OUT, n_pool // 20), LARGE_HELD_OUT)
    return min(HELD_OUT, most / max(n_pool, 1))


def settings_json(config: Config) -> dict[str, Any]:
    """Return the settings as plain JSON values; what does not change the result (threads, offline, track) is left out."""
    plain = asdict(config)
    del plain["out"], plain["backbone"]["threads"], plain["backbone"]["offline"]
    del plain["training"]["how"]["track"]
    plain["photos"] = str(config.photos.absolute())
    for group, name in ((plain, "since"), (plain["backbone"], "weights")):
        group[name] = None if group[name] is None else str(Path(group[name]).absolute())
    plain["backbone"]["stages"] = list(config.backbone.stages)
    plain["training"]["how"]["hidden"] = list(config.training.how.hidden)
    if _is_folder(config.backbone.backbone):
        plain["backbone"]["backbone"] = str(Path(config.backbone.backbone or "").absolute())
    plain["source"]["drop"] = list(config.source.drop)
    plain["source"]["merge"] = dict(config.source.merge)
    plain["source"]["fixes"] = None if config.source.fixes is None else str(config.source.fixes.absolute())
    return plain


def saved_settings(config: Config) -> dict[str, Any]:
    """Return the settings that the model folder keeps: without places where the run is private."""
    settings = settings_json(config)
    if config.private:
        settings["photos"] = settings["since"] = settings["backbone"]["weights"] = None
        settings["source"]["fixes"] = None
        if _is_folder(config.backbone.backbone):
            settings["backbone"]["backbone"] = Path(settings["backbone"]["backbone"]).name
        how = settings["training"]["how"]
        how["net"] = how["net"] and Path(how["net"]).name
    return settings


def _is_folder(backbone: str | None) -> bool:
    """Return whether a backbone is named by its place: a run, or a saved network."""
    return backbone is not None and backbone not in KNOWN and Path(backbone).is_dir()


def _judge(config: Config, parts: Learned, *, by_valid: bool) -> Verdict:
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
        valid_units=parts.units[parts.rows_valid],
        by_valid=by_valid,
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
        settings=saved_settings(config),
        metrics=metrics,
        private=config.private,
    )
