"""Run by test_train_kill.py in its own process: `fovea train`, killed with SIGKILL after KILL_AT steps, where that is set."""

import itertools
import os
import signal

from fovea import cli
from fovea.learn.training import state

WRITE = state.Keeper.write_in_time


STEPS = itertools.count(1)


def write_and_end(keeper: state.Keeper) -> None:
    WRITE(keeper)
    if next(STEPS) == int(os.environ.get("KILL_AT", "0")):
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    state.CHECKPOINT_SECONDS, state._WRITING_SHARE = 0.0, 1e9  # a checkpoint after every step
    state.Keeper.write_in_time = write_and_end  # type: ignore[method-assign]
    cli.main()


if __name__ == "__main__":
    main()
