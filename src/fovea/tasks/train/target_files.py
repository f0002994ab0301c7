"""What a run of numbers or labels writes beside its model: metrics.json, report.html, manifest.csv, predictions.csv."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fovea.features import Encoder
from fovea.judge import NoveltyScore
from fovea.learn import Head
from fovea.manifest import Row, SplitPlan, manifest_bytes
from fovea.model import Target
from fovea.pages import TargetReport, render_target
from fovea.pages import report as pages
from fovea.pages.privacy import without_secrets
from fovea.progress import Progress
from fovea.tasks.copies import Copies
from fovea.tasks.gather import Gathered
from fovea.tasks.train.method import TrainingFacts
from fovea.tasks.train.report import json_bytes, told_training, without_places
from fovea.tasks.train.shared import (
    SHOWN,
    Thumbs,
    conversions,
    provenance,
    run_facts,
    stage_times,
    twin_pairs,
)
from fovea.tasks.train.told import steps_after, training_part
from fovea.wording import count

if TYPE_CHECKING:
    from fovea.tasks.train.train import Config


class Told(Protocol):
    """A head that was fitted and judged; rows are those of the training part, then those held out."""

    @property
    def head(self) -> Head:
        """The head, of whichever method."""

    @property
    def temperature(self) -> float:
        """What its logits are divided by."""

    @property
    def target(self) -> Target:
        """What the model folder keeps of it."""

    @property
    def folds(self) -> NDArray[np.int64]:
        """The folds (n_train,) of the training part."""

    @property
    def groups(self) -> NDArray[np.int64]:
        """A group number (n_train,) by which pictures stand for all where they are too many."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many training pictures have each label."""

    @property
    def seconds(self) -> float:
        """What the fit took."""

    @property
    def notes(self) -> Sequence[str]:
        """What to know of it."""

    def metrics(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return its part of metrics.json, given the rows of the manifest."""

    def measure(
        self, rows: Sequence[Row], features: NDArray[np.float32], units: NDArray[np.int64]
    ) -> dict[str, Any]:
        """Return the figures of other labelled rows."""

    def answers(self) -> tuple[list[str], list[list[str]]]:
        """Return columns, and cells of what was answered of the rows by a head that had not seen them.

        Of a network that was trained those are the held-out rows alone: the last ones.
        """

    def next_steps(self) -> list[str]:
        """Return sentences, the most useful first."""

    def page(self, thumbs: Thumbs, *, test: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return its part of the report, with the figures of the test split where there is one."""


@dataclass(frozen=True)
class TargetEvidence:
    """What the files of the run are made of."""

    config: "Config"
    encoder: Encoder
    gathered: Gathered
    plan: SplitPlan
    copies: Copies
    rows_train: NDArray[np.int64]
    rows_valid: NDArray[np.int64]
    leaked: NDArray[np.bool_]
    told: Told
    novelty: NoveltyScore | None
    n_unlike: int
    test: Mapping[str, Any] | None
    test_pairs: Sequence[tuple[int, int, str]]
    seconds: Mapping[str, float]
    notes: Sequence[str]
    training: TrainingFacts | None = None


def target_files(
    evidence: TargetEvidence, *, progress: Progress
) -> tuple[dict[str, Any], dict[str, bytes], TargetReport]:
    """Return the figures, the files to lay beside the model by name, and the page's values."""
    if evidence.config.private:
        manifest = without_places(evidence.plan.manifest)
        evidence = replace(
            evidence,
            plan=replace(evidence.plan, manifest=manifest),
            notes=without_secrets(tuple(evidence.notes)),
        )
    rows = evidence.plan.manifest.rows
    n_quarantined = sum(bool(row.problem) and not row.is_left_out for row in rows)
    leaked = [rows[k].path for k in evidence.rows_valid[evidence.leaked].tolist()]
    metrics: dict[str, Any] = {
        **evidence.told.metrics(rows),
        "leaked": leaked,
        **run_facts(evidence),
        "penalty": evidence.told.head.penalty,
        "notes": list(evidence.notes),
        "next_steps": [
            *evidence.told.next_steps(),
            *([f"Read why {count(n_quarantined, 'file')} could not be used."] if n_quarantined else []),
        ],
    }
    training = told_training(evidence.training, private=evidence.config.private)
    if training is not None:
        metrics["training"] = training
        metrics["next_steps"] = steps_after(
            metrics["training"], metrics["next_steps"], n_quarantined=n_quarantined
        )
    if evidence.test is not None:
        metrics["test"] = evidence.test
    progress("report", 0, 1)
    page = _page(evidence, metrics)
    progress("report", 1, 1)
    files = {
        "metrics.json": json_bytes(metrics),
        "report.html": render_target(page).encode(errors="surrogateescape"),
        "manifest.csv": manifest_bytes(evidence.plan.manifest),
        "predictions.csv": _answers(evidence),
    }
    return metrics, files, page


def _answers(evidence: TargetEvidence) -> bytes:
    """Return predictions.csv: what was answered of every picture by a head that had not seen it."""
    columns, cells = evidence.told.answers()
    out = io.StringIO(newline="")
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(("path", "sha256", "split", "label", *columns))
    numbers = [*evidence.rows_train.tolist(), *evidence.rows_valid.tolist()]
    for k, row_cells in zip(numbers[len(numbers) - len(cells) :], cells, strict=True):
        row = evidence.plan.manifest.rows[k]
        table.writerow((row.path, row.sha256, row.split, row.label or "", *row_cells))
    return out.getvalue().encode(errors="surrogateescape")


def _page(evidence: TargetEvidence, metrics: Mapping[str, Any]) -> TargetReport:
    config, thumbs = evidence.config, Thumbs(evidence)
    pairs, n_pairs = twin_pairs(evidence, thumbs)
    novelty = evidence.novelty
    settings = {
        "target": config.target,
        "seed": config.seed,
        "share held out": config.valid_share,
        "views": config.backbone.views,
        "fit": config.backbone.fit,
        "size": f"{evidence.encoder.preprocess.size} px",
        "groups": config.source.group_by or config.source.group_pattern or "",
        "penalty chosen": f"{evidence.told.head.penalty:.3g}",
    }
    return TargetReport(
        title=config.out.name,
        protocol=evidence.plan.protocol,
        source=str(config.photos),
        next_steps=tuple(metrics["next_steps"]),
        notes=tuple(evidence.notes),
        duplicates=pairs,
        n_duplicates=n_pairs,
        n_leaked=int(evidence.leaked.sum()),
        test_n_leaked=0 if evidence.test is None else evidence.test["n_leaked"],
        quarantined=tuple((row.path, row.problem) for row in evidence.plan.manifest.rows if row.problem),
        conversions=conversions(evidence),
        novelty=None
        if novelty is None
        else pages.Novelty(
            limit=novelty.limit,
            false_alarm_rate=novelty.false_alarm,
            n_reference=len(evidence.rows_train),
            n_unlike=evidence.n_unlike,
            n_judged=len(evidence.rows_valid),
        ),
        stages=stage_times(metrics),
        settings=tuple((name, str(value)) for name, value in settings.items() if value not in ("", None)),
        provenance=provenance(evidence, metrics),
        private=config.private,
        training=training_part(metrics.get("training"), target=config.target),
        **evidence.told.page(thumbs, test=evidence.test),
    )


def worst_gallery(thumbs: Thumbs, shown: Sequence[tuple[int, str, str]], n_total: int) -> pages.Gallery:
    """Return pictures to look at: row of the manifest, what it is, what was answered."""
    made = (replace(thumbs.of(row, answer=answer), label=label) for row, label, answer in shown[:SHOWN])
    return pages.Gallery(tuple(made), n_total)
