"""Brightness, contrast, saturation and hue of whole batches: one affine map of the channels a picture."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from fovea.learn.augment.geometry import Draw

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def brighten(factor: Tensor) -> Tensor:
    """Return maps (n, 4, 4) that multiply pictures by `factor` (n,)."""
    return _blend(factor, torch.zeros(4, 4))


def saturate(factor: Tensor) -> Tensor:
    """Return maps that blend with the grey picture: 0 is grey, 1 the picture itself."""
    grey = torch.zeros(4, 4)
    grey[:3, :3] = torch.tensor(LUMA)
    return _blend(factor, grey)


def raise_contrast(factor: Tensor, mean: Tensor) -> Tensor:
    """Return maps that blend with each picture's mean grey, of its mean colour (n, 3)."""
    grey = torch.zeros(len(mean), 4, 4)
    grey[:, :3, 3] = (mean @ torch.tensor(LUMA))[:, None]
    return _blend(factor, grey)


def turn_hue(turns: Tensor) -> Tensor:
    """Return maps that turn the hue by `turns` (1 = full circle) at nearly equal luma, as SVG's hueRotate does."""
    luma = torch.tensor([0.213, 0.715, 0.072])  # SVG 1.1, feColorMatrix
    grey = luma.repeat(3, 1)
    across = torch.tensor([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    angle = 2 * math.pi * turns[:, None, None]
    maps = torch.eye(4).repeat(len(turns), 1, 1)
    maps[:, :3, :3] = grey + angle.cos() * (torch.eye(3) - grey) + angle.sin() * across
    return maps


def _brightness(draw: Draw, strength: float, mean: Tensor) -> Tensor:
    """Multiply by 0.7 to 1.3 at strength 1."""
    return brighten(_about_one(draw, 0.3 * strength))


def _contrast(draw: Draw, strength: float, mean: Tensor) -> Tensor:
    """Bring nearer to or further from mean grey by 30 % at strength 1."""
    return raise_contrast(_about_one(draw, 0.3 * strength), mean)


def _saturation(draw: Draw, strength: float, mean: Tensor) -> Tensor:
    """Bring nearer to or further from grey by 40 % at strength 1."""
    return saturate(_about_one(draw, 0.4 * strength))


def _hue(draw: Draw, strength: float, mean: Tensor) -> Tensor:
    """Turn by up to 1/20 of the circle at strength 1."""
    return turn_hue(0.05 * strength * (2 * draw() - 1))


COLOURS: Mapping[str, Callable[[Draw, float, Tensor], Tensor]] = MappingProxyType(
    {"hue": _hue, "saturation": _saturation, "brightness": _brightness, "contrast": _contrast}
)
"""Each takes (draw, strength, mean colour (n, 3)) and returns maps float32 (n, 4, 4), in the order applied."""


def recolour(x: Tensor, maps: Tensor) -> Tensor:
    """Return float pictures (n, c, h, w), c 3 or 1, with the maps (n, 4, 4) applied to every pixel; not clipped.

    A grey picture takes what the maps do to the mean of three equal channels.
    """
    scale, offset = maps[:, :3, :3].to(x.device), maps[:, :3, 3].to(x.device)
    if x.shape[1] == 1:
        scale, offset = scale.sum(2).mean(1)[:, None, None], offset.mean(1)[:, None]
    flat = torch.baddbmm(offset[:, :, None], scale, x.flatten(2))
    return flat.reshape(x.shape)


def _about_one(draw: Draw, most: float) -> Tensor:
    return 1 + min(most, 1.0) * (2 * draw() - 1)


def _blend(factor: Tensor, other: Tensor) -> Tensor:
    """Return factor x identity + (1 - factor) x other, the last row kept."""
    factor = factor[:, None, None]
    maps = factor * torch.eye(4) + (1 - factor) * other
    maps[:, 3] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    return maps
