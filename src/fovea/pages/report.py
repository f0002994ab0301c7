"""What a run's report shows, as plain values (`Report`), and the one HTML file made of them.

Whoever trained or evaluated fills a Report; nothing here is computed from pictures or arrays. Shares and
probabilities lie in [0, 1], intervals are (low, high), and an empty section leaves no trace on the page.
"""

from dataclasses import dataclass

from fovea.pages.plots import reliability_svg
from fovea.pages.privacy import without_secrets
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.training import Training, accuracy_svg, loss_svg, rate_svg
from fovea.pages.words import about_test, opening

MAX_THUMBS = 24  # a gallery's pictures; with 160 px thumbnails the page stays near 1 MB
MAX_MATRIX = 20  # classes up to which a confusion matrix can be read; beyond it, pairs
MAX_ROWS = 30  # rows of a long table before the rest folds away
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Thumb:
    """One picture: its path, what it was labelled, what was answered how surely, and a small JPEG or None."""

    path: str
    label: str | None = None
    answer: str | None = None
    probability: float | None = None
    jpeg: bytes | None = None
    split: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures to show, the most important first; `n_total` counts those not given too (None: all are)."""

    thumbs: tuple[Thumb, ...] = ()
    n_total: int | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the figures table: a key of metrics.json (`words.GLOSSARY` explains it) and its value."""

    key: str
    value: float
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: judged pictures labelled so, answered so, and its precision and recall (None: undefined)."""

    name: str
    n_labelled: int
    n_answered: int
    precision: float | None
    recall: float | None
    precision_interval: Interval | None = None
    recall_interval: Interval | None = None
    n_train: int | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of the reliability plot: n answers stated at `mean_probability`, of which `share_right` are."""

    n: int
    mean_probability: float
    share_right: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Promise:
    """Answers at or above `threshold` hold a precision; threshold None: not promised, `n_more` would help."""

    precision: float
    confidence: float
    threshold: float | None
    n_accepted: int = 0
    n_calibration: int = 0
    n_more: int | None = None
    class_name: str | None = None  # None: over all classes


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that show the same; `kind` is "same bytes", "same pixels" or "near"."""

    first: Thumb
    second: Thumb
    kind: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure over all judged pictures, and without those that (nearly) stand in the training part too."""

    key: str
    value: float
    without: float


@dataclass(frozen=True, slots=True)
class Novelty:
    """How the limit for "unlike anything seen" was set, and how many judged pictures lie beyond it."""

    limit: float
    false_alarm_rate: float
    n_reference: int
    n_unlike: int = 0
    n_judged: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """A picture whose answer differs from the earlier run's."""

    thumb: Thumb
    before: str
    before_probability: float | None = None


