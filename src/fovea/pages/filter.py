"""What `filter --html` shows, as plain values (`FilterPage`), and the one HTML file made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fovea.pages.privacy import without_secrets
from fovea.pages.report import MAX_ROWS, Gallery, Section
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import plural


@dataclass(frozen=True, slots=True)
class FilterPage:
    """All that the page of `filter` shows: `counts` by verdict, of the unlabelled; `ask` is the list to fill in ("" for none).

    Before there are labels (`n_labelled` 0) the questions are drawn at random from `n_pictures`. Of each picture the probability
    that it is wanted is shown; of each verdict the most doubtful come first.
    """

    title: str
    n_pictures: int = 0
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
    if page.private:
        page = without_secrets(page)
    page = named(page)
    sections = [
        Section(
            "questions", f"Pictures to label {'next' if page.n_labelled else 'first'}", page.questions.thumbs
        ),
        Section("unsure", "Unsure", page.unsure.thumbs),
        Section("wanted", "Wanted", page.wanted.thumbs),
        Section("junk", "Junk", page.junk.thumbs),
        Section("quarantined", "Files that could not be read", page.quarantined),
    ]
    return render(
        "command.html",
        command="filter",
        page=page,
        opening=_opening(page),
        sections=[section for section in sections if section.entries],
        max_rows=MAX_ROWS,
    )


def _opening(page: FilterPage) -> tuple[str, str]:
    if not page.n_labelled:
        n = len(page.questions.thumbs) if page.questions.n_total is None else page.questions.n_total
        return f"{n:,} of {plural(page.n_pictures, 'picture')}", " drawn at random, to be labelled first."
    counts = page.counts
    return (
        f"{counts['wanted']:,} of {plural(sum(counts.values()), 'picture')} are wanted",
        f", {counts['junk']:,} junk, {counts['unsure']:,} unsure, by {plural(page.n_labelled, 'label')}.",
    )
