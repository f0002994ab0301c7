"""What `curve --html` shows, as plain values (`CurvePage`), and the one HTML file made of them."""

from dataclasses import dataclass

from fovea.pages.growth import GrowthPlot, growth_svg
from fovea.pages.privacy import without_secrets
from fovea.pages.report import Section
from fovea.pages.templating import render


@dataclass(frozen=True, slots=True)
class CurvePage:
    """All that the page of `curve` shows; `advice` says what twice the labels bring, `saved` what transfer learning saves."""

    title: str
    advice: str
    curve: GrowthPlot
    saved: tuple[str, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_curve(page: CurvePage) -> str:
    """Return the page of `curve`: one file that needs nothing else, the same bytes for the same values."""
    page = without_secrets(page) if page.private else page
    first, _, rest = page.advice.partition("; ")
    return render(
        "command.html",
        command="curve",
        page=page,
        opening=(first, f"; {rest}" if rest else ""),
        sections=[
            Section("curve", "Accuracy by pictures learned from", page.curve.points),
            *([Section("saved", "What a network trained before saves", page.saved)] if page.saved else []),
        ],
        plot=growth_svg(page.curve),
    )
