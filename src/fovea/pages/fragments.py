"""What a notebook shows of a result (`_repr_html_`): a little HTML that keeps to the notebook's own theme."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fovea.pages.check import CheckPage
from fovea.pages.privacy import without_secrets
from fovea.pages.report import Report
from fovea.pages.templating import render
from fovea.pages.words import opening, opening_check

MAX_PREDICTIONS = 20


class PredictionLike(Protocol):
    """What is needed of a prediction to show it."""

    @property
    def path(self) -> str:
        """Return the picture's name."""
        ...

    @property
    def class_name(self) -> str | None:
        """Return the answer; None where there is none."""
        ...

    @property
    def probability(self) -> float | None:
        """Return the answer's probability in [0, 1]."""
        ...

    @property
    def unsure(self) -> bool:
        """Return whether the answer is below its limit."""
        ...

    @property
    def unlike(self) -> bool:
        """Return whether the picture is unlike anything seen."""
        ...

    @property
    def problem(self) -> str:
        """Return why the picture could not be read; "" when it could."""
        ...


def render_report_fragment(report: Report) -> str:
    """Return a run in a notebook: the opening sentence, next steps and figures."""
    report = without_secrets(report) if report.private else report
    return render("report_fragment.html", report=report, opening=opening(report))


def render_check_fragment(page: CheckPage) -> str:
    """Return what is in a folder in a notebook: the opening sentence and the classes with their counts."""
    page = without_secrets(page) if page.private else page
    most = max((entry.n for entry in page.classes), default=1) or 1
    return render("check_fragment.html", page=page, opening=opening_check(page), most=most)


def render_predictions_fragment(
    predictions: Sequence[PredictionLike],
    *,
    thumbnails: Mapping[str, bytes] | None = None,
    max_rows: int = MAX_PREDICTIONS,
) -> str:
    """Return a table of predictions in a notebook; `thumbnails` maps paths to small JPEG files."""
    return render(
        "predictions_fragment.html",
        predictions=predictions[:max_rows],
        n_total=len(predictions),
        thumbnails=thumbnails or {},
    )
