"""Copies of pictures as training would see them, as plain arrays for pages."""

import numpy as np
import torch
from numpy.typing import NDArray

from fovea.learn.augment.apply import Augmentation


def augmented_copies(
    pictures: NDArray[np.uint8], augmentation: Augmentation, *, n: int, seed: int
) -> NDArray[np.uint8]:
    """Return `n` augmented copies uint8 (n, h, w, 3) of pictures uint8 (m, h, w, 3), in turn.

    The same seed gives the same copies, whatever else was drawn.
    """
    chosen = pictures[np.arange(n) % len(pictures)]
    batch = torch.from_numpy(chosen).permute(0, 3, 1, 2)
    seen = augmentation(batch, torch.Generator().manual_seed(seed))
    made: NDArray[np.uint8] = np.ascontiguousarray(seen.permute(0, 2, 3, 1).numpy())
    return made
