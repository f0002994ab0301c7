"""What a run says of training: the values of the report's part from those of metrics.json, and what to do next."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fovea.pages import training as pages
from fovea.tasks.train.watch import ACCURACIES
from fovea.wording import count, percent

if TYPE_CHECKING:
    from fovea.learn.training.losses import Kind

_KINDS: Mapping[str, "Kind"] = {"classes": "class", "regression": "values", "labels": "labels"}
MEASURES = {"regression": "Root mean square error", "labels": "Log loss a label"}

_FAILED = frozenset(
    {
        "non-finite",
        "rate too high",
        "rate too low",
        "exploding gradients",
        "vanishing gradients",
        "dead units",
    }
)


def steps_after(told: Mapping[str, Any], steps: Sequence[str], *, n_quarantined: int) -> list[str]:
    """Return what the curves of metrics.json's `training` advise, each kind of advice once, and then `steps`.

    Where what is kept comes of a training that failed, its answers tell little of pictures and labels: `steps` are left out.
    """
    found = [(one["name"], finding) for one in told["attempts"] for finding in one["findings"]]
    advice: dict[str, str] = {}
    for attempt in told["attempts"]:
        for one in attempt["findings"]:
            if one["try_next"]:
                step = _of_one(attempt, one["try_next"], method=told["method"])
                advice.setdefault(one["kind"], f"{attempt['name']}: {one['text']} Try next: {step}.")
    if any(name in told["kept_of"] and finding["kind"] in _FAILED for name, finding in found):
        return [
            *advice.values(),
            *([f"Read why {count(n_quarantined, 'file')} could not be used."] if n_quarantined else []),
        ]
    return [*advice.values(), *steps]


def _of_one(attempt: Mapping[str, Any], step: str, *, method: str) -> str:
    """Return options for one training; where `auto` tried several, with its method: what mends one may break another."""
    if method != "auto" or not step.startswith("--"):
        return step
    net = attempt["net"]
    return f"--method {'finetune' if net is None else f'scratch --net {net}'} {step}"


def training_part(told: Mapping[str, Any] | None, *, target: str = "classes") -> pages.Training | None:
    """Return the page's values of metrics.json's `training`; None where nothing but the probe was asked for."""
    if told is None:
        return None
    attempts = tuple(_attempt(one, target=target) for one in told["attempts"])
    if target == "classes":
        return pages.Training(told["text"], _standings(told), attempts)
    compared = tuple(
        pages.LossStanding(
            name=one["name"],
            measure=one["loss"] ** 0.5 if target == "regression" else one["loss"],
            loss_change=-one["gain"],
            loss_error=one["gain_error"],
            seconds=one["seconds"],
            is_kept=one["name"] == told["kept"],
        )
        for one in told["standings"]
    )
    return pages.Training(told["text"], compared, attempts, MEASURES[target] if compared else "")


def _standings(told: Mapping[str, Any]) -> tuple[pages.Standing, ...]:
    return tuple(
        pages.Standing(
            name=one["name"],
            accuracy=one["accuracy"],
            brier=one["brier"],
            seconds=one["seconds"],
            points=100 * (one["n_fixed"] - one["n_broken"]) / max(one["n"], 1),
            n_fixed=one["n_fixed"],
            n_broken=one["n_broken"],
            is_kept=one["name"] == told["kept"],
        )
        for one in told["standings"]
    )


def _attempt(one: Mapping[str, Any], *, target: str) -> pages.Attempt:
    history, search = one["history"], one.get("rate_search")
    keys = ("epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
    return pages.Attempt(
        name=one["name"],
        plan=tuple(one["plan"]),
        notes=tuple(one["notes"]),
        points=tuple(pages.Point(**{key: record[key] for key in keys}) for record in history["records"]),
        best_epoch=history["best_epoch"],
        findings=tuple((found["text"], found["try_next"]) for found in one["findings"]),
        export=_export(one["export"], target=target),
        tried=() if search is None else tuple(zip(search["rates"], search["losses"], strict=True)),
        rate=0.0 if search is None else search["suggestion"],
        accuracy=ACCURACIES[_KINDS[target]],
    )


def _export(export: Mapping[str, Any], *, target: str) -> str:
    """Say how what predicts agrees with what was trained."""
    lead = f"In the form in which it predicts, without torch ({export['precision']}), it answers {percent(export['agreement'])} of "
    n, largest = export["n_compared"], export["largest_difference"]
    if target == "regression":
        return (
            f"{lead}{n:,} validation pictures as torch does, to a twentieth of the deviation of the training numbers; two answers "
            f"differ by at most {largest:.2g} of it."
        )
    what = "the labels of " if target == "labels" else ""
    return f"{lead}{what}{n:,} validation pictures as torch does; two probabilities differ by at most {largest:.3f}."
