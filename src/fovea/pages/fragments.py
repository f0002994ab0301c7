"""What a notebook shows of a result (`_repr_html_`): a little HTML that keeps to the notebook's own theme."""

from collections.abc import Iterable

from fovea.pages.check import CheckPage
from fovea.pages.privacy import without_secrets
from fovea.pages.report import Report
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import about_test, opening, opening_check


def render_report_fragment(report: Report) -> str:
    """Return a run in a notebook: the opening sentence, next steps and figures."""
    report = named(without_secrets(report) if report.private else report)
    return render(
        "report_fragment.html", report=report, opening=opening(report), about_test=about_test(report)
    )


def render_check_fragment(page: CheckPage) -> str:
    """Return what is in a folder in a notebook: the opening sentence and the classes with their counts."""
    page = named(without_secrets(page) if page.private else page)
    most = max((entry.n for entry in page.classes), default=1) or 1
    return render("check_fragment.html", page=page, opening=opening_check(page), most=most)


def render_facts_fragment(
    lead: str, *, facts: Iterable[tuple[str, str]] = (), sentences: Iterable[str] = ()
) -> str:
    """Return any other result in a notebook: a sentence, a table of names and values, and what else to know."""
    return render("facts_fragment.html", lead=lead, facts=list(facts), sentences=list(sentences))
