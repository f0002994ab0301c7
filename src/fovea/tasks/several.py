"""Several processes that train one network together, as torchrun and accelerate start them: what the first does, and the others.

All read the same pictures; the first alone writes and tells. Reads the launcher's environment; torch is not needed.
"""

import os

from fovea.errors import InputError

SHARED = ("finetune", "scratch")


def is_shared() -> bool:
    """Return whether a launcher started this process beside others (WORLD_SIZE)."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_follower() -> bool:
    """Return whether this process is not the first of several."""
    return is_shared() and os.environ.get("RANK", "0") != "0"


def check_shared(method: str, *, n_networks: int) -> None:
    """Raise InputError where several processes were started for what they cannot share."""
    if is_shared() and (method not in SHARED or n_networks > 1):
        what = f"--method {method}" if method not in SHARED else f"--ensemble {n_networks}"
        raise InputError(
            f"{os.environ['WORLD_SIZE']} processes were started, and {what} cannot be shared by several: only one network that is "
            "trained is. Start it without torchrun or accelerate launch, or give --method finetune or scratch."
        )


def agreed(seconds: float | None, *, device: str) -> float | None:
    """Return the first process's seconds to all, which decide alike; None is None everywhere."""
    if seconds is None or not is_shared():
        return seconds
    from fovea.learn.training import choose_machine
    from fovea.learn.training.processes import join_processes

    (told,) = join_processes(choose_machine(device=device).device).agree(seconds)
    return told


def end_follower() -> None:
    """End this process, quietly, if it is not the first: the first goes on alone. Raises SystemExit."""
    if is_follower():
        raise SystemExit(0)
