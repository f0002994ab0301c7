"""What the report of a run of numbers or labels shows, as plain values (`TargetReport`), and the HTML made of them.

An empty section leaves no trace. What a report of classes shows too is drawn by the same macros.
"""

from dataclasses import dataclass

from fovea.pages.privacy import without_secrets
from fovea.pages.report import (
    MAX_ROWS,
    MAX_THUMBS,
    ClassFigures,
    Gallery,
    Interval,
    Novelty,
    Pair,
    Promise,
    Section,
    StageTime,
)
from fovea.pages.scatter import error_svg, predicted_svg
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.training import Training, accuracy_svg, loss_svg, rate_svg
from fovea.pages.words import term

NOTHING = Gallery()


@dataclass(frozen=True, slots=True)
class Measured:
    """One row of the figures table: a key of the glossary, its value and interval in words."""

    key: str
    value: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class TargetReport:
    """All that the page shows. `lead` is the sentence that it opens with, in two parts; `share` a bar below it.

    `points` are (true, predicted) numbers; `rankings` are (label, average precision, its interval, share of pictures that
    have it, threshold). For the rest see `Report`.
    """

    title: str
    protocol: str
    lead: tuple[str, str]
    n_judged: int
    figures: tuple[Measured, ...]

    share: float | None = None
    share_interval: Interval | None = None
    share_baseline: float | None = None
    points: tuple[tuple[float, float], ...] = ()
    half_width: float = 0.0
    ranges: str = ""
    classes: tuple[ClassFigures, ...] = ()
    rankings: tuple[tuple[str, float | None, Interval | None, float, float], ...] = ()
    promises: tuple[Promise, ...] = ()
    worst: Gallery = NOTHING  # thumbs: label is what it is, answer what was said
    source: str = ""
    next_steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    duplicates: tuple[Pair, ...] = ()
    n_duplicates: int | None = None
    n_leaked: int = 0
    leak_figures: tuple[object, ...] = ()
    test_n_leaked: int = 0
    quarantined: tuple[tuple[str, str], ...] = ()
    conversions: tuple[tuple[str, int], ...] = ()
    novelty: Novelty | None = None
    training: Training | None = None
    stages: tuple[StageTime, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    private: bool = False


def render_target(report: TargetReport) -> str:
    """Return report.html: one file that needs nothing else, the same bytes for the same report."""
    report = named(without_secrets(report) if report.private else report)
    return render(
        "command.html",
        command="train",
        page=report,
        report=report,
        opening=report.lead,
        sections=[section for section in _sections(report) if section.entries],
        weakest_first=sorted(report.classes, key=lambda row: (row.recall is None, row.recall, row.name)),
        predicted_plot=predicted_svg(report.points, half_width=report.half_width) if report.points else "",
        error_plot=error_svg(report.points, half_width=report.half_width) if report.points else "",
        loss_svg=loss_svg,
        accuracy_svg=accuracy_svg,
        rate_svg=rate_svg,
        max_thumbs=MAX_THUMBS,
        max_rows=MAX_ROWS,
    )


def render_target_fragment(report: TargetReport) -> str:
    """Return the run in a notebook: the opening sentence and the figures."""
    report = named(without_secrets(report) if report.private else report)
    facts = [(term(row.key).title, f"{row.value} {row.interval}".strip()) for row in report.figures]
    return render(
        "facts_fragment.html", lead="".join(report.lead), facts=facts, sentences=list(report.next_steps)
    )


def _sections(report: TargetReport) -> list[Section]:
    return [
        Section("figures", "The figures", report.figures),
        Section("training", "What was trained", (report.training,) if report.training else ()),
        Section("points", "Predicted and true", report.points),
        Section("classes", "Label by label", report.classes),
        Section("rankings", "How well each label is ranked", report.rankings),
        Section("promises", "What is promised of an answer", report.promises),
        Section("worst", "Where it is most wrong", report.worst.thumbs),
        Section("duplicates", "Pictures that are there twice", report.duplicates),
        Section("quarantined", "Files left out", report.quarantined),
        Section("pictures", "How the pictures were read", report.conversions),
        Section("novelty", "Unlike anything seen", (report.novelty,) if report.novelty else ()),
        Section("making", "How it was made", report.stages or report.settings or report.provenance),
    ]
