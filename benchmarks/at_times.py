"""A clock that stands still while a peer is examined, so that its accuracy at a time costs it none of that time; CIFAR-10."""

import contextlib
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


class TimeIsUpError(Exception):
    """The last of the times has been examined."""


class Examiner:
    """Asks for an accuracy at each of `times` (seconds of training); call `tick` after every batch."""

    def __init__(self, times: list[float], accuracy: Callable[[], float]) -> None:
        self.times, self.accuracy = sorted(times), accuracy
        self.told: dict[str, float] = {}
        self._begun = time.perf_counter()

    def train(self, training: Callable[[], object]) -> None:
        """Train until the last time has been examined; a training that ends before answers as it ended at the times left."""
        self._begun = time.perf_counter()
        with contextlib.suppress(TimeIsUpError):
            training()
            ended = self.accuracy()
            self.told |= {f"{seconds:g}": ended for seconds in self.times[len(self.told) :]}

    def tick(self) -> None:
        """Examine where a time has been reached; end the training after the last one."""
        now = time.perf_counter()
        if now - self._begun < self.times[len(self.told)]:
            return
        self.told[f"{self.times[len(self.told)]:g}"] = self.accuracy()
        print(self.told, flush=True)
        self._begun += time.perf_counter() - now
        if len(self.told) == len(self.times):
            raise TimeIsUpError("the last time has been examined")


def read_cifar10(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pixels uint8 (n, 3, 32, 32) and labels int64 (n,) of training and test, from its Python batches."""
    parts = []
    for names in ([f"data_batch_{k}" for k in range(1, 6)], ["test_batch"]):
        read = [pickle.loads(next(folder.rglob(name)).read_bytes(), encoding="bytes") for name in names]
        pixels = np.concatenate([np.asarray(one[b"data"]).reshape(-1, 3, 32, 32) for one in read])
        parts.append((pixels, np.concatenate([np.asarray(one[b"labels"], np.int64) for one in read])))
    return parts
