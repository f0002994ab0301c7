"""RandAugment's and TrivialAugment's operations are torchvision's, each picture with its own."""

from importlib import import_module
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.augment.automatic import (
    CHOICES,
    COLOURS,
    MOVES,
    SPACES,
    Drawn,
    apply_operations,
    automatic,
)
from fovea.nets import import_torchvision

Tensor = Any
TRIVIAL = SPACES["trivialaugment"]


@pytest.fixture
def functional() -> Any:
    import_torchvision()
    return import_module("torchvision.transforms.v2.functional")


@pytest.fixture
def pictures() -> Tensor:
    shape = (3, 3, 24, 32)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def done(names: list[str], pictures: Tensor, signed: list[float]) -> Tensor:
    drawn = Drawn(torch.tensor(signed).abs(), torch.tensor(signed))
    return apply_operations(names, pictures, drawn, space=TRIVIAL, padding="zeros")


@pytest.mark.parametrize("name", ["brightness", "saturation", "contrast", "sharpness"])
def test_blends_are_torchvisions(functional: Any, pictures: Tensor, name: str) -> None:
    signed = [-0.5, 0.0, 0.5]
    made = done([name] * 3, pictures, signed)
    change = getattr(functional, f"adjust_{name}")
    wanted = torch.stack([change(x, 1 + 0.99 * by) for x, by in zip(pictures, signed, strict=True)])
    assert int((made.int() - wanted.int()).abs().max()) <= 1  # torchvision cuts off where we round


def test_posterize_keeps_as_many_bits_as_torchvision(functional: Any, pictures: Tensor) -> None:
    made = done(["posterize"] * 3, pictures, [0.0, 0.5, 1.0])
    wanted = [functional.posterize(x, bits) for x, bits in zip(pictures, (8, 5, 2), strict=True)]
    assert torch.equal(made, torch.stack(wanted))


def test_solarize_inverts_from_torchvisions_threshold(functional: Any, pictures: Tensor) -> None:
    made = done(["solarize"] * 3, pictures, [0.0, 0.5, 1.0])
    wanted = [functional.solarize(x, limit) for x, limit in zip(pictures, (255.0, 127.5, 0.0), strict=True)]
    assert torch.equal(made, torch.stack(wanted))


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
def test_levels_are_torchvisions(functional: Any, pictures: Tensor, name: str) -> None:
    dark = pictures // 2
    wanted = torch.stack([getattr(functional, name)(x) for x in dark])
    assert torch.equal(done([name] * 3, dark, [0.1, 0.2, 0.3]), wanted)


def test_moves_of_one_batch_are_each_their_own(functional: Any, pictures: Tensor) -> None:
    made = done(["move x", "turn", "move y"], pictures, [0.25, 0.0, -0.125])
    assert torch.equal(made[0, :, :, :24], pictures[0, :, :, 8:])  # a quarter of 32 pixels
    assert torch.equal(made[1], pictures[1])
    assert torch.equal(made[2, :, 4:], pictures[2, :, :-4])


def test_all_fourteen_operations_are_drawn_equally_often() -> None:
    assert len(CHOICES) == 1 + len(MOVES) + len(COLOURS) + 5 == 14


def test_randaugment_does_two_operations_of_its_magnitude() -> None:
    space = SPACES["randaugment"]
    assert (space.n_operations, space.magnitude) == (2, pytest.approx(9 / 30))
    # Bin 9 of torchvision's 31: of 0.3 for a shear, of 30 degrees, of 150/331 of the side.
    import_torchvision()
    policy = import_module("torchvision.transforms.v2").RandAugment()
    theirs = {
        name: float(values(31, 331, 331)[9])
        for name, (values, _) in policy._AUGMENTATION_SPACE.items()
        if name in {"ShearX", "Rotate", "TranslateX", "Brightness", "Posterize"}
    }
    ours = {
        "ShearX": 0.3 * space.slant,
        "TranslateX": 0.3 * space.move_share * 331,
        "Rotate": 0.3 * space.turn_degrees,
        "Brightness": 0.3 * space.blend,
        "Posterize": 8 - round(0.3 * space.posterize_bits),
    }
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_pictures_of_a_batch_are_changed_differently() -> None:
    same = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8).expand(40, -1, -1, -1)
    generator = torch.Generator().manual_seed(0)
    made = automatic(
        same, lambda: torch.rand(40, generator=generator), space=TRIVIAL, strength=1.0, padding="reflection"
    )
    assert len({bytes(x.numpy()) for x in made}) > 25  # three of fourteen choices may repeat
