"""Where batches come from: the same ones for the same (seed, epoch), so that a resumed run continues inside an epoch."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fovea.learn.training.seeds import seed_of

Prepare = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """`x` float (n, ...), what the network takes; `y` int64 (n,) classes or float (n, k); `weight` float (n,) or None."""

    x: Tensor
    y: Tensor
    weight: Tensor | None = None


class Batches(Protocol):
    """What the loop needs of data. `fingerprint` says which data it is, for the checkpoint ("" where nothing is known)."""

    n_pictures: int
    n_batches: int
    fingerprint: str

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of epoch `number` (from 0), the first `start` left out."""
        ...


class ArrayBatches:
    """Batches of rows of an array, a memory map or a tensor.

    Args:
        x: (n, ...) uint8 or float.
        y: (n,) int64 classes, (n,) float values, or (n, k) float.
        batch_size: pictures a batch; 0 is all of them.
        seed: of the order and of what `prepare` draws.
        prepare: makes the network's float input of gathered rows; its generator is seeded by (seed, epoch, batch) and
            lies on `device`. None for rows that are ready (uint8 becomes float, unchanged in value).
        weights: (n,) float, how much each picture counts; None for 1.
        shuffle: a new order each epoch.
        drop_last: leave out a last batch that is not full.
        device: where rows are moved before `prepare`.
    """

    def __init__(
        self,
        x: NDArray[Any] | Tensor,
        y: NDArray[Any] | Tensor,
        *,
        batch_size: int,
        seed: int,
        prepare: Prepare | None = None,
        weights: NDArray[Any] | Tensor | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
        device: str = "cpu",
    ) -> None:
        if len(x) != len(y) or len(x) == 0 or (weights is not None and len(weights) != len(x)):
            raise ValueError(
                f"expected as many labels and weights as the {len(x)} pictures (1 or more), got {len(y)}"
            )
        self.n_pictures = len(x)
        self.batch_size = min(batch_size or self.n_pictures, self.n_pictures)
        self.n_batches = self.n_pictures // self.batch_size
        if self.n_pictures % self.batch_size and not drop_last:
            self.n_batches += 1
        self.fingerprint = _fingerprint(x, y, f"{self.batch_size} {seed} {shuffle} {drop_last}")
        self._x, self._seed, self._shuffle, self._prepare = x, seed, shuffle, prepare
        self._device = torch.device(device)
        self._y = torch.as_tensor(y, device=self._device)
        if not self._y.is_floating_point():
            self._y = self._y.long()
        self._weights = None if weights is None else torch.as_tensor(weights, device=self._device).float()

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of epoch `number` (from 0), the first `start` left out."""
        order = np.arange(self.n_pictures)
        if self._shuffle:
            np.random.default_rng([seed_of(self._seed, "order"), number]).shuffle(order)
        for i in range(start, self.n_batches):
            yield self._gather(order[i * self.batch_size : (i + 1) * self.batch_size], number, i)

    def _gather(self, rows: NDArray[np.int64], number: int, i: int) -> Batch:
        index = torch.from_numpy(rows)
        if isinstance(self._x, Tensor):
            x = self._x[index.to(self._x.device)].to(self._device)
        else:
            x = torch.from_numpy(np.ascontiguousarray(self._x[rows])).to(self._device)
        if self._prepare is None:
            x = x if x.is_floating_point() else x.float()
        else:
            generator = torch.Generator(self._device).manual_seed(seed_of(self._seed, number, i))
            x = self._prepare(x, generator)
        index = index.to(self._device)
        return Batch(x, self._y[index], None if self._weights is None else self._weights[index])


def _fingerprint(x: NDArray[Any] | Tensor, y: NDArray[Any] | Tensor, order: str) -> str:
    """Return a sha256 of all labels, of 64 rows over the whole length, and of how they are ordered."""
    digest = hashlib.sha256(f"{tuple(x.shape)} {x.dtype} {tuple(y.shape)} {order}".encode())
    digest.update(np.ascontiguousarray(np.asarray(torch.as_tensor(y).cpu())).tobytes())
    rows = np.unique(np.linspace(0, len(x) - 1, 64).astype(np.int64))
    some = x[torch.from_numpy(rows)].cpu().numpy() if isinstance(x, Tensor) else np.asarray(x[rows])
    digest.update(np.ascontiguousarray(some).tobytes())
    return digest.hexdigest()
