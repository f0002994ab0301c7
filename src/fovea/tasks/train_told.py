"""What a report says of training: the values of its page from those of metrics.json."""

from collections.abc import Mapping
from typing import Any

from fovea.pages import training as pages


def training_part(told: Mapping[str, Any] | None) -> pages.Training | None:
    """Return the page's values of metrics.json's `training`; None where nothing but the probe was asked for."""
    if told is None:
        return None
    standings = tuple(
        pages.Standing(
            name=one["name"],
            accuracy=one["accuracy"],
            log_loss=one["log_loss"],
            seconds=one["seconds"],
            points=100 * (one["n_fixed"] - one["n_broken"]) / max(one["n"], 1),
            n_fixed=one["n_fixed"],
            n_broken=one["n_broken"],
            is_kept=one["name"] == told["kept"],
        )
        for one in told["standings"]
    )
    return pages.Training(told["text"], standings, tuple(_attempt(one) for one in told["attempts"]))


def _attempt(one: Mapping[str, Any]) -> pages.Attempt:
    history, export, search = one["history"], one["export"], one.get("rate_search")
    keys = ("epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
    return pages.Attempt(
        name=one["name"],
        plan=tuple(one["plan"]),
        points=tuple(pages.Point(**{key: record[key] for key in keys}) for record in history["records"]),
        best_epoch=history["best_epoch"],
        findings=tuple((found["text"], found["try_next"]) for found in one["findings"]),
        export=(
            f"In the form in which it predicts, without torch ({export['precision']}), it answers {export['agreement']:.1%} of "
            f"{export['n_compared']:,} validation pictures as torch does; two probabilities differ by at most "
            f"{export['largest_difference']:.3f}."
        ),
        tried=() if search is None else tuple(zip(search["rates"], search["losses"], strict=True)),
        rate=0.0 if search is None else search["suggestion"],
    )
