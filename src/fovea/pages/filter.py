"""What `filter --html` shows, as plain values (`FilterPage`), and the one HTML file made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fovea.pages.report import MAX_ROWS, Gallery, Section
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import plural


@dataclass(frozen=True, slots=True)
class FilterPage:
    """All that the page of `filter` shows: `counts` by verdict, of the unlabelled; `ask` is the list to fill in ("" for none).

    Of each picture the probability that it is wanted is shown; of each verdict the most doubtful come first.
    """

    title: str
    counts: Mapping[str, int] = field(default_factory=dict)
    n_labelled: int = 0
    sentences: tuple[str, ...] = ()
    questions: Gallery = field(default_factory=Gallery)
    ask: str = ""
    wanted: Gallery = field(default_factory=Gallery)
    junk: Gallery = field(default_factory=Gallery)
    unsure: Gallery = field(default_factory=Gallery)
    quarantined: tuple[tuple[str, str], ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_filter(page: FilterPage) -> str:
    """Return the page of `filter`: one file that needs nothing else, the same bytes for the same values."""
    page = named(page)
    sections = [
        Section("questions", "Pictures to label next", page.questions.thumbs),
        Section("unsure", "Unsure", page.unsure.thumbs),
        Section("wanted", "Wanted", page.wanted.thumbs),
        Section("junk", "Junk", page.junk.thumbs),
        Section("quarantined", "Files that could not be read", page.quarantined),
    ]
    n = sum(page.counts.values())
    return render(
        "command.html",
        command="filter",
        page=page,
        opening=(
            f"{page.counts['wanted']:,} of {plural(n, 'picture')} are wanted",
            f", {page.counts['junk']:,} junk, {page.counts['unsure']:,} unsure, by {plural(page.n_labelled, 'label')}.",
        ),
        sections=[section for section in sections if section.entries],
        max_rows=MAX_ROWS,
    )
