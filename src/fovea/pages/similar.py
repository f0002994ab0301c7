"""What `similar --html` shows, as plain values (`SimilarPage`), and the one HTML file made of them: a contact sheet."""

from dataclasses import dataclass

from fovea.pages.privacy import without_secrets
from fovea.pages.report import MAX_ROWS, Section, Thumb
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import plural


@dataclass(frozen=True, slots=True)
class Found:
    """A query, its pictures (several where they were looked for as one), and what was found, (how alike, picture)."""

    name: str
    pictures: tuple[Thumb, ...]
    matches: tuple[tuple[str, Thumb], ...]


@dataclass(frozen=True, slots=True)
class SimilarPage:
    """All that the page of `similar` shows; `compares` says by what, `n_answers` counts those not given too."""

    title: str
    n_pictures: int
    n_answers: int
    compares: str
    answers: tuple[Found, ...] = ()
    quarantined: tuple[tuple[str, str], ...] = ()  # (path, reason)
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_similar(page: SimilarPage) -> str:
    """Return the page of `similar`: one file that needs nothing else, the same bytes for the same values."""
    page = named(without_secrets(page) if page.private else page)
    sections = [
        Section("found", "The most alike", page.answers),
        Section("quarantined", "Files that could not be read", page.quarantined),
    ]
    return render(
        "command.html",
        command="similar",
        page=page,
        opening=(
            f"{plural(page.n_answers, 'query', 'queries')} among {plural(page.n_pictures, 'picture')}",
            f", compared by {page.compares}.",
        ),
        sections=[section for section in sections if section.entries],
        max_rows=MAX_ROWS,
    )
