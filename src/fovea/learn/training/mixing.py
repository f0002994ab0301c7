"""Mixup (Zhang 2018) and CutMix (Yun 2019) on whole batches: pictures mixed in pairs, both labels kept with their share."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fovea.learn.training.seeds import seed_of

_SQUARE = 4  # dimensions of a batch of pictures


@dataclass(frozen=True, slots=True)
class Mixed:
    """`x` (n, ...); row i counts by `share` in [0, 1] as itself and by the rest as row `other[i]`; `other` int64 (n,) or None."""

    x: Tensor
    other: Tensor | None = None
    share: float = 1.0


def mix(x: Tensor, *, mixup: float, cutmix: float, seed: int) -> Mixed:
    """Mix a batch with itself in another order; with both alphas above 0, each batch gets one of the two.

    Args:
        x: (n, ...) float; CutMix needs (n, c, h, w) and leaves others to mixup.
        mixup, cutmix: alpha of the Beta distribution that the share is drawn from; 0 is off.
        seed: of all that is drawn.
    """
    cutmix = cutmix if x.ndim == _SQUARE else 0.0
    if len(x) < 2 or not (mixup or cutmix):
        return Mixed(x)
    rng = np.random.default_rng(seed_of(seed, "mix"))
    cut = cutmix > 0 and (mixup == 0 or rng.random() < 0.5)
    alpha = cutmix if cut else mixup
    share = float(rng.beta(alpha, alpha))
    other = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    if not cut:
        return Mixed(torch.lerp(x[other], x, share), other, share)
    return _paste(x, other, share, rng)


def _paste(x: Tensor, other: Tensor, share: float, rng: np.random.Generator) -> Mixed:
    """Paste a box of the other picture, of area 1 - share before it is cut at the edge, about a random point."""
    height, width = x.shape[-2:]
    half_h, half_w = (round(side * (1 - share) ** 0.5 / 2) for side in (height, width))
    row, column = int(rng.integers(height)), int(rng.integers(width))
    top, bottom = max(row - half_h, 0), min(row + half_h, height)
    left, right = max(column - half_w, 0), min(column + half_w, width)
    pasted = x.clone()
    pasted[..., top:bottom, left:right] = x[other][..., top:bottom, left:right]
    return Mixed(pasted, other, 1 - (bottom - top) * (right - left) / (height * width))
