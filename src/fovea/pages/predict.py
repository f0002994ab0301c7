"""What `predict --html` shows, as plain values (`PredictPage`), and the one HTML file made of them."""

from dataclasses import dataclass

from fovea.pages.report import MAX_ROWS, Section, Thumb
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import opening_predict

MAX_CHART = 20  # bars before the rest folds away: the pictures are what people look for


@dataclass(frozen=True, slots=True)
class Answered:
    """One picture, its answer, the likeliest classes with their probabilities, and what to know beside it."""

    thumb: Thumb
    bars: tuple[tuple[str, float], ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class PredictPage:
    """All that the page of `predict` shows; `classes` are (name, n), the commonest first, `model` is who answered.

    `sure` is what an answer was to be as probable as (`--sure`); None: the answer is the likeliest class.
    """

    title: str
    model: str
    n_pictures: int
    n_problems: int = 0
    n_unsure: int | None = 0
    n_unlike: int | None = 0
    sure: float | None = None
    classes: tuple[tuple[str, int], ...] = ()
    answers: tuple[Answered, ...] = ()  # of readable pictures
    n_answers: int | None = None  # those not given too; None: all are
    quarantined: tuple[tuple[str, str], ...] = ()  # (path, reason)
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_predict(page: PredictPage) -> str:
    """Return the page of `predict`: one file that needs nothing else, the same bytes for the same values."""
    page = named(page)
    return render(
        "command.html",
        command="predict",
        page=page,
        opening=opening_predict(page),
        sections=[section for section in _sections(page) if section.entries],
        most=max((n for _, n in page.classes), default=1) or 1,
        max_chart=MAX_CHART,
        max_rows=MAX_ROWS,
    )


def _sections(page: PredictPage) -> list[Section]:
    return [
        Section("classes", "What it was called", page.classes),
        Section("pictures", "Picture by picture", page.answers),
        Section("quarantined", "Files that could not be read", page.quarantined),
    ]
