"""Run by test_training_processes.py under torchrun: trains on its share of each batch; the first process saves the weights."""

import os
import sys
from pathlib import Path

import numpy as np
from training_parts import shared_training, weights_of


def main(folder: Path) -> None:
    network, history = shared_training(folder / "checkpoint")
    np.savez(folder / f"weights{os.environ['RANK']}.npz", **weights_of(network))
    if os.environ["RANK"] == "0":
        (folder / "losses.txt").write_text(
            " ".join(
                str(value) for record in history.records for value in (record.train_loss, record.valid_loss)
            )
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
