"""Blur is torchvision's, erasing covers what it says, and neither touches pictures that were not drawn."""

from importlib import import_module
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.augment.covering import blur, blur_by, erase
from fovea.nets import import_torchvision


def test_blur_is_torchvisions_each_picture_by_its_own_deviation() -> None:
    import_torchvision()
    gaussian_blur = import_module("torchvision.transforms.v2.functional").gaussian_blur
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    made = blur_by(pictures, torch.tensor([0.8, 2.0]))
    for x, one, sigma in zip(pictures, made, (0.8, 2.0), strict=True):
        assert torch.allclose(one, gaussian_blur(x, [9, 9], [sigma, sigma]), atol=1e-5)


def test_blur_leaves_pictures_alone_that_were_not_drawn() -> None:
    pictures = torch.rand(3, 3, 16, 16)
    numbers = iter([torch.tensor([0.1, 0.3, 0.9]), torch.tensor([1.0, 1.0, 1.0])])
    made = blur(pictures, lambda: next(numbers), 1.0)
    assert [torch.equal(a, b) for a, b in zip(made, pictures, strict=True)] == [False, True, True]


def test_erasing_covers_a_rectangle_with_the_mean_colour() -> None:
    pictures = 255 * torch.rand(2, 3, 20, 20)
    # Which; area 0.02 + 0.18 = 0.2 of it; proportions 1; from the top left corner.
    numbers = iter(torch.tensor([one, one]) for one in (0.0, 1.0, 0.5, 0.0, 0.0))
    made = erase(pictures, lambda: next(numbers), 1.0)
    covered = (made != pictures).all(1)
    # The root of 0.2 of 20 pixels is 8.9: nine centres lie inside.
    wanted = torch.zeros(20, 20, dtype=torch.bool)
    wanted[:9, :9] = True
    assert torch.equal(covered, wanted.expand(2, 20, 20))
    assert torch.allclose(made[1, :, 0, 0], pictures[1].mean((1, 2)))


def test_a_quarter_of_the_pictures_is_erased() -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(400, 1, 16, 16)
    made: Any = erase(pictures, lambda: torch.rand(400, generator=generator), 1.0)
    n_erased = int((made != pictures).flatten(1).any(1).sum())
    assert 75 <= n_erased <= 125  # 100, give or take 2.9 standard deviations
