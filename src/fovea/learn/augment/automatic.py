"""RandAugment (Cubuk 2019) and TrivialAugment (Müller 2021) with torchvision's operations and ranges, batched.

Every picture draws its own operation, and under TrivialAugment its own magnitude.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from fovea.learn.augment.colour import brighten, raise_contrast, recolour, saturate
from fovea.learn.augment.geometry import Draw, Shape, move, sample, slant, turn
from fovea.nets import import_torchvision

_BINS = 31


@dataclass(frozen=True, slots=True)
class Space:
    """How far each operation goes at most: slant as a tangent, move in pixels or as a share of the side, turn in degrees.

    `n_operations` follow each other; `magnitude` is the share of the most that RandAugment takes, None for any.
    """

    slant: float
    move_px: float
    move_share: float
    turn_degrees: float
    blend: float
    posterize_bits: int
    n_operations: int
    magnitude: float | None


SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "randaugment": Space(0.3, 0, 150 / 331, 30, 0.9, 4, n_operations=2, magnitude=9 / (_BINS - 1)),
        "trivialaugment": Space(0.99, 32, 0, 135, 0.99, 6, n_operations=1, magnitude=None),
    }
)
"""The defaults of torchvision's RandAugment and TrivialAugmentWide."""

MOVES = ("slant x", "slant y", "move x", "move y", "turn")
COLOURS = ("brightness", "saturation", "contrast")
LEVELS = ("sharpness", "posterize", "solarize", "autocontrast", "equalize")
CHOICES = ("as it is", *MOVES, *COLOURS, *LEVELS)
_GROUPS = (MOVES, COLOURS, *((name,) for name in LEVELS))


@dataclass(frozen=True, slots=True)
class Drawn:
    """How much of the most each picture takes (n,): from 0 to 1, and the same with a random sign."""

    magnitude: Tensor
    signed: Tensor


def automatic(x: Tensor, draw: Draw, *, space: Space, strength: float, padding: str) -> Tensor:
    """Return uint8 (n, c, h, w) with `space.n_operations` random operations on each picture of uint8 (n, c, h, w)."""
    for _ in range(space.n_operations):
        which = (len(CHOICES) * draw()).long()
        bins = (_BINS * draw()).floor() / (_BINS - 1)
        magnitude = bins if space.magnitude is None else torch.full_like(bins, space.magnitude)
        magnitude = (strength * magnitude).clamp(max=1)
        signed = torch.where(draw() < 0.5, -magnitude, magnitude)
        x = x.clone()
        for group in _GROUPS:
            chosen = torch.isin(which, torch.tensor([CHOICES.index(name) for name in group]))
            if chosen.any():
                at = chosen.to(x.device)
                names = [CHOICES[number] for number in which[chosen].tolist()]
                drawn = Drawn(magnitude[chosen], signed[chosen])
                x[at] = apply_operations(names, x[at], drawn, space=space, padding=padding)
    return x


def apply_operations(names: Sequence[str], x: Tensor, drawn: Drawn, *, space: Space, padding: str) -> Tensor:
    """Return uint8 pictures (n, c, h, w), to each of which one operation of CHOICES was done.

    The n `names` are all of MOVES, or all of COLOURS, or all the same one of LEVELS.
    """
    if names[0] in LEVELS:
        return _LEVELS[names[0]](x, drawn, space)
    seen = x.float()
    if names[0] in MOVES:
        shape = (x.shape[2], x.shape[3])
        changed = sample(seen, _matrices(names, drawn.signed, space, shape), padding=padding)
    else:
        changed = recolour(seen, _maps(names, 1 + space.blend * drawn.signed, seen.mean((2, 3))))
    return changed.round_().clamp_(0, 255).to(torch.uint8)


def _matrices(names: Sequence[str], signed: Tensor, space: Space, shape: Shape) -> Tensor:
    """Return matrices (n, 3, 3): all five moves of each picture, four of them by nothing."""
    by = {name: signed * torch.tensor([name == one for one in names]) for name in MOVES}
    most_px = [space.move_px or space.move_share * side for side in (shape[1], shape[0])]
    moved = move((most_px[0] * by["move x"]).trunc(), (most_px[1] * by["move y"]).trunc(), shape)
    slanted = slant(space.slant * by["slant x"], space.slant * by["slant y"], shape)
    return moved @ slanted @ turn(math.radians(space.turn_degrees) * by["turn"], shape)


def _maps(names: Sequence[str], factor: Tensor, mean: Tensor) -> Tensor:
    """Return maps (n, 4, 4), each of one of the three colour operations."""
    maps = {
        "brightness": brighten(factor),
        "saturation": saturate(factor),
        "contrast": raise_contrast(factor, mean.expand(-1, 3).cpu()),
    }
    return torch.stack([maps[name][k] for k, name in enumerate(names)])


def _sharpen(x: Tensor, drawn: Drawn, space: Space) -> Tensor:
    factor = (1 + space.blend * drawn.signed).to(x.device)[:, None, None, None]
    soft: Tensor = _functional().adjust_sharpness(x, 0.0)
    return (factor * x + (1 - factor) * soft).round_().clamp_(0, 255).to(torch.uint8)


def _posterize(x: Tensor, drawn: Drawn, space: Space) -> Tensor:
    bits = 8 - (space.posterize_bits * drawn.magnitude).round()
    mask = (256 - 2 ** (8 - bits)).to(torch.uint8)
    return x & mask.to(x.device)[:, None, None, None]


def _solarize(x: Tensor, drawn: Drawn, space: Space) -> Tensor:
    threshold = (255 * (1 - drawn.magnitude)).to(x.device)[:, None, None, None]
    return torch.where(x >= threshold, 255 - x, x)


def _autocontrast(x: Tensor, drawn: Drawn, space: Space) -> Tensor:
    changed: Tensor = _functional().autocontrast(x)
    return changed


def _equalize(x: Tensor, drawn: Drawn, space: Space) -> Tensor:
    changed: Tensor = _functional().equalize(x)
    return changed


_LEVELS: Mapping[str, Callable[[Tensor, Drawn, Space], Tensor]] = MappingProxyType(
    dict(zip(LEVELS, (_sharpen, _posterize, _solarize, _autocontrast, _equalize), strict=True))
)


def _functional() -> Any:
    """Return the module of torchvision v2's functionals."""
    from importlib import import_module

    import_torchvision()
    return import_module("torchvision.transforms.v2.functional")
