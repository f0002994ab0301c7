"""Blur and erasing: what changes a picture near each pixel, of some pictures of a batch."""

import math

import torch
from torch import Tensor

from fovea.learn.augment.geometry import Draw

_BLUR_SHARE = 0.3
_ERASE_SHARE = 0.25  # Zhong 2017 erases half; a quarter is timm's
_REACH = 2  # the kernel ends at so many standard deviations


def blur(x: Tensor, draw: Draw, strength: float) -> Tensor:
    """Blur three pictures in ten, at strength 1 with a deviation of up to 1 % of the shorter side."""
    chosen = draw() < _BLUR_SHARE
    most_px = max(0.01 * strength * min(x.shape[2:]), 0.5)
    sigma = 0.3 + (most_px - 0.3) * draw()
    if chosen.any():
        x, at = x.clone(), chosen.to(x.device)
        x[at] = blur_by(x[at], sigma[chosen].to(x.device))
    return x


def blur_by(x: Tensor, sigma_px: Tensor) -> Tensor:
    """Return float pictures (n, c, h, w) blurred, each by its own standard deviation (n,) in pixels."""
    n, c, height, width = x.shape
    reach = max(1, min(math.ceil(_REACH * float(sigma_px.max())), height - 1, width - 1))
    at = torch.arange(-reach, reach + 1, dtype=torch.float32, device=x.device)
    kernel = torch.exp(-0.5 * (at / sigma_px[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)
    flat = torch.nn.functional.pad(x, [reach] * 4, mode="reflect").reshape(
        1, n * c, height + 2 * reach, width + 2 * reach
    )
    flat = torch.nn.functional.conv2d(flat, kernel[:, None, :, None], groups=n * c)
    flat = torch.nn.functional.conv2d(flat, kernel[:, None, None, :], groups=n * c)
    return flat.reshape(x.shape)


def erase(x: Tensor, draw: Draw, strength: float) -> Tensor:
    """Cover a rectangle of one picture in four with its mean colour, at strength 1 of 2 to 20 % of its area."""
    _, _, height, width = x.shape
    chosen = draw() < _ERASE_SHARE
    area = 0.02 + (min(0.2 * strength, 0.6) - 0.02) * draw()
    ratio = torch.exp(math.log(3) * (2 * draw() - 1))
    high, wide = (area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1)
    top, left = (1 - high) * draw(), (1 - wide) * draw()
    y, x_at = (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width
    rows = (y >= top[:, None]) & (y < (top + high)[:, None])
    columns = (x_at >= left[:, None]) & (x_at < (left + wide)[:, None])
    covered = (rows[:, :, None] & columns[:, None, :] & chosen[:, None, None])[:, None]
    return torch.where(covered.to(x.device), x.mean((2, 3), keepdim=True), x)
