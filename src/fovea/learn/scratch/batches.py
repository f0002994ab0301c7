"""Batches for training from scratch: uint8 pictures augmented and normalised; alternating flips for the fast recipe."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fovea.learn.augment import Augmentation, Normalise
from fovea.learn.training import ArrayBatches, Batch

Pixels = NDArray[np.uint8]


class Preparing:
    """Makes network input of rows: uint8 (n, h, w, c) -> float32 (n, c, h, w), augmented and normalised.

    With `alternates` the augmentation's own flips are left out (`mirrors` says whether it had any), and every picture is
    mirrored while `mirrored`.
    """

    def __init__(self, augmentation: Augmentation, normalise: Normalise, *, alternates: bool = False) -> None:
        self.mirrors = alternates and "flip" in augmentation.strengths
        kept = {
            name: one for name, one in augmentation.strengths.items() if not (self.mirrors and name == "flip")
        }
        self.augmentation = dataclasses.replace(augmentation, strengths=kept)
        self.normalise, self.mirrored = normalise, False

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return float32 (n, c, h, w)."""
        x = x.permute(0, 3, 1, 2)
        return self.normalise(self.augmentation(x.flip(3) if self.mirrored else x, generator))


class AlternatingBatches:
    """Batches in which every picture is mirrored in every second epoch, half of them in the first (arXiv 2404.00498).

    So that each is seen from both sides equally often, in pairs of epochs. `begin` is told the number of every epoch.
    """

    def __init__(self, batches: ArrayBatches, *, preparing: Preparing, begin: Callable[[int], None]) -> None:
        self._batches, self._preparing, self._begin = batches, preparing, begin
        self.n_pictures, self.n_batches = batches.n_pictures, batches.n_batches
        self.fingerprint = f"{batches.fingerprint} alternating"

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of epoch `number` (from 0), the first `start` left out."""
        self._begin(number)
        self._preparing.mirrored = self._preparing.mirrors and number % 2 == 1
        yield from self._batches.epoch(number, start=start)


def half_mirrored(pixels: Pixels, *, seed: int) -> Pixels:
    """Return a copy of uint8 (n, h, w, c) in which half of the pictures, drawn by `seed`, are mirrored."""
    is_mirrored = np.random.default_rng(seed).random(len(pixels)) < 0.5
    sides = pixels.copy()
    sides[is_mirrored] = sides[is_mirrored, :, ::-1]
    return sides
