"""Where each output pixel comes from: one 3 x 3 matrix a picture, all operations multiplied, sampled once.

A matrix takes points of the output to points of the input, both from -1 to 1 across the picture (x right, y down).
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor

Draw: TypeAlias = Callable[[], Tensor]
"""Returns float32 (n,) uniform on [0, 1), other numbers at every call."""
Shape: TypeAlias = tuple[int, int]
"""Height and width of the pictures in pixels."""

_NEAREST = 0.1  # of a perspective: what would lie behind the viewer is kept in front


def crop(draw: Draw, strength: float, shape: Shape) -> Tensor:
    """Take a window of random size (at strength 1 of 35 to 100 % of the area), proportions (3:4 to 4:3) and place."""
    area = 1 - min(0.65 * strength, 0.92) * draw()
    ratio = torch.exp(math.log(4 / 3) * min(strength, 1) * _sides(draw))
    wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    return make_matrix(xx=wide, yy=high, x=(1 - wide) * _sides(draw), y=(1 - high) * _sides(draw))


def zoom(draw: Draw, strength: float, shape: Shape) -> Tensor:
    """Enlarge or shrink about the middle, at strength 1 by up to a factor of 1.25."""
    factor = torch.exp(math.log(1.25) * strength * _sides(draw))
    return make_matrix(xx=factor, yy=factor)


def shift(draw: Draw, strength: float, shape: Shape) -> Tensor:
    """Move by whole pixels, up to an eighth of width and height at strength 1: nothing is blurred by it."""
    height, width = shape
    x, y = strength * width / 8 * _sides(draw), strength * height / 8 * _sides(draw)
    return move(x.round(), y.round(), shape)


def rotate(draw: Draw, strength: float, shape: Shape) -> Tensor:
    """Turn about the middle by up to 15 degrees at strength 1."""
    return turn(math.radians(15) * strength * _sides(draw), shape)


def shear(draw: Draw, strength: float, shape: Shape) -> Tensor:
    """Slant along x and along y by up to 10 degrees each at strength 1."""
    most = math.tan(math.radians(10)) * strength
    return slant(most * _sides(draw), most * _sides(draw), shape)


def perspective(draw: Draw, strength: float, shape: Shape) -> Tensor:
    """Tilt towards or away from the viewer, at strength 1 until one edge is 1.5 times as near as the other."""
    return make_matrix(px=0.2 * strength * _sides(draw), py=0.2 * strength * _sides(draw))


def stretch(draw: Draw, strength: float, shape: Shape) -> Tensor:
    """Widen and flatten, or the other way round, by up to a factor of 1.2 each at strength 1."""
    factor = torch.exp(math.log(1.2) * strength * _sides(draw))
    return make_matrix(xx=factor, yy=1 / factor)


GEOMETRY: Mapping[str, Callable[[Draw, float, Shape], Tensor]] = MappingProxyType(
    {
        "crop": crop,
        "zoom": zoom,
        "shift": shift,
        "rotate": rotate,
        "shear": shear,
        "perspective": perspective,
        "stretch": stretch,
    }
)
"""Each takes (draw, strength, shape in pixels) and returns matrices float32 (n, 3, 3)."""


def move(x_px: Tensor, y_px: Tensor, shape: Shape) -> Tensor:
    """Return matrices (n, 3, 3) that move what is seen by `x_px` to the left and `y_px` upwards."""
    return make_matrix(x=2 * x_px / shape[1], y=2 * y_px / shape[0])


def turn(angle: Tensor, shape: Shape) -> Tensor:
    """Return matrices (n, 3, 3) that turn counter-clockwise by `angle` radians (n,), whatever the proportions."""
    aspect = shape[1] / shape[0]
    cos, sin = angle.cos(), angle.sin()
    return make_matrix(xx=cos, xy=-sin / aspect, yx=sin * aspect, yy=cos)


def slant(x: Tensor, y: Tensor, shape: Shape) -> Tensor:
    """Return matrices (n, 3, 3) that slant by the tangents `x` along x and `y` along y, whatever the proportions."""
    aspect = shape[1] / shape[0]
    return make_matrix(xy=x / aspect, yx=y * aspect)


def sample(x: Tensor, matrix: Tensor, *, padding: str) -> Tensor:
    """Return float32 pictures (n, c, h, w) seen through the matrices (n, 3, 3), bilinearly.

    `padding` is what lies outside: "reflection", "border" or "zeros".
    """
    n, _, height, width = x.shape
    if (matrix[:, 2, :2] == 0).all():
        matrix = matrix[:, :2].to(x.device)
        grid = torch.nn.functional.affine_grid(matrix, [n, 1, height, width], align_corners=False)
    else:
        grid = _projected(matrix.to(x.device), height_px=height, width_px=width)
    return torch.nn.functional.grid_sample(
        x, grid, mode="bilinear", padding_mode=padding, align_corners=False
    )


def make_matrix(**entries: Tensor) -> Tensor:
    """Return matrices (n, 3, 3): the identity but for the entries xx, xy, yx, yy, x and y (a shift), px and py."""
    places = {"xx": (0, 0), "xy": (0, 1), "x": (0, 2), "yx": (1, 0), "yy": (1, 1), "y": (1, 2)}
    places |= {"px": (2, 0), "py": (2, 1)}
    matrix = torch.eye(3).repeat(len(next(iter(entries.values()))), 1, 1)
    for name, values in entries.items():
        matrix[(slice(None), *places[name])] = values
    return matrix


def _projected(matrix: Tensor, *, height_px: int, width_px: int) -> Tensor:
    """Return the sampling grid (n, h, w, 2) of matrices with a perspective."""
    y, x = torch.meshgrid(_centres(height_px), _centres(width_px), indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)]).reshape(1, 3, -1).to(matrix.device)
    seen = matrix @ points
    flat = seen[:, :2] / seen[:, 2:].clamp(min=_NEAREST)
    return flat.transpose(1, 2).reshape(-1, height_px, width_px, 2)


def _centres(n_px: int) -> Tensor:
    return (2 * torch.arange(n_px, dtype=torch.float32) + 1) / n_px - 1


def _sides(draw: Draw) -> Tensor:
    """Return uniform numbers on [-1, 1)."""
    return 2 * draw() - 1
