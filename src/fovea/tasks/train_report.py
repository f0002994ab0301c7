"""The evidence of a run: metrics.json, report.html, manifest.csv and predictions.csv, made of what was learned and judged."""

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import PictureError
from fovea.features import Encoder
from fovea.judge import Comparison, Interval, NoveltyScore, Verdict, compare, next_steps, softmax
from fovea.learn import ProbeFit
from fovea.manifest import SplitPlan, fingerprint
from fovea.manifest.saved import manifest_bytes
from fovea.pages import report as pages
from fovea.pictures import thumbnail_jpeg
from fovea.progress import Progress
from fovea.tasks.copies import Copies
from fovea.tasks.gather import Gathered
from fovea.tasks.train_since import Earlier, write_answers

if TYPE_CHECKING:
    from fovea.tasks.train import Config

SHOWN = pages.MAX_THUMBS


@dataclass(frozen=True)
class Evidence:
    """What a run learned, as arrays and objects; rows are numbers into the manifest."""

    config: "Config"
    encoder: Encoder
    gathered: Gathered
    plan: SplitPlan
    copies: Copies
    rows_train: NDArray[np.int64]
    rows_valid: NDArray[np.int64]
    leaked: NDArray[np.bool_]
    fit: ProbeFit
    valid_logits: NDArray[np.float32]
    verdict: Verdict
    novelty: NoveltyScore | None
    n_unlike: int
    test: Mapping[str, Any] | None
    earlier: Earlier | None
    seconds: Mapping[str, float]
    notes: Sequence[str]

    @property
    def measured_rows(self) -> NDArray[np.int64]:
        """The rows that the verdict's indices count."""
        return self.rows_valid if self.verdict.measured == "valid" else self.rows_train


