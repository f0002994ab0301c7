"""The augmentation that was wished for, or under "auto" the one that suits the pictures."""

import numpy as np
from numpy.typing import NDArray

from fovea.learn.augment.apply import Augmentation, augmentation
from fovea.learn.augment.looks import measure_looks
from fovea.learn.augment.policies import choose_policy
from fovea.learn.pixels import Pixels


def suit_augmentation(
    wish: str | tuple[str, ...],
    pixels: Pixels,
    labels: NDArray[np.integer] | None,
    *,
    n_pictures: int | None = None,
    strength: float = 1.0,
    seed: int = 0,
) -> Augmentation:
    """Return the augmentation for training pictures uint8 (n, h, w, 3) with class numbers (n,), all or some of `n_pictures`.

    Without class numbers (None) grey pictures are not mirrored: they may show digits or text.
    `wish` is "auto", a policy, or names of operations. What the pictures do not allow is left out of policies, and what is named
    one by one is done. Raises InputError for an unknown name.
    """
    looks = measure_looks(pixels, labels, seed=seed)
    if wish == "auto":
        wish = choose_policy(n_pictures or len(pixels), side_px=min(pixels.shape[1:3]), looks=looks)
    return augmentation(wish, strength=strength, looks=looks)
