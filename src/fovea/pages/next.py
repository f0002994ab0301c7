"""What `next --html` shows, as plain values (`NextPage`), and the one HTML file made of them."""

from dataclasses import dataclass

from fovea.pages.growth import GrowthPlot, growth_svg
from fovea.pages.privacy import without_secrets
from fovea.pages.report import Section, Thumb
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import plural


@dataclass(frozen=True, slots=True)
class Asked:
    """One picture to label: why, and the two classes it lies between with their probabilities, where it does."""

    thumb: Thumb
    why: str
    bars: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class NextPage:
    """All that the page of `next` shows; `rule` is "typical" or "unsure".

    `csv` is the list to fill in, `run` what it was chosen by ("" for none).
    """

    title: str
    rule: str
    n_questions: int
    n_unlabelled: int
    n_labelled: int = 0
    n_copies: int = 0
    csv: str = ""
    run: str = ""
    questions: tuple[Asked, ...] = ()
    advice: str = ""
    curve: GrowthPlot | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_next(page: NextPage) -> str:
    """Return the page of `next`: one file that needs nothing else, the same bytes for the same values."""
    page = named(without_secrets(page) if page.private else page)
    sections = [Section("pictures", "Pictures to label", page.questions)]
    if page.curve is not None:
        sections.append(Section("curve", "Do more labels pay?", page.curve.points))
    return render(
        "command.html",
        command="next",
        page=page,
        opening=_opening(page),
        sections=sections,
        plot=None if page.curve is None else growth_svg(page.curve),
    )


def _opening(page: NextPage) -> tuple[str, str]:
    """Return the sentence that the page opens with: how many to label; and by which rule."""
    known = f"{page.n_labelled:,} are labelled" if page.n_labelled else "none is labelled yet"
    rule = "those it is least sure of, each of another kind" if page.rule == "unsure" else "typical ones"
    copies = f"; {plural(page.n_copies, 'copy', 'copies')} passed over" if page.n_copies else ""
    return (
        f"{plural(page.n_questions, 'picture')} to label next",
        f" of {page.n_unlabelled:,} without a label: {rule}; {known}{copies}.",
    )
