"""The verdict under the names of metrics.json: plain lists, numbers, strings and None."""

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fovea.judge.verdict import Verdict

from fovea.judge.metrics import Figures


def figures_json(figures: Figures) -> dict[str, object]:
    """Return the figures of one set of pictures; per-class figures by class name."""
    fields = {name: getattr(figures, name) for name in Figures.__slots__}
    fields["accuracy_interval"] = list(figures.accuracy_interval)
    fields["confusion"] = figures.confusion.tolist()
    fields["classes_left_out"] = list(figures.classes_left_out)
    fields["per_class"] = {
        c.class_name: {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(c).items()
            if key != "class_name"
        }
        for c in figures.per_class
    }
    if figures.top5_accuracy is None:
        del fields["top5_accuracy"]
    return fields


def verdict_json(verdict: "Verdict") -> dict[str, object]:
    """Return every figure of the verdict; lists of pictures stay with the caller, who knows their paths."""
    out = figures_json(verdict.figures)
    out["n_measured"] = out.pop("n")
    out |= {
        "class_names": list(verdict.class_names),
        "measured": verdict.measured,
        "temperature": verdict.temperature,
        "ece": verdict.ece,
        "ece_before": verdict.ece_before,
        "ece_floor": verdict.ece_floor,
        "reliability": [
            asdict(b) | {"accuracy_interval": list(b.accuracy_interval)} for b in verdict.reliability
        ],
        "n_leaked": verdict.n_leaked,
        "unsure_threshold": verdict.unsure_threshold,
        "unsure": asdict(verdict.unsure),
        "guarantees": [asdict(g) for g in verdict.guarantees],
        "n_mistakes": len(verdict.mistakes),
        "n_suspects": len(verdict.suspects),
    }
    if verdict.promise_kept is not None:
        n, n_right, interval = verdict.promise_kept
        out["promise_kept"] = {"n_accepted": n, "n_right": n_right, "interval": list(interval)}
    if verdict.per_class_guarantees:
        out["per_class_guarantees"] = [
            {name: asdict(g) for name, g in zip(verdict.class_names, each, strict=True)}
            for each in verdict.per_class_guarantees
        ]
    if verdict.without_leaks is not None:
        out["accuracy_without_leaks"] = verdict.without_leaks.accuracy
        out["accuracy_without_leaks_interval"] = list(verdict.without_leaks.accuracy_interval)
        out["without_leaks"] = figures_json(verdict.without_leaks)
    return out
