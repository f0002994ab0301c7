"""What `pseudolabel --html` shows, as plain values (`PseudoPage`), and the one HTML file made of them."""

from dataclasses import dataclass

from fovea.pages.report import Section, Thumb
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import plural


@dataclass(frozen=True, slots=True)
class TriedRound:
    """A round: how many pictures it added, accuracy in [0, 1] and log loss cross-validated on the labelled; 0: without any."""

    number: int
    n_added: int
    accuracy: float
    log_loss: float
    is_kept: bool


@dataclass(frozen=True, slots=True)
class PseudoPage:
    """All that the page of `pseudolabel` shows; `added` the least sure first (`label`, `probability`) of `n_added`."""

    title: str
    text: str
    rounds: tuple[TriedRound, ...]
    added: tuple[Thumb, ...] = ()
    n_added: int = 0
    n_unlabelled: int = 0
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_pseudolabel(page: PseudoPage) -> str:
    """Return the page of `pseudolabel`: one file that needs nothing else, the same bytes for the same values."""
    page = named(page)
    sections = [
        Section("rounds", "Round by round", page.rounds),
        Section("added", "What was added", page.added),
    ]
    return render(
        "command.html",
        command="pseudolabel",
        page=page,
        opening=(
            f"{plural(page.n_added, 'pseudo-label')} added",
            f", of {plural(page.n_unlabelled, 'unlabelled picture')}.",
        ),
        sections=[section for section in sections if section.entries],
    )
