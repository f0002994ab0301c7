"""Numbers and terms in words: one way to write a percentage, an interval or a count on every page."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fovea.pages.check import CheckPage
    from fovea.pages.predict import PredictPage
    from fovea.pages.report import Report

NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Term:
    """A figure's title, its meaning in a line, and whether it is a share (shown in percent)."""

    title: str
    meaning: str
    is_share: bool = True


GLOSSARY: Mapping[str, Term] = MappingProxyType(
    {
        "accuracy": Term("Accuracy", "Share of the judged pictures that it answered right."),
        "top5_accuracy": Term("Top-5 accuracy", "Share whose class is among its five most probable answers."),
        "baseline_accuracy": Term(
            "Commonest class", "What always answering the commonest class would reach."
        ),
        "balanced_accuracy": Term(
            "Balanced accuracy", "Mean of the classes’ recalls: a rare class counts as much as a common one."
        ),
        "macro_f1": Term(
            "Macro F1",
            "Mean over the classes of F1, which is near 1 only if precision and recall both are.",
            False,
        ),
        "log_loss": Term(
            "Log loss",
            "How much the right answers surprise it: 0 is best, confident mistakes cost most.",
            False,
        ),
        "ece": Term(
            "Calibration error", "Mean gap between the probability stated and the share right; 0 is best."
        ),
        "ece_before": Term(
            "Error before scaling", "The same before one temperature was fitted to all answers."
        ),
        "mae": Term("Mean error", "Mean size of the error, in the unit of your numbers.", False),
        "baseline_mae": Term(
            "Always the median", "The same, had it always answered the training pictures’ median.", False
        ),
        "rmse": Term(
            "Root mean square error", "Large errors count more here; never below the mean error.", False
        ),
        "baseline_rmse": Term(
            "Always the mean", "The same, had it always answered the training pictures’ mean.", False
        ),
        "r2": Term("R²", "Share of the variance explained: 1 is best, 0 no better than the mean.", False),
        "mae_without_leaks": Term(
            "Mean error without copies",
            "Without pictures that (nearly) stand in the training part too.",
            False,
        ),
        "mae_test": Term("Mean error on the test split", "Read once, after everything was chosen.", False),
        "all_right_without_leaks": Term(
            "All right without copies", "Without pictures that (nearly) stand in the training part too."
        ),
        "all_right_test": Term("All right on the test split", "Read once, after everything was chosen."),
        "all_right": Term("All labels right", "Share of pictures with every label answered and no other."),
        "baseline_all_right": Term(
            "Always the commonest set", "The same, had it always answered the commonest set of labels."
        ),
        "micro_f1": Term(
            "F1 over all answers",
            "Near 1 only if what it answers is right and it finds what is there.",
            False,
        ),
        "baseline_micro_f1": Term(
            "F1 of the commonest set", "The same, had it always answered the commonest set of labels.", False
        ),
        "label_macro_f1": Term(
            "Macro F1", "Mean over the labels of F1: a rare label counts as much as a common one.", False
        ),
        "mean_average_precision": Term(
            "Mean average precision",
            "How well each label ranks its pictures first, thresholds apart; mean over the labels.",
            False,
        ),
        "label_log_loss": Term("Log loss", "How much the truth surprises it, a label: 0 is best.", False),
        "label_ece": Term(
            "Calibration error",
            "Mean gap between the probability of a label and how often it is there; 0 is best.",
        ),
        "ece_floor": Term(
            "Calibration floor",
            "What even perfect probabilities would show on so few pictures; no less is asked.",
        ),
    }
)

CONVERSIONS: Mapping[str, str] = MappingProxyType(
    {
        "first-frame": "Several frames: the first was read",
        "reduced": "Too large to decode whole: read at reduced scale",
        "bad-exif": "Unreadable orientation note: ignored",
        "turned": "Turned upright, as the camera noted",
        "1-bit": "Black and white (1 bit) to RGB",
        "grey": "Grey to RGB",
        "16-bit": "16 bits a channel, scaled to 8",
        "32-bit": "32 bits a channel, scaled to 8",
        "float": "Floating-point values, scaled to 8 bits",
        "palette": "Palette colours to RGB",
        "cmyk": "Print colours (CMYK) to RGB",
        "lab": "Lab colours to RGB",
        "ycbcr": "Video colours (YCbCr) to RGB",
        "alpha": "Transparent: laid over white",
    }
)


def term(key: str) -> Term:
    """Return what GLOSSARY says of a figure; an unknown one goes by its key."""
    return GLOSSARY.get(key) or Term(key.replace("_", " ").capitalize(), "", is_share=False)


def percent(share: float) -> str:
    """Return a share in [0, 1] as "93.3 %"; what is not all or nothing never reads as 100 or 0."""
    if 0 < share < 0.0005:
        return f"<{NBSP}0.1{NBSP}%"
    if 0.9995 <= share < 1:
        return f">{NBSP}99.9{NBSP}%"
    return f"{100 * share:.1f}{NBSP}%"