@dataclass(frozen=True, slots=True)
class StageTime:
    """Seconds of one stage, and pictures per second where that means something."""

    name: str
    seconds: float
    images_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All that report.html shows. Only the first block is required; the rest vanishes where it is empty.

    `protocol` is "given", "held-out" or "cross-validated"; `confusion[i][j]` counts pictures
    labelled class_names[i] and answered class_names[j]; `settings` and `provenance` are (name, value).
    """

    title: str
    protocol: str
    class_names: tuple[str, ...]
    n_judged: int
    n_right: int
    accuracy: float
    accuracy_interval: Interval
    n_baseline_right: int
    baseline_class: str

    source: str = ""  # the folder or manifest that was read
    next_steps: tuple[str, ...] = ()  # sentences, the most useful first
    notes: tuple[str, ...] = ()  # sentences about splits, classes and what the figures leave out
    figures: tuple[Figure, ...] = ()
    test_n: int = 0  # pictures of the test split; 0: there is none
    test_n_right: int = 0
    test_accuracy: float | None = None
    test_interval: Interval | None = None
    test_n_leaked: int = 0  # of them, those that stand in the other splits too
    test_without_leaks: float | None = None  # accuracy over the others
    training: Training | None = None
    classes: tuple[ClassFigures, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    reliability: tuple[Bin, ...] = ()
    promises: tuple[Promise, ...] = ()
    mistakes: Gallery = Gallery()
    label_issues: Gallery = Gallery()  # thumbs: label is what was given, answer what is suggested
    duplicates: tuple[Pair, ...] = ()
    n_duplicates: int | None = None
    n_leaked: int = 0
    leak_figures: tuple[Comparison, ...] = ()
    quarantined: tuple[tuple[str, str], ...] = ()  # (path, reason)
    conversions: tuple[tuple[str, int], ...] = ()  # (one of Facts.conversions, n_pictures)
    novelty: Novelty | None = None
    since: str = ""  # the earlier run's name
    changes_text: str = ""  # what changed in numbers, and whether that is more than chance
    changes: tuple[Change, ...] = ()
    n_changes: int | None = None
    stages: tuple[StageTime, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    private: bool = False  # no thumbnails, no absolute paths

    @property
    def baseline_accuracy(self) -> float:
        """Return the share that always answering the commonest class gets right."""
        return self.n_baseline_right / self.n_judged if self.n_judged else 0.0


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """One cell off the diagonal: n of the n_labelled pictures labelled so were answered otherwise."""

    label: str
    answer: str
    n: int
    n_labelled: int


@dataclass(frozen=True, slots=True)
class Section:
    """One heading of the page; `name` is both its anchor and its macro in report_sections.html."""

    name: str
    title: str
    entries: object = ()  # shown where this is true


def render_report(report: Report) -> str:
    """Return report.html: one file that needs nothing else, the same bytes for the same report."""
    report = named(without_secrets(report) if report.private else report)
    return render(
        "report.html",
        report=report,
        opening=opening(report),
        about_test=about_test(report),
        sections=[section for section in _sections(report) if section.entries],
        pairs=confused_pairs(report),
        plot=reliability_svg(report.reliability),
        loss_svg=loss_svg,
        accuracy_svg=accuracy_svg,
        rate_svg=rate_svg,
        weakest_first=sorted(report.classes, key=lambda row: (row.recall is None, row.recall, row.name)),
        max_thumbs=MAX_THUMBS,
        max_matrix=MAX_MATRIX,
        max_rows=MAX_ROWS,
    )


def confused_pairs(report: Report) -> list[ConfusedPair]:
    """Return the cells off the diagonal that are not zero, the largest first."""
    names = report.class_names
    pairs = [
        ConfusedPair(names[i], names[j], n, sum(row))
        for i, row in enumerate(report.confusion)
        for j, n in enumerate(row)
        if n and i != j
    ]
    return sorted(pairs, key=lambda pair: (-pair.n, pair.label, pair.answer))


def _sections(report: Report) -> list[Section]:
    many = len(report.class_names) > MAX_MATRIX
    wrong = report.n_judged - report.n_right
    return [
        Section("figures", "The figures", report.figures),
        Section("test", "The test split", report.test_n),
        Section("training", "What was trained", (report.training,) if report.training else ()),
        Section("classes", "Class by class", report.classes),
        Section("confusion", "Most often confused" if many else "What is taken for what", report.confusion),
        Section("reliability", "Can its probabilities be believed?", report.reliability),
        Section("promises", "When it may answer alone", report.promises),
        Section("mistakes", "Its most confident mistakes", report.mistakes.thumbs if wrong else ()),
        Section("labels", "Labels to look at", report.label_issues.thumbs),
        Section("duplicates", "Pictures that are there twice", report.duplicates or report.leak_figures),
        Section("quarantined", "Files left out", report.quarantined),
        Section("pictures", "How the pictures were read", report.conversions),
        Section("novelty", "Unlike anything seen", (report.novelty,) if report.novelty else ()),
        Section(
            "changes", "Answers that changed", report.changes or ((report.since,) if report.since else ())
        ),
        Section("making", "How it was made", report.stages or report.settings or report.provenance),
    ]
