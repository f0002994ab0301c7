"""What `suspects --html` shows, as plain values (`SuspectsPage`), and the one HTML file made of them."""

from dataclasses import dataclass

from fovea.pages.privacy import without_secrets
from fovea.pages.report import MAX_ROWS, Section, Thumb
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import NBSP, plural

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class YieldRow:
    """What to expect of the `n` most doubtful labels: shares with their 95 % intervals."""

    n: int
    precision: float
    precision_interval: Interval
    recall: float
    recall_interval: Interval


@dataclass(frozen=True, slots=True)
class DoubtedLabel:
    """A picture under its given label, what is suggested instead, and the nearest pictures of both.

    `probe` and `votes` are (given, suggested) shares in [0, 1]; `doubt` in [0.5, 1].
    """

    thumb: Thumb
    suggested: str
    doubt: float
    probe: tuple[float, float]
    votes: tuple[float, float]
    nearest_label: tuple[Thumb, ...] = ()
    nearest_suggested: tuple[Thumb, ...] = ()


@dataclass(frozen=True, slots=True)
class Stranger:
    """A picture unlike all others, and how far it is from its nearest."""

    thumb: Thumb
    distance: float


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class: its pictures, how many of their labels are doubted, and the class most often suggested ("": none)."""

    name: str
    n: int
    n_doubted: int
    suggested: str = ""
    n_suggested: int = 0


@dataclass(frozen=True, slots=True)
class SuspectsPage:
    """All that the page of `suspects` shows; `n_suspects` and `n_outliers` count those not given too."""

    title: str
    n_pictures: int
    n_suspects: int
    n_errors: float
    n_errors_interval: Interval
    n_planted: int
    yields: tuple[YieldRow, ...] = ()
    doubted: tuple[DoubtedLabel, ...] = ()
    outliers: tuple[Stranger, ...] = ()
    n_outliers: int = 0
    classes: tuple[ClassRow, ...] = ()
    quarantined: tuple[tuple[str, str], ...] = ()  # (path, reason)
    fixes: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_suspects(page: SuspectsPage) -> str:
    """Return the page of `suspects`: one file that needs nothing else, the same bytes for the same values."""
    page = named(without_secrets(page) if page.private else page)
    sections = [
        Section("doubted", "Doubted labels", page.doubted),
        Section("yields", "How many of them are wrong", page.yields),
        Section("classes", "Class by class", page.classes),
        Section("outliers", "Pictures unlike all others", page.outliers),
        Section("quarantined", "Files that could not be read", page.quarantined),
    ]
    return render(
        "command.html",
        command="suspects",
        page=page,
        opening=_opening(page),
        sections=[section for section in sections if section.entries],
        max_rows=MAX_ROWS,
    )


def _opening(page: SuspectsPage) -> tuple[str, str]:
    """Return how many labels are likely wrong, and what of them is listed."""
    low, high = page.n_errors_interval
    listed = f"{plural(page.n_suspects, 'label')} of {page.n_pictures:,} {'is' if page.n_suspects == 1 else 'are'} doubted"
    if not page.yields:
        return listed, "."
    n = round(page.n_errors)
    some = "No label" if not n else "1 label" if n == 1 else f"Some {n:,}"
    return (
        f"{some} of {page.n_pictures:,} {'is' if n < 2 else 'labels are'} likely wrong",
        f" (95{NBSP}% interval {low:,.0f} to {high:,.0f}); {plural(page.n_suspects, 'label')} "
        f"{'is' if page.n_suspects == 1 else 'are'} listed, the most doubtful first.",
    )