def goal(share: float) -> str:
    """Return a share that somebody asked for, with no more digits than it has: "98 %"."""
    return f"{100 * share:.6g}{NBSP}%"


def limit(share: float) -> str:
    """Return a measured threshold, rounded up to 0.1 % (finer where that would make it 100 %)."""
    for places in range(1, 7):
        shown = ceil(round(100 * share * 10**places, 6)) / 10**places
        if shown < 100:
            break
    return f"{shown:.8g}{NBSP}%"


def span(interval: tuple[float, float] | None, *, is_share: bool = True) -> str:
    """Return an interval as "90.5–95.3 %" or "0.905–0.953"; nothing for None."""
    if interval is None:
        return ""
    low, high = interval
    return f"{100 * low:.1f}–{100 * high:.1f}{NBSP}%" if is_share else f"{low:.3f}–{high:.3f}"


def figure(key: str, value: float) -> str:
    """Return a figure as it is written: a share in percent, anything else with three decimals."""
    return percent(value) if term(key).is_share else f"{value:.3f}"


def amount(value: float) -> str:
    """Return a number of the user's own unit, to four digits: "0.0312", "12.34", "1,234"."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def amounts(interval: tuple[float, float] | None) -> str:
    """Return an interval of such numbers: "1.2 to 3.4"; nothing for None."""
    return "" if interval is None else f"{amount(interval[0])} to {amount(interval[1])}"


def count(n: int) -> str:
    """Return a count with thousands apart: "3,795"."""
    return f"{n:,}"


def plural(n: int, one: str, many: str = "") -> str:
    """Return "1 picture" or "3,795 pictures"; the space never breaks."""
    return f"{n:,}{NBSP}{one if n == 1 else many or one + 's'}"


def seconds(value: float) -> str:
    """Return seconds as "0.42 s", "12.3 s" or "3 min 20 s"."""
    if value >= 120:
        minutes, rest = divmod(round(value), 60)
        return f"{minutes}{NBSP}min{NBSP}{rest}{NBSP}s"
    return f"{value:.2f}{NBSP}s" if value < 10 else f"{value:.1f}{NBSP}s"


def conversion(name: str) -> str:
    """Return what was done to a picture in a few words (the name itself where none are known)."""
    return CONVERSIONS.get(name, name)


def opening(report: "Report") -> tuple[str, str]:
    """Return the sentence that a report opens with: how good it is; and how sure that is, against what."""
    if not report.n_judged:
        return "There was no labelled picture to judge it on.", ""
    unseen = " it had not seen"
    if report.protocol == "cross-validated":
        unseen = ", each answered by a classifier that had not seen it"
    return (
        f"Right on {report.n_right:,} of {plural(report.n_judged, 'picture')}{unseen}",
        f" ({percent(report.accuracy)}, 95{NBSP}% interval {span(report.accuracy_interval)});"
        f" always answering the commonest class, {report.baseline_class}, would be right on"
        f" {report.n_baseline_right:,}.",
    )


def about_test(report: "Report") -> str:
    """Return the sentence on the test split, and what it would be without pictures of the other splits; or ""."""
    if not report.test_n or report.test_accuracy is None:
        return ""
    text = (
        f"On the test split, read once after everything was chosen, it is right on {report.test_n_right:,} of"
        f" {plural(report.test_n, 'picture')} ({percent(report.test_accuracy)}, 95{NBSP}% interval"
        f" {span(report.test_interval)})"
    )
    if report.test_n_leaked:
        one = report.test_n_leaked == 1
        text += f"; {report.test_n_leaked:,} of them {'stands' if one else 'stand'} in the other splits too, or nearly so"
        if report.test_without_leaks is not None:
            text += f"; without {'it' if one else 'them'} {percent(report.test_without_leaks)}"
    return text + "."


def opening_predict(page: "PredictPage") -> tuple[str, str]:
    """Return the sentence that the page of `predict` opens with: how many pictures are what; and what to beware of."""
    n = page.n_pictures - page.n_problems
    text = f"{plural(n, 'picture')}, {plural(len(page.classes), 'different answer')}"
    rest = f" by {page.model}"
    if page.classes:
        name, commonest = page.classes[0]
        rest += f"; the commonest is {name} ({commonest:,})"
    rest += f"; {page.n_unsure:,} unsure" if page.n_unsure else ""
    rest += f"; {page.n_unlike:,} unlike anything seen" if page.n_unlike else ""
    rest += f"; {plural(page.n_problems, 'file')} could not be read" if page.n_problems else ""
    return text, rest + "."


def opening_check(page: "CheckPage") -> tuple[str, str]:
    """Return the sentence that the page of `check` opens with: what is there; and what is wrong with it."""
    text = plural(page.n_pictures, "readable picture")
    if page.classes:
        text += f" in {plural(len(page.classes), 'class', 'classes')}"
    n_sets = page.n_duplicates if page.n_duplicates is not None else len(page.duplicates)
    rest = f"; {plural(page.n_quarantined, 'file')} left out" if page.n_quarantined else ""
    return text, rest + (f"; {plural(n_sets, 'picture')} there more than once." if n_sets else ".")
