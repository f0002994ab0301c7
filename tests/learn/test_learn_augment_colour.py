"""One affine map a picture changes colours as torchvision's functionals do, each picture by its own factor."""

from importlib import import_module
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.augment.colour import (
    brighten,
    raise_contrast,
    recolour,
    saturate,
    turn_hue,
)
from fovea.nets import import_torchvision

Tensor = Any
FACTORS = [0.6, 1.0, 1.1]


@pytest.fixture
def functional() -> Any:
    import_torchvision()
    return import_module("torchvision.transforms.v2.functional")


@pytest.fixture
def pictures() -> Tensor:
    """Return pictures from 0.3 to 0.7: none of the changes reaches 0 or 1, where torchvision clips."""
    return 0.3 + 0.4 * torch.rand(3, 3, 8, 9, generator=torch.Generator().manual_seed(0))


def expected(change: Any, pictures: Tensor) -> Tensor:
    return torch.stack([change(x, factor) for x, factor in zip(pictures, FACTORS, strict=True)])


def test_brightness_is_torchvisions(functional: Any, pictures: Tensor) -> None:
    made = recolour(pictures, brighten(torch.tensor(FACTORS)))
    assert torch.allclose(made, expected(functional.adjust_brightness, pictures), atol=1e-6)


def test_saturation_is_torchvisions(functional: Any, pictures: Tensor) -> None:
    made = recolour(pictures, saturate(torch.tensor(FACTORS)))
    assert torch.allclose(made, expected(functional.adjust_saturation, pictures), atol=1e-3)


def test_contrast_is_torchvisions(functional: Any, pictures: Tensor) -> None:
    made = recolour(pictures, raise_contrast(torch.tensor(FACTORS), pictures.mean((2, 3))))
    assert torch.allclose(made, expected(functional.adjust_contrast, pictures), atol=1e-3)


def test_hue_turned_by_a_third_takes_red_to_green_of_the_same_luma() -> None:
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    made = recolour(red, turn_hue(torch.tensor([1 / 3]))).flatten()
    # SVG 1.1, hueRotate by 120 degrees: cos -1/2, sin 0.8660; the first column of its matrix.
    wanted = [
        0.213 - 0.5 * 0.787 - 0.8660 * 0.213,
        0.213 + 0.5 * 0.213 + 0.8660 * 0.143,
        0.213 + 0.5 * 0.213 - 0.8660 * 0.787,
    ]
    assert made.tolist() == pytest.approx(wanted, abs=1e-3)
    assert float(made @ torch.tensor([0.213, 0.715, 0.072])) == pytest.approx(0.213, abs=1e-3)


def test_hue_leaves_grey_pictures_alone() -> None:
    grey = torch.full((2, 3, 4, 4), 0.4)
    assert torch.allclose(recolour(grey, turn_hue(torch.tensor([0.1, -0.4]))), grey, atol=1e-5)


def test_a_picture_of_one_channel_changes_like_three_equal_ones(pictures: Tensor) -> None:
    one = pictures[:, :1]
    maps = raise_contrast(torch.tensor(FACTORS), one.mean((2, 3)).expand(-1, 3)) @ brighten(
        torch.tensor(FACTORS)
    )
    assert torch.allclose(recolour(one, maps), recolour(one.expand(-1, 3, -1, -1), maps)[:, :1], atol=1e-6)