def evidence_files(
    evidence: Evidence, *, progress: Progress
) -> tuple[dict[str, Any], dict[str, bytes], pages.Report]:
    """Return the figures, the files to lay beside the model by name, and the page's values."""
    changes = _changes(evidence)
    metrics = _metrics(evidence, changes)
    report = _report(evidence, metrics, changes, progress=progress)
    files = {
        "metrics.json": (json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(),
        "report.html": pages.render_report(report).encode(errors="surrogateescape"),
        "manifest.csv": manifest_bytes(evidence.plan.manifest),
        "predictions.csv": _answers(evidence),
    }
    return metrics, files, report


def _metrics(evidence: Evidence, changes: "_Changes | None") -> dict[str, Any]:
    seconds = {name: round(value, 3) for name, value in evidence.seconds.items()}
    rows = evidence.plan.manifest.rows
    n_contents = len(evidence.gathered.sha256s)
    metrics: dict[str, Any] = {
        **evidence.verdict.to_json(),
        "protocol": evidence.plan.protocol,
        "n_train": len(evidence.rows_train),
        "n_valid": len(evidence.rows_valid),
        "n_test": 0 if evidence.test is None else evidence.test["n"],
        "n_quarantined": sum(bool(row.problem) for row in rows),
        "n_near_duplicates": len(evidence.copies.near),
        "images_per_second": round(n_contents / max(seconds["extract"], 1e-9), 1),
        "n_decoded": evidence.gathered.n_decoded,
        "seconds": seconds,
        "backbone": evidence.encoder.name,
        "input_px": [evidence.encoder.preprocess.height_px, evidence.encoder.preprocess.width_px],
        "engine": evidence.encoder.engine,
        "precision": evidence.encoder.precision,
        "penalty": evidence.fit.head.penalty,
        "seed": evidence.config.seed,
        "data_fingerprint": fingerprint(evidence.plan.manifest),
        "notes": list(evidence.notes),
        "next_steps": _next_steps(evidence),
    }
    if evidence.test is not None:
        metrics["test"] = evidence.test
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


def _next_steps(evidence: Evidence) -> list[str]:
    quarantined = sum(bool(row.problem) for row in evidence.plan.manifest.rows)
    embedded = evidence.config.backbone.weights is None
    return next_steps(evidence.verdict, n_quarantined=quarantined, small_backbone=embedded)


@dataclass(frozen=True)
class _Changes:
    """What differs from the earlier run: rows compared, the answers before and now, and the comparison."""

    earlier: Earlier
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    comparison: Comparison


def _fair_probabilities(evidence: Evidence) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows of both parts and their probabilities by a head that had not seen them."""
    rows = np.concatenate([evidence.rows_train, evidence.rows_valid])
    logits = np.concatenate([evidence.fit.oof_logits, evidence.valid_logits])
    return rows, np.asarray(softmax(logits, evidence.verdict.temperature), np.float64)


def _answers(evidence: Evidence) -> bytes:
    rows, probabilities = _fair_probabilities(evidence)
    chosen = [evidence.plan.manifest.rows[k] for k in rows.tolist()]
    return write_answers(
        [row.sha256 for row in chosen],
        [row.split for row in chosen],
        labels=[row.label or "" for row in chosen],
        probabilities=probabilities,
        class_names=evidence.verdict.class_names,
    )


def _changes(evidence: Evidence) -> _Changes | None:
    earlier = evidence.earlier
    if earlier is None:
        return None
    rows, probabilities = _fair_probabilities(evidence)
    all_rows = evidence.plan.manifest.rows
    both = np.array([all_rows[k].sha256 in earlier.answers for k in rows.tolist()], np.bool_)
    rows, probabilities = rows[both], probabilities[both]
    names = list(evidence.verdict.class_names)
    names += sorted({answer.answer for answer in earlier.answers.values()} - set(names))
    number = {name: k for k, name in enumerate(names)}
    old = np.array([number[earlier.answers[all_rows[k].sha256].answer] for k in rows.tolist()], np.int64)
    labels = np.array([number.get(all_rows[k].label or "", -1) for k in rows.tolist()], np.int64)
    new = probabilities.argmax(axis=1) if len(rows) else np.zeros(0, np.int64)
    return _Changes(earlier, rows, probabilities, compare(old, new, labels=labels))


class _Thumbs:
    """Makes the page's pictures from the user's files; none with --private, none where a file has gone."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.rows = evidence.plan.manifest.rows

    def of(self, row: int, *, answer: str | None = None, probability: float | None = None) -> pages.Thumb:
        """Return the picture of a row."""
        one = self.rows[row]
        return pages.Thumb(
            path=one.path,
            label=one.label,
            answer=answer,
            probability=probability,
            jpeg=self._jpeg(row),
            split=one.split,
        )

    def _jpeg(self, row: int) -> bytes | None:
        if self.evidence.config.private:
            return None
        try:
            return thumbnail_jpeg(self.evidence.plan.manifest.file(self.rows[row]).read_bytes())
        except (OSError, PictureError):
            return None


def _report(
    evidence: Evidence, metrics: Mapping[str, Any], changes: _Changes | None, *, progress: Progress
) -> pages.Report:
    verdict, figures = evidence.verdict, evidence.verdict.figures
    thumbs = _Thumbs(evidence)
    names = verdict.class_names
    measured = evidence.measured_rows
    sides = {"train": evidence.rows_train, "valid": measured}
    quarantined = [(row.path, row.problem) for row in evidence.plan.manifest.rows if row.problem]
    progress("report", 0, 1)
    report = pages.Report(
        title=evidence.config.out.name,
        protocol=evidence.plan.protocol,
        class_names=names,
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
        classes=_classes(evidence),
        confusion=tuple(tuple(line) for line in figures.confusion.tolist()),
        reliability=tuple(
            pages.Bin(b.n, b.mean_probability or 0.0, b.accuracy or 0.0, b.accuracy_interval)
            for b in verdict.reliability
            if b.n
        ),
        promises=_promises(verdict),
        mistakes=pages.Gallery(
            tuple(
                thumbs.of(int(measured[m.index]), answer=names[m.answer], probability=m.probability)
                for m in verdict.mistakes[:SHOWN]
            ),
            len(verdict.mistakes),
        ),
        label_issues=pages.Gallery(
            tuple(
                thumbs.of(int(sides[s.part][s.index]), answer=names[s.suggested])
                for s in verdict.suspects[:SHOWN]
            ),
            len(verdict.suspects),
        ),
        duplicates=(pairs := _pairs(evidence, thumbs))[0],
        n_duplicates=pairs[1],
        n_leaked=verdict.n_leaked,
        leak_figures=_leak_figures(verdict),
        quarantined=tuple(quarantined),
        conversions=_conversions(evidence),
        novelty=None
        if evidence.novelty is None
        else pages.Novelty(
            limit=evidence.novelty.limit,
            false_alarm_rate=evidence.novelty.false_alarm,
            n_reference=len(evidence.rows_train),
            n_unlike=evidence.n_unlike,
            n_judged=len(evidence.rows_valid),
        ),
        since="" if changes is None else changes.earlier.folder.name,
        changes=() if changes is None else _change_list(evidence, changes, thumbs),
        n_changes=None if changes is None else len(changes.comparison.changed),
        stages=_stages(metrics),
        settings=_settings(evidence),
        provenance=_provenance(evidence, metrics),
        private=evidence.config.private,
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
    shared = [(None, g) for g in (verdict.unsure, *verdict.guarantees)]
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


def _pairs(evidence: Evidence, thumbs: _Thumbs) -> tuple[tuple[pages.Pair, ...], int]:
    """Return pairs of rows that show the same, those across the sides first, and how many there are in all."""
    rows = evidence.plan.manifest.rows
    members: dict[int, list[int]] = {}
    for number, k in enumerate(evidence.gathered.content.tolist()):
        if k >= 0:
            members.setdefault(k, []).append(number)
    found = [(same[0], other, "same bytes") for same in members.values() for other in same[1:]]
    found += [
        (members[a][0], members[b][0], "same pixels") for a, b in _couples(evidence.copies.same, members)
    ]
    found += [
        (members[a][0], members[b][0], "near") for a, b in _couples(evidence.copies.near.tolist(), members)
    ]

    def importance(pair: tuple[int, int, str]) -> tuple[bool, bool]:
        one, other = rows[pair[0]], rows[pair[1]]
        return (one.split == other.split, one.label == other.label)

    found.sort(key=importance)
    shown = tuple(pages.Pair(thumbs.of(a), thumbs.of(b), kind) for a, b, kind in found[: SHOWN // 2])
    return shown, len(found)


def _couples(groups: Iterable[Sequence[int]], members: Mapping[int, list[int]]) -> list[tuple[int, int]]:
    return [
        (group[0], other)
        for group in groups
        for other in group[1:]
        if group[0] in members and other in members
    ]


def _leak_figures(verdict: Verdict) -> tuple[pages.Comparison, ...]:
    clean = verdict.without_leaks
    if clean is None:
        return ()
    keys = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
    return tuple(pages.Comparison(key, getattr(verdict.figures, key), getattr(clean, key)) for key in keys)


def _conversions(evidence: Evidence) -> tuple[tuple[str, int], ...]:
    counts = Counter(
        name for facts in evidence.gathered.facts if facts is not None for name in facts.conversions
    )
    return tuple(counts.most_common())


def _change_list(evidence: Evidence, changes: _Changes, thumbs: _Thumbs) -> tuple[pages.Change, ...]:
    names, shown = evidence.verdict.class_names, changes.comparison.changed[:SHOWN].tolist()
    made = []
    for k in shown:
        row, p = int(changes.rows[k]), changes.probabilities[k]
        before = changes.earlier.answers[evidence.plan.manifest.rows[row].sha256]
        thumb = thumbs.of(row, answer=names[int(p.argmax())], probability=float(p.max()))
        made.append(pages.Change(thumb, before.answer, before.probability))
    return tuple(made)


def _stages(metrics: Mapping[str, Any]) -> tuple[pages.StageTime, ...]:
    return tuple(
        pages.StageTime(name, value, metrics["images_per_second"] if name == "extract" else None)
        for name, value in metrics["seconds"].items()
    )


def _settings(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    config = evidence.config
    flat = {
        "seed": config.seed,
        "share held out": config.valid_share,
        "views": config.backbone.views,
        "fit": config.backbone.fit,
        "classes balanced": config.balance,
        "since": config.since or "",
        "dropped": ", ".join(config.source.drop),
        "merged": ", ".join(f"{old} into {new}" for old, new in config.source.merge.items()),
        "groups": config.source.group_by or config.source.group_pattern or "",
        "penalty chosen": f"{evidence.fit.head.penalty:.3g}",
    }
    return tuple((name, str(value)) for name, value in flat.items() if value not in ("", None))


def _provenance(evidence: Evidence, metrics: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    encoder, px = evidence.encoder, metrics["input_px"]
    return (
        (
            "backbone",
            f"{encoder.name}, {px[0]} × {px[1]} px (height × width), {encoder.n_features:,} features",
        ),
        ("licence of its weights", encoder.licence),
        ("engine", f"{encoder.engine} {version('openvino')}, {encoder.precision}, {encoder.threads} threads"),
        ("fovea", version("fovea-vision")),
        ("Python", f"{platform.python_version()}, numpy {np.__version__}"),
        ("data fingerprint", metrics["data_fingerprint"]),
    )
