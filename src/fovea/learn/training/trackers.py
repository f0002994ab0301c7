"""Watching from outside: every epoch's figures to TensorBoard, W&B or MLflow, through accelerate's trackers (extra `track`)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fovea.errors import InputError, MissingExtraError
from fovea.learn.training.history import EpochRecord
from fovea.learn.training.settings import Training
from fovea.wording import did_you_mean

TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}  # the package each needs
_NO_FIGURES = ("epoch", "is_kept")


class Tracker:
    """Give it to `train_network` as `on_epoch`; `close` at the end."""

    def __init__(self, log: Callable[..., None], close: Callable[[], None]) -> None:
        self._log, self.close = log, close

    def __call__(self, record: EpochRecord) -> None:
        """Write one epoch's figures; its number is the step."""
        self._log(flat_figures(record), step=record.epoch)


def open_trackers(names: Iterable[str], *, folder: Path, run: str, settings: Training) -> Tracker:
    """Open trackers by name ("tensorboard", ...) that write beside or below `folder`. Raises like `require_trackers`."""
    wanted = tuple(names)
    require_trackers(wanted)
    from accelerate import Accelerator

    accelerator: Any = Accelerator(log_with=list(wanted), project_dir=str(folder))
    accelerator.init_trackers(run, config=_flat(asdict(settings)))
    return Tracker(accelerator.log, accelerator.end_training)


def require_trackers(names: Iterable[str]) -> None:
    """Raise where a tracker cannot be opened.

    Raises:
        InputError: an unknown name.
        MissingExtraError: accelerate or the tracker's package is not installed.
    """
    from importlib.util import find_spec

    wanted = tuple(names)
    for name in wanted:
        if name not in TRACKERS:
            raise InputError(
                f"There is no tracker {name!r}{did_you_mean(name, TRACKERS)}. There are: {', '.join(TRACKERS)}."
            )
    missing = [
        package for package in ("accelerate", *map(TRACKERS.get, wanted)) if not find_spec(str(package))
    ]
    if missing:
        raise MissingExtraError(
            f"Watching a training with {', '.join(wanted)} needs {' and '.join(map(str, missing))}, not installed here. "
            f'Install it: pip install "fovea-vision[track]" {" ".join(map(str, missing))}.'
        )


def flat_figures(record: EpochRecord) -> dict[str, float]:
    """Return an epoch's figures by name, "gradient_norms/layer" for those by layer; what is None is left out."""
    told = _flat(asdict(record)).items()
    return {name: value for name, value in told if isinstance(value, int | float) and name not in _NO_FIGURES}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values under "outer/inner"; what no tracker takes becomes text."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}/")
        else:
            flat[prefix + name] = value if isinstance(value, int | float | str) else str(value)
    return flat
