"""Matrices move pictures as torchvision's functionals do, every picture by its own numbers."""

import math
from importlib import import_module
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.augment.geometry import (
    GEOMETRY,
    crop,
    make_matrix,
    move,
    sample,
    shift,
    slant,
    turn,
)
from fovea.nets import import_torchvision

Tensor = Any


@pytest.fixture
def functional() -> Any:
    import_torchvision()
    return import_module("torchvision.transforms.v2.functional")


@pytest.fixture
def pictures() -> Tensor:
    return 255 * torch.rand(3, 3, 20, 30, generator=torch.Generator().manual_seed(0))


def drawing(*numbers: float) -> Any:
    """Return what draws the given numbers, in turn, for one picture."""
    left = list(numbers)
    return lambda: torch.tensor([left.pop(0)])


def test_turning_is_torchvisions_rotation(functional: Any, pictures: Tensor) -> None:
    degrees = [-40.0, 10.0, 25.0]
    made = sample(pictures, turn(torch.tensor(degrees).deg2rad(), (20, 30)), padding="zeros")
    bilinear = import_module("torchvision.transforms").InterpolationMode.BILINEAR
    wanted = [functional.rotate(x, by, bilinear) for x, by in zip(pictures, degrees, strict=True)]
    # torchvision fades at the edge as a mask of ones does; inside both are the same.
    assert torch.allclose(made[:, :, 8:12, 12:18], torch.stack(wanted)[:, :, 8:12, 12:18], atol=0.01)


def test_slanting_is_torchvisions_shear(functional: Any, pictures: Tensor) -> None:
    bilinear = import_module("torchvision.transforms").InterpolationMode.BILINEAR
    made = sample(pictures, slant(torch.full((3,), 0.2), torch.zeros(3), (20, 30)), padding="zeros")
    by = math.degrees(math.atan(0.2))
    wanted = functional.affine(pictures, 0.0, [0, 0], 1.0, [by, 0.0], bilinear)
    assert torch.allclose(made[:, :, 8:12, 12:18], wanted[:, :, 8:12, 12:18], atol=0.01)


def test_moving_by_whole_pixels_changes_no_pixel(pictures: Tensor) -> None:
    made = sample(pictures, move(torch.full((3,), 4.0), torch.full((3,), -2.0), (20, 30)), padding="border")
    assert torch.allclose(made[:, :, 2:, :-4], pictures[:, :, :-2, 4:], atol=0.01)


def test_the_operation_shift_moves_by_whole_pixels() -> None:
    matrix = shift(drawing(0.9, 0.2), 1.0, (32, 32))
    # 0.8 of the way to 4 pixels is 3.2; -0.6 of it is -2.4.
    assert torch.allclose(matrix[0] * 16, torch.tensor([[16.0, 0, 3], [0, 16, -2], [0, 0, 16]]))


def test_a_crop_is_a_window_inside_the_picture() -> None:
    # The smallest area, square proportions, right edge, top edge.
    matrix = crop(drawing(1.0, 0.5, 1.0, 0.0), 1.0, (32, 32))
    side = math.sqrt(0.35)
    assert torch.allclose(matrix[0, 0], torch.tensor([side, 0, 1 - side]))
    assert torch.allclose(matrix[0, 1], torch.tensor([0, side, side - 1]))


def test_a_perspective_makes_one_edge_larger() -> None:
    stripe = torch.zeros(1, 1, 41, 41)
    stripe[:, :, 10:31] = 255.0
    seen = sample(stripe, make_matrix(px=torch.tensor([0.2])), padding="zeros")
    # At x the stripe of 21 rows is 1 + 0.2 x times as high; columns 5 and 35 of 41 lie at -0.73 and 0.73.
    assert [round(float(seen[0, 0, :, x].sum() / 255)) for x in (5, 20, 35)] == [18, 21, 24]


@pytest.mark.parametrize("name", GEOMETRY)
def test_every_picture_is_moved_by_its_own_numbers(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    matrices = GEOMETRY[name](lambda: torch.rand(4, generator=generator), 1.0, (64, 64))
    assert len({tuple(matrix.flatten().tolist()) for matrix in matrices}) == 4


@pytest.mark.parametrize("name", GEOMETRY)
def test_at_no_strength_nothing_moves(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    matrices = GEOMETRY[name](lambda: torch.rand(4, generator=generator), 0.0, (64, 64))
    assert torch.allclose(matrices, torch.eye(3).expand(4, 3, 3))
