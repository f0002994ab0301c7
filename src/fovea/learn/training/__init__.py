"""Training any network of torch: settings, batches, the loop, what it leaves behind. Importing it does not import torch."""

from typing import TYPE_CHECKING, Any

from fovea.learn.training.history import EpochRecord, History, Score
from fovea.learn.training.settings import (
    Looping,
    Optimisation,
    Regularisation,
    Training,
    check_settings,
    overridden,
)

if TYPE_CHECKING:
    from fovea.learn.training.batches import ArrayBatches, Batch, Batches
    from fovea.learn.training.devices import Machine, choose_machine
    from fovea.learn.training.loop import train_network
    from fovea.learn.training.memory import Memory, forecast_memory, free_bytes, require_memory
    from fovea.learn.training.optimisers import ParamGroup, usual_groups
    from fovea.learn.training.rates import RateSearch, find_learning_rate, with_found_rate
    from fovea.learn.training.trackers import Tracker, open_trackers, require_trackers

__all__ = [
    "ArrayBatches",
    "Batch",
    "Batches",
    "EpochRecord",
    "History",
    "Looping",
    "Machine",
    "Memory",
    "Optimisation",
    "ParamGroup",
    "RateSearch",
    "Regularisation",
    "Score",
    "Tracker",
    "Training",
    "check_settings",
    "choose_machine",
    "find_learning_rate",
    "forecast_memory",
    "free_bytes",
    "open_trackers",
    "overridden",
    "require_memory",
    "require_trackers",
    "train_network",
    "usual_groups",
    "with_found_rate",
]

_LATE = {
    "ArrayBatches": "batches",
    "Batch": "batches",
    "Batches": "batches",
    "Machine": "devices",
    "Memory": "memory",
    "ParamGroup": "optimisers",
    "RateSearch": "rates",
    "Tracker": "trackers",
    "choose_machine": "devices",
    "find_learning_rate": "rates",
    "forecast_memory": "memory",
    "free_bytes": "memory",
    "open_trackers": "trackers",
    "require_memory": "memory",
    "require_trackers": "trackers",
    "train_network": "loop",
    "usual_groups": "optimisers",
    "with_found_rate": "rates",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LATE[name]}"), name)
