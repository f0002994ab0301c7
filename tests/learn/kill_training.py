"""Run by test_training_kill.py in its own process: trains, with a checkpoint after every step, and saves the weights."""

import sys
from pathlib import Path

import numpy as np
from training_parts import batches, score, settings, tiny_network, weights_of

from fovea.learn.training import state, train_network


def tell(stage: str, n_done: int, n_total: int) -> None:
    sys.stdout.write(f"{n_done}\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    state.CHECKPOINT_SECONDS, state._WRITING_SHARE = 0.0, 1e9
    network = tiny_network(dropout=0.3)
    told = settings(optimizer="adamw", epochs=8, ema=0.9)
    train_network(
        network, batches(), settings=told, evaluate=score, checkpoint=folder / "checkpoint", progress=tell
    )
    np.savez(folder / "weights.npz", **weights_of(network))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
