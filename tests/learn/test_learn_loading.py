"""What torchvision's usual chain of transforms does is recognised; nothing else is guessed."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

torch = pytest.importorskip("torch")

from fovea.features import Preprocess, make_views
from fovea.learn.loading import Entry, entry_of
from fovea.nets import import_torchvision

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(params=["torchvision.transforms", "torchvision.transforms.v2"])
def transforms(request: pytest.FixtureRequest) -> Any:
    import_torchvision()
    return import_module(request.param)


def test_the_tutorials_validation_chain_is_a_crop_from_the_middle(transforms: Any) -> None:
    chain = [transforms.Resize(256), transforms.CenterCrop(224), transforms.PILToTensor()]
    chain += [transforms.ConvertImageDtype(torch.float32), transforms.Normalize(MEAN, STD)]
    assert entry_of(transforms.Compose(chain)) == Entry(Preprocess(224, 224, "crop", 224 / 256), MEAN, STD)


def test_a_resize_to_both_sides_squashes(transforms: Any) -> None:
    chain = [transforms.Resize((64, 96)), transforms.ConvertImageDtype(torch.float32)]
    entry = entry_of(transforms.Compose(chain))
    assert entry == Entry(Preprocess(64, 96, "squash"), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(("scale", "unit"), [(True, 1.0), (False, 255.0)])
def test_numbers_up_to_255_are_read_as_such(
    scale: bool, unit: float, draw_pixels: Callable[..., NDArray[np.uint8]]
) -> None:
    import_torchvision()
    v2 = import_module("torchvision.transforms.v2")
    mean, std = [0.4 * unit] * 3, [0.2 * unit] * 3
    steps = [
        v2.ToImage(),
        v2.Resize((32, 32)),
        v2.ToDtype(torch.float32, scale=scale),
        v2.Normalize(mean, std),
    ]
    chain = v2.Compose(steps)
    entry = entry_of(chain)
    assert entry is not None
    assert entry.mean == pytest.approx([0.4] * 3)
    pixels = draw_pixels(seed=5, size_px=(32, 32))
    own = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - entry.mean[0]) / entry.std[0]
    torch.testing.assert_close(
        own, chain(Image.fromarray(pixels)).as_subclass(torch.Tensor), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(
    "steps",
    [
        ["Resize(256)", "ToTensor()"],  # pictures of several shapes
        ["CenterCrop(224)", "ToTensor()"],
        ["Resize(256)", "CenterCrop(224)", "PILToTensor()"],  # bytes
        ["Resize(256)", "RandomHorizontalFlip()", "CenterCrop(224)", "ToTensor()"],
        ["Resize(200)", "CenterCrop(224)", "ToTensor()"],
        ["Resize((64, 64))", "ToTensor()", "Normalize([0.5], [0.5])"],
    ],
)
def test_any_other_chain_is_not_guessed(steps: list[str]) -> None:
    import_torchvision()
    module = import_module("torchvision.transforms")
    chain = [eval(f"module.{step}", {"module": module}) for step in steps]
    assert entry_of(module.Compose(chain)) is None


def test_a_function_is_not_guessed() -> None:
    assert entry_of(lambda picture: picture) is None


def test_what_is_recognised_makes_nearly_the_same_pixels(
    draw_pixels: Callable[..., NDArray[np.uint8]], tmp_path: Any
) -> None:
    import_torchvision()
    module = import_module("torchvision.transforms")
    picture = Image.fromarray(draw_pixels(seed=5, size_px=(120, 80)))
    picture.save(tmp_path / "a.png")
    chain = module.Compose([module.Resize(40), module.CenterCrop(32), module.ToTensor()])
    entry = entry_of(chain)
    assert entry is not None
    views, _ = make_views((tmp_path / "a.png").read_bytes(), entry.preprocess, views=(0,), sha256="")
    theirs = 255 * chain(picture).permute(1, 2, 0).numpy()
    assert np.abs(views[0] - theirs).mean() < 1  # of 255 levels
