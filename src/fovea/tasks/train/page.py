"""The report of a run: what was learned and judged, as the values of its page."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fovea.judge import Interval, Verdict
from fovea.pages import report as pages
from fovea.progress import Progress
from fovea.tasks.train.evidence import Changes, Evidence, fair_probabilities
from fovea.tasks.train.shared import (
    SHOWN,
    Thumbs,
    conversions,
    provenance,
    stage_times,
    twin_pairs,
)
from fovea.tasks.train.told import training_part


def make_page(
    evidence: Evidence, *, metrics: Mapping[str, Any], changes: Changes | None, progress: Progress
) -> pages.Report:
    """Return the report's values, thumbnails made from the user's files."""
    verdict, figures = evidence.verdict, evidence.verdict.figures
    thumbs = Thumbs(evidence)
    quarantined = [(row.path, row.problem) for row in evidence.plan.manifest.rows if row.problem]
    progress("report", 0, 1)
    report = pages.Report(
        title=evidence.config.out.name,
        protocol=evidence.plan.protocol,
        class_names=verdict.class_names,
        n_judged=figures.n,
        n_right=figures.n_right,
        accuracy=figures.accuracy,
        accuracy_interval=figures.accuracy_interval,
        n_baseline_right=round(figures.baseline_accuracy * figures.n),
        baseline_class=figures.baseline_class,
        source=str(evidence.config.photos),
        next_steps=tuple(metrics["next_steps"]),
        notes=tuple(evidence.notes),
        figures=_figures(metrics),
        training=training_part(metrics.get("training")),
        classes=_classes(evidence),
        confusion=tuple(tuple(line) for line in figures.confusion.tolist()),
        reliability=_reliability(verdict),
        promises=_promises(verdict),
        mistakes=_mistakes(evidence, thumbs),
        label_issues=_doubtful(evidence, thumbs),
        duplicates=(pairs := twin_pairs(evidence, thumbs))[0],
        n_duplicates=pairs[1],
        n_leaked=verdict.n_leaked,
        leak_figures=_leak_figures(verdict),
        quarantined=tuple(quarantined),
        conversions=conversions(evidence),
        novelty=_novelty(evidence),
        since="" if changes is None else changes.earlier.folder.name,
        changes_text="" if changes is None else changes.comparison.text,
        changes=() if changes is None else _change_list(evidence, changes, thumbs),
        n_changes=None if changes is None else len(changes.comparison.changed),
        stages=stage_times(metrics),
        settings=_settings(evidence),
        provenance=provenance(evidence, metrics),
        private=evidence.config.private,
        **_test_part(metrics.get("test")),
    )
    progress("report", 1, 1)
    return report


def _figures(metrics: Mapping[str, Any]) -> tuple[pages.Figure, ...]:
    keys = (
        "accuracy", "top5_accuracy", "baseline_accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece",
        "ece_floor", "ece_before",
    )  # fmt: skip
    return tuple(
        pages.Figure(key, metrics[key], tuple(metrics["accuracy_interval"]) if key == "accuracy" else None)
        for key in keys
        if key in metrics
    )


def _reliability(verdict: Verdict) -> tuple[pages.Bin, ...]:
    return tuple(
        pages.Bin(b.n, b.mean_probability or 0.0, b.accuracy or 0.0, b.accuracy_interval)
        for b in verdict.reliability
        if b.n
    )


def _mistakes(evidence: Evidence, thumbs: Thumbs) -> pages.Gallery:
    mistakes, names = evidence.verdict.mistakes, evidence.verdict.class_names
    measured = evidence.measured_rows
    shown = (
        thumbs.of(int(measured[m.index]), answer=names[m.answer], probability=m.probability)
        for m in mistakes[:SHOWN]
    )
    return pages.Gallery(tuple(shown), len(mistakes))


def _novelty(evidence: Evidence) -> pages.Novelty | None:
    novelty = evidence.novelty
    if novelty is None:
        return None
    return pages.Novelty(
        limit=novelty.limit,
        false_alarm_rate=novelty.false_alarm,
        n_reference=len(evidence.rows_train),
        n_unlike=evidence.n_unlike,
        n_judged=len(evidence.rows_valid),
    )


def _test_part(test: Mapping[str, Any] | None) -> dict[str, Any]:
    if test is None:
        return {}
    apart = test["without_leaks"]
    return {
        "test_n": test["n"],
        "test_n_right": test["n_right"],
        "test_accuracy": test["accuracy"],
        "test_interval": tuple(test["accuracy_interval"]),
        "test_n_leaked": test["n_leaked"],
        "test_without_leaks": None if apart is None else apart["accuracy"],
    }


def _classes(evidence: Evidence) -> tuple[pages.ClassFigures, ...]:
    rows = evidence.plan.manifest.rows
    n_train = Counter(rows[k].label for k in evidence.rows_train.tolist())
    return tuple(
        pages.ClassFigures(
            name=c.class_name,
            n_labelled=c.n,
            n_answered=c.n_predicted,
            precision=c.precision,
            recall=c.recall,
            precision_interval=_shown(c.precision, c.precision_interval),
            recall_interval=_shown(c.recall, c.recall_interval),
            n_train=n_train[c.class_name],
        )
        for c in evidence.verdict.figures.per_class
    )


def _shown(value: float | None, interval: Interval) -> Interval | None:
    return None if value is None else interval


def _promises(verdict: Verdict) -> tuple[pages.Promise, ...]:
    asked = (
        verdict.guarantees if verdict.unsure in verdict.guarantees else (verdict.unsure, *verdict.guarantees)
    )
    shared = [(None, g) for g in asked]
    for each in verdict.per_class_guarantees:
        shared += list(zip(verdict.class_names, each, strict=True))  # type: ignore[arg-type]
    return tuple(
        pages.Promise(
            precision=g.precision,
            confidence=g.confidence,
            threshold=g.threshold,
            n_accepted=g.n_accepted,
            n_calibration=g.n_calibration,
            n_more=g.n_more_needed,
            class_name=name,
        )
        for name, g in shared
    )


def _doubtful(evidence: Evidence, thumbs: Thumbs) -> pages.Gallery:
    """Return likely label errors, with the probability of the class to look at."""
    verdict = evidence.verdict
    rows, probabilities = fair_probabilities(evidence)
    begins = {"train": 0, "valid": len(evidence.fit.oof_logits)}
    shown = []
    for suspect in verdict.suspects[:SHOWN]:
        k, suggested = begins[suspect.part] + suspect.index, suspect.suggested
        shown.append(
            thumbs.of(
                int(rows[k]),
                answer=verdict.class_names[suggested],
                probability=float(probabilities[k, suggested]),
            )
        )
    return pages.Gallery(tuple(shown), len(verdict.suspects))


def _leak_figures(verdict: Verdict) -> tuple[pages.Comparison, ...]:
    clean = verdict.without_leaks
    if clean is None:
        return ()
    keys = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
    return tuple(pages.Comparison(key, getattr(verdict.figures, key), getattr(clean, key)) for key in keys)


def _change_list(evidence: Evidence, changes: Changes, thumbs: Thumbs) -> tuple[pages.Change, ...]:
    names, made = evidence.verdict.class_names, []
    for k in changes.comparison.changed[:SHOWN].tolist():
        row, p = int(changes.rows[k]), changes.probabilities[k]
        before = changes.before[k]
        thumb = thumbs.of(row, answer=names[int(p.argmax())], probability=float(p.max()))
        made.append(pages.Change(thumb, before.answer, before.probability))
    return tuple(made)


def _settings(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    config = evidence.config
    flat = {
        "seed": config.seed,
        "share held out": config.valid_share,
        "views": config.backbone.views,
        "fit": config.backbone.fit,
        "size": f"{evidence.encoder.preprocess.size} px",
        "classes balanced": config.balance,
        "since": config.since or "",
        "dropped": ", ".join(config.source.drop),
        "merged": ", ".join(f"{old} into {new}" for old, new in config.source.merge.items()),
        "groups": config.source.group_by or config.source.group_pattern or "",
        "penalty chosen": f"{evidence.fit.head.penalty:.3g}" if evidence.fit.path else "",
    }
    return tuple((name, str(value)) for name, value in flat.items() if value not in ("", None))
