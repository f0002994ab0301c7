"""A training under way, in one line: an epoch that ended, and what is known while one runs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fovea.learn.training.history import EpochRecord
    from fovea.learn.training.losses import Kind


def describe_epoch(record: "EpochRecord", *, n_epochs: int, kind: "Kind" = "class") -> str:
    """Return in a line what one epoch of `n_epochs` came to; of numbers R2 stands in the place of the accuracies."""
    left = (n_epochs - record.epoch - 1) * record.seconds
    sides = (
        ("training", record.train_loss, record.train_accuracy),
        ("validation", record.valid_loss, record.valid_accuracy),
    )
    told = [
        f"{name} loss {loss:.2f}{_of_accuracy(accuracy, kind=kind)}"
        for name, loss, accuracy in sides
        if loss is not None
    ]
    speed = ", ".join([*_of_speed(record), f"{left:,.0f} s left"])
    return f"epoch {record.epoch + 1} of {n_epochs}: {'; '.join([*told, speed])}"


def describe_running(record: "EpochRecord", *, n_epochs: int, kind: "Kind" = "class") -> str:
    """Return in a line what is known of an epoch that runs: the means of its pictures so far, and the speed."""
    loss = "" if record.train_loss is None else f"loss {record.train_loss:.2f}"
    told = loss + _of_accuracy(record.train_accuracy, kind=kind)
    return ", ".join(
        [f"epoch {record.epoch + 1} of {n_epochs}", *([told] if told else []), *_of_speed(record)]
    )


def _of_speed(record: "EpochRecord") -> Iterator[str]:
    yield f"{record.images_per_second:,.0f} pictures/s"
    if record.gpu_bytes is not None:
        yield f"GPU memory {record.gpu_bytes / 1e9:.1f} GB"
    if record.gpu_share is not None:
        yield f"GPU use {100 * record.gpu_share:.0f} %"


def _of_accuracy(accuracy: float | None, *, kind: "Kind") -> str:
    if accuracy is None:
        return ""
    return f", R2 {accuracy:.3f}" if kind == "values" else f", {100 * accuracy:.1f} %"
