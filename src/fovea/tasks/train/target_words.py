"""The sentences and tables that a report of numbers or labels opens with; verdicts in, words out."""

from collections.abc import Mapping
from typing import Any

from fovea.judge import LabelsVerdict, ValueVerdict
from fovea.manifest import join_labels
from fovea.pages import Measured
from fovea.pages.words import amount, amounts, goal, percent, plural, span


def about_values(verdict: ValueVerdict) -> tuple[str, str]:
    """Return the sentence that a report of numbers opens with, in two parts."""
    figures = verdict.figures
    unseen = " it had not seen" if verdict.measured == "valid" else ", cross-validated"
    sure = f" (95 % interval {amounts(figures.mae_interval)})" if figures.mae_interval else ""
    explained = "" if figures.r2 is None else f" It explains {percent(max(figures.r2, 0))} of the variance."
    return (
        f"Off by {amount(figures.mae)} on average on {plural(figures.n, 'picture')}{unseen}",
        f"{sure}; always answering the median, {amount(figures.baseline_value)}, would be off by "
        f"{amount(figures.baseline_mae)}.{explained}",
    )


def about_range(verdict: ValueVerdict) -> str:
    """Return what the range of a number means, and whether it held."""
    by_valid = verdict.measured == "valid" and verdict.covered is None  # as of a network that was trained
    held_out = "set aside, which nothing else checks" if by_valid else "that were held out in turn"
    text = (
        f"An answer ± {amount(verdict.half_width)} holds the true number for {goal(verdict.coverage)} of pictures "
        f"drawn like those of training, by the errors of {plural(verdict.n_calibration, 'picture')} {held_out}."
    )
    if verdict.covered is None:
        return text
    n_inside, n, interval = verdict.covered
    share = f"{percent(n_inside / n)}, 95 % interval {span(interval)}"
    return f"{text} Of the pictures set aside it held {n_inside:,} of {n:,} ({share})."


def value_rows(verdict: ValueVerdict, *, test: Mapping[str, Any] | None) -> tuple[Measured, ...]:
    """Return the figures table of numbers; `test` holds the figures of the test split."""
    figures, fresh = verdict.figures, verdict.without_leaks
    rows = [
        Measured("mae", amount(figures.mae), amounts(figures.mae_interval)),
        Measured("baseline_mae", amount(figures.baseline_mae)),
        Measured("rmse", amount(figures.rmse), amounts(figures.rmse_interval)),
        Measured("baseline_rmse", amount(figures.baseline_rmse)),
    ]
    if figures.r2 is not None:
        rows.append(Measured("r2", f"{figures.r2:.3f}", amounts(figures.r2_interval)))
    if fresh is not None:
        rows.append(Measured("mae_without_leaks", amount(fresh.mae), amounts(fresh.mae_interval)))
    if test is not None:
        rows.append(Measured("mae_test", amount(test["mae"]), amounts(test["mae_interval"])))
    return tuple(rows)


def about_labels(verdict: LabelsVerdict) -> tuple[str, str]:
    """Return the sentence that a report of labels opens with, in two parts."""
    figures = verdict.figures
    unseen = " it had not seen" if verdict.measured == "valid" else ", cross-validated"
    n_right, n_baseline = (
        round(share * figures.n) for share in (figures.all_right, figures.baseline_all_right)
    )
    ranked = figures.mean_average_precision
    about = (
        ""
        if ranked is None
        else f" Mean average precision of {plural(len(verdict.names), 'label')}: {ranked:.3f}."
    )
    return (
        f"All labels right on {n_right:,} of {plural(figures.n, 'picture')}{unseen}",
        f" ({percent(figures.all_right)}, 95 % interval {span(figures.all_right_interval)}); always answering the commonest "
        f"set, {join_labels(figures.baseline_labels)}, would be right on {n_baseline:,}.{about}",
    )


def label_rows(verdict: LabelsVerdict, *, test: Mapping[str, Any] | None) -> tuple[Measured, ...]:
    """Return the figures table of labels; `test` holds the figures of the test split."""
    figures, fresh = verdict.figures, verdict.without_leaks

    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    rows = [
        Measured("all_right", percent(figures.all_right), span(figures.all_right_interval)),
        Measured("baseline_all_right", percent(figures.baseline_all_right)),
        Measured("micro_f1", shown(figures.micro_f1), span(figures.micro_f1_interval, is_share=False)),
        Measured("baseline_micro_f1", shown(figures.baseline_micro_f1)),
        Measured("label_macro_f1", shown(figures.macro_f1)),
        Measured("mean_average_precision", shown(figures.mean_average_precision)),
        Measured("label_log_loss", shown(figures.log_loss)),
        Measured("label_ece", percent(verdict.ece)),
        Measured("ece_floor", percent(verdict.ece_floor)),
    ]
    if fresh is not None:
        right = percent(fresh.all_right)
        rows.append(Measured("all_right_without_leaks", right, span(fresh.all_right_interval)))
    if test is not None:
        low, high = test["all_right_interval"]
        rows.append(Measured("all_right_test", percent(test["all_right"]), span((low, high))))
    return tuple(rows)
