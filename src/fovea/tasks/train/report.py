"""The evidence of a run: metrics.json, report.html, manifest.csv and predictions.csv, made of what was learned and judged."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fovea.features import EMBEDDED
from fovea.judge import next_steps
from fovea.manifest import Manifest, manifest_bytes, words_of
from fovea.pages import report as pages
from fovea.pages.privacy import without_secrets
from fovea.progress import Progress
from fovea.tasks.train.evidence import Changes, Evidence, fair_probabilities, find_changes
from fovea.tasks.train.method import TrainingFacts
from fovea.tasks.train.page import make_page
from fovea.tasks.train.shared import run_facts
from fovea.tasks.train.since import write_answers
from fovea.tasks.train.told import steps_after


def evidence_files(
    evidence: Evidence, *, progress: Progress
) -> tuple[dict[str, Any], dict[str, bytes], pages.Report]:
    """Return the figures, the files to lay beside the model by name, and the page's values."""
    if evidence.config.private:
        manifest = without_places(evidence.plan.manifest)
        notes = without_secrets(tuple(evidence.notes))
        evidence = replace(evidence, plan=replace(evidence.plan, manifest=manifest), notes=notes)
    changes = find_changes(evidence)
    metrics = _metrics(evidence, changes)
    report = make_page(evidence, metrics=metrics, changes=changes, progress=progress)
    files = {
        "metrics.json": json_bytes(metrics),
        "report.html": pages.render_report(report).encode(errors="surrogateescape"),
        "manifest.csv": manifest_bytes(evidence.plan.manifest),
        "predictions.csv": _answers(evidence),
    }
    return metrics, files, report


def without_places(manifest: Manifest) -> Manifest:
    """Return the manifest without absolute paths: of pictures that have no folder in common or are missing, in problems."""
    has_no_folder = manifest.root == Path("/")

    def shown(path: str) -> str:
        whole = path if path.startswith("/") else f"/{path}"
        return without_secrets(whole) if has_no_folder or whole is path else path

    return manifest.with_rows(
        replace(
            row,
            path=shown(row.path),
            problem=without_secrets(row.problem),
        )
        for row in manifest.rows
    )


def json_bytes(metrics: Mapping[str, Any]) -> bytes:
    """Return metrics.json."""
    text = json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode(errors="backslashreplace")  # class names that are not UTF-8 become JSON's own escapes


def _metrics(evidence: Evidence, changes: Changes | None) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        **evidence.verdict.to_json(),
        "mistakes": _mistakes(evidence),
        "suspects": _suspects(evidence),
        "leaked": _leaked(evidence),
        **run_facts(evidence),
        "penalty": evidence.fit.head.penalty,
        "notes": list(evidence.notes),
    }
    training = told_training(evidence.training, private=evidence.config.private)
    metrics["next_steps"] = _next_steps(evidence, training)
    words = {name: words_of(name) for name in evidence.verdict.class_names if words_of(name)}
    if words:
        metrics["class_words"] = words
    if evidence.test is not None:
        metrics["test"] = evidence.test
    if training is not None:
        metrics["training"] = training
    if changes is not None:
        metrics["since"] = {
            "run": "" if evidence.config.private else str(changes.earlier.folder),
            "n_compared": changes.comparison.n,
            "n_changed": len(changes.comparison.changed),
            "n_fixed": changes.comparison.n_fixed,
            "n_broken": changes.comparison.n_broken,
            "p_value": changes.comparison.p_value,
            "text": changes.comparison.text,
        }
    return metrics


def told_training(training: TrainingFacts | None, *, private: bool) -> dict[str, Any] | None:
    """Return metrics.json's `training`, None where nothing but the probe was asked for; private without absolute paths."""
    if training is None:
        return None
    return without_secrets(training.to_json()) if private else training.to_json()


def _mistakes(evidence: Evidence) -> list[dict[str, Any]]:
    rows, names = evidence.plan.manifest.rows, evidence.verdict.class_names
    return [
        {
            "path": (row := rows[evidence.measured_rows[mistake.index]]).path,
            "split": row.split,
            "label": row.label,
            "answer": names[mistake.answer],
            "probability": mistake.probability,
        }
        for mistake in evidence.verdict.mistakes
    ]


def _suspects(evidence: Evidence) -> list[dict[str, Any]]:
    rows, names = evidence.plan.manifest.rows, evidence.verdict.class_names
    parts = {"train": evidence.rows_train, "valid": evidence.rows_valid}
    return [
        {
            "path": (row := rows[parts[suspect.part][suspect.index]]).path,
            "split": row.split,
            "label": row.label,
            "suggested": names[suspect.suggested],
            "quality": suspect.quality,
        }
        for suspect in evidence.verdict.suspects
    ]


def _leaked(evidence: Evidence) -> list[str]:
    """Return the paths that `n_leaked` counts: held-out pictures that (nearly) stand in the training part too."""
    if evidence.verdict.measured != "valid":
        return []
    rows = evidence.plan.manifest.rows
    return [rows[k].path for k in evidence.rows_valid[evidence.leaked].tolist()]


def _next_steps(evidence: Evidence, training: Mapping[str, Any] | None) -> list[str]:
    rows = evidence.plan.manifest.rows
    quarantined = sum(bool(row.problem) and not row.is_left_out for row in rows)
    options = evidence.config.backbone
    embedded = options.weights is None and options.backbone in (None, EMBEDDED)
    has_backbone = training is None or training["method"] in ("finetune", "auto")
    steps = next_steps(evidence.verdict, n_quarantined=quarantined, small_backbone=embedded and has_backbone)
    return steps if training is None else steps_after(training, steps, n_quarantined=quarantined)


def _answers(evidence: Evidence) -> bytes:
    rows, probabilities = fair_probabilities(evidence)
    chosen = [evidence.plan.manifest.rows[k] for k in rows.tolist()]
    return write_answers(chosen, probabilities=probabilities, class_names=evidence.verdict.class_names)
