"""Who watches a training beside the terminal: trackers (extra `track`), and a notebook, in which its curves are drawn anew.

Neither can spoil it: what fails is said once, and training goes on.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.pages.training import Attempt, Point, render_curves

if TYPE_CHECKING:
    from fovea.learn.trained import OnEpoch
    from fovea.learn.training import EpochRecord, Tracker, Training
    from fovea.learn.training.losses import Kind

ACCURACIES: Mapping["Kind", str] = {
    "class": "accuracy",
    "values": "variance explained",
    "labels": "labels right",
}
"""What the accuracies of a training's records are called, by what is learned."""


def track_folder(out: Path) -> Path:
    """Return the folder beside a run in which trackers write."""
    return out.with_name(f"{out.name}.track")


@contextlib.contextmanager
def watched(
    name: str,
    *,
    trackers: Sequence[str],
    folder: Path,
    announce: Callable[[str], None],
    kind: "Kind" = "class",
) -> Iterator["OnEpoch"]:
    """Yield what is told every epoch of the training `name`: it logs to `trackers` in `folder`, and draws in a notebook."""
    opened: list[Tracker | None] = []
    curves = notebook_curves(name, kind=kind)

    def log(record: "EpochRecord", settings: "Training") -> None:
        from fovea.learn.training import open_trackers

        try:
            if not opened:
                folder.mkdir(parents=True, exist_ok=True)
                opened.append(open_trackers(trackers, folder=folder, run=name, settings=settings))
                announce(f"{', '.join(trackers)}: every epoch is logged in {str(folder)!r}.")
            if opened[0] is not None:
                opened[0](record)
        except Exception as error:  # a service out of reach, a full disk: nobody loses a training by that
            opened[:] = [None]
            announce(f"{', '.join(trackers)}: told no more ({error}).")

    def tell(record: "EpochRecord", settings: "Training") -> None:
        if trackers:
            log(record, settings)
        if curves is not None:
            curves(record, settings)

    try:
        yield tell
    finally:
        for one in opened:
            if one is not None:
                try:
                    one.close()
                except Exception as error:  # as above
                    announce(f"{', '.join(trackers)}: could not be closed ({error}).")


def notebook_curves(name: str, *, kind: "Kind" = "class") -> "OnEpoch | None":
    """Return what draws the curves of the training `name` where this runs in a notebook; None elsewhere."""
    ipython = sys.modules.get("IPython")  # whoever runs in a notebook has it loaded
    shell = None if ipython is None else ipython.get_ipython()
    if not hasattr(shell, "kernel"):  # a terminal shows no pictures
        return None
    return _Curves(name, importlib.import_module("IPython.display"), kind=kind)


class _Curves:
    """One figure in a notebook, drawn anew when told."""

    def __init__(self, name: str, display: Any, *, kind: "Kind") -> None:
        self._name, self._display, self._kind = name, display, kind
        self._points, self._best, self._handle = list[Point](), -1, None

    def __call__(self, record: "EpochRecord", settings: "Training") -> None:
        """Draw all epochs so far."""
        from fovea.learn.training.told import describe_epoch

        keys = ("epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
        self._points.append(Point(**{key: getattr(record, key) for key in keys}))
        self._best = record.epoch if record.is_kept else self._best
        called = ACCURACIES[self._kind]
        attempt = Attempt(self._name, points=tuple(self._points), best_epoch=self._best, accuracy=called)
        told = describe_epoch(record, n_epochs=settings.looping.epochs or 1, kind=self._kind)
        lead = f"{self._name}, {told}"
        shown = self._display.HTML(render_curves(attempt, lead=lead))
        if self._handle is None:
            self._handle = self._display.display(shown, display_id=True)
        else:
            self._handle.update(shown)
