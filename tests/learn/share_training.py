"""Run by test_training_processes.py under torchrun: trains on its share of each batch, is stopped within an epoch, goes on.

Then the second process runs out of memory.
"""

import atexit
import contextlib
import os
import sys
from pathlib import Path

import numpy as np
from torch import distributed
from training_parts import shared_training, weights_of

from fovea.errors import InputError
from fovea.learn.training import loop, state


def tell_left(folder: Path) -> None:
    """Say, after everything that joining left to be done at the end, that the group is left."""
    (folder / f"left{os.environ['RANK']}.txt").write_text(str(not distributed.is_initialized()))


def main(folder: Path) -> None:
    atexit.register(tell_left, folder)
    state.CHECKPOINT_SECONDS, state._WRITING_SHARE = 0.0, 1e9
    with contextlib.suppress(KeyboardInterrupt):
        shared_training(folder / "checkpoint", left=3)
    distributed.barrier()
    network, history = shared_training(folder / "checkpoint")
    np.savez(folder / f"weights{os.environ['RANK']}.npz", **weights_of(network))
    if os.environ["RANK"] == "0":
        (folder / "losses.txt").write_text(
            " ".join(
                str(value) for record in history.records for value in (record.train_loss, record.valid_loss)
            )
        )
    loop.free_bytes = lambda device: 1000 if os.environ["RANK"] == "1" else None
    try:
        shared_training()
    except InputError as error:
        (folder / f"refused{os.environ['RANK']}.txt").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
