"""What `check --html` shows, as plain values (`CheckPage`), and the one HTML file made of them."""

from dataclasses import dataclass

from fovea.pages.privacy import without_secrets
from fovea.pages.report import MAX_ROWS, MAX_THUMBS, Section, Thumb
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import opening_check

MAX_SAMPLES = 6  # pictures shown of every class: one row on a wide screen
MAX_COPIES = 6  # pictures shown of one set of copies


@dataclass(frozen=True, slots=True)
class ClassCount:
    """One class: how many pictures, in which splits, and a few of them to look at."""

    name: str
    n: int
    splits: tuple[tuple[str, int], ...] = ()
    samples: tuple[Thumb, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckPage:
    """All that the page of `check` shows; everything but the first block vanishes where it is empty.

    `duplicates` holds sets of pictures that show the same; `formats` and `conversions` are (name, n).
    """

    title: str
    n_pictures: int  # readable ones
    n_quarantined: int
    classes: tuple[ClassCount, ...] = ()

    source: str = ""
    next_steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # sentences about layout: ignored folders, names that differ only in case...
    samples: tuple[Thumb, ...] = ()  # where there are no classes
    quarantined: tuple[tuple[str, str], ...] = ()  # (path, reason)
    duplicates: tuple[tuple[Thumb, ...], ...] = ()
    n_duplicates: int | None = None  # sets, those not given too
    conversions: tuple[tuple[str, int], ...] = ()  # (one of Facts.conversions, n_pictures)
    formats: tuple[tuple[str, int], ...] = ()
    private: bool = False


def render_check(page: CheckPage) -> str:
    """Return the page of `check`: one file that needs nothing else, the same bytes for the same values."""
    page = named(without_secrets(page) if page.private else page)
    return render(
        "command.html",
        command="check",
        page=page,
        opening=opening_check(page),
        sections=[section for section in _sections(page) if section.entries],
        most=max((entry.n for entry in page.classes), default=1) or 1,
        max_samples=MAX_SAMPLES,
        max_copies=MAX_COPIES,
        max_sets=MAX_THUMBS // 2,
        max_rows=MAX_ROWS,
    )


def _sections(page: CheckPage) -> list[Section]:
    return [
        Section("classes", "Classes", page.classes),
        Section("samples", "Some of the pictures", page.samples or any(c.samples for c in page.classes)),
        Section("quarantined", "Files left out", page.quarantined),
        Section("duplicates", "Pictures that are there more than once", page.duplicates),
        Section("pictures", "What kind of files they are", page.formats or page.conversions),
    ]
