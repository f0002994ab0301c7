"""Augmentation of batches: deterministic, a picture's own numbers, pictures of the same kind out."""

import pickle
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.errors import InputError
from fovea.learn.augment import (
    OPERATIONS,
    POLICIES,
    Augmentation,
    Looks,
    augmentation,
    choose_policy,
    normalise,
    suit_augmentation,
)

Tensor = Any


def drawn(n: int = 6, *, channels: int = 3, side_px: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (n, channels, side_px, side_px), dtype=torch.uint8, generator=generator)


def augmented(policy: str, x: Tensor, *, seed: int = 0, **options: Any) -> Tensor:
    return augmentation(policy, **options)(x, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("policy", [*POLICIES, *OPERATIONS])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stay_bytes_of_their_shape(policy: str, channels: int) -> None:
    x = drawn(channels=channels)
    made = augmented(policy, x)
    assert (made.dtype, made.shape) == (torch.uint8, x.shape)


@pytest.mark.parametrize("policy", [*POLICIES, *OPERATIONS])
def test_the_same_seed_gives_the_same_pictures_and_leaves_the_given_ones(policy: str) -> None:
    x = drawn()
    before = x.clone()
    assert torch.equal(augmented(policy, x), augmented(policy, x))
    assert torch.equal(x, before)


@pytest.mark.parametrize("policy", sorted({*POLICIES, *OPERATIONS} - {"none"}))
def test_other_seeds_give_other_pictures(policy: str) -> None:
    x = drawn(24)
    assert not torch.equal(augmented(policy, x, seed=1), augmented(policy, x, seed=2))


def test_no_generator_but_the_given_one_is_used() -> None:
    before = torch.get_rng_state()
    augmented("strong", drawn())
    assert torch.equal(torch.get_rng_state(), before)


def test_none_changes_nothing() -> None:
    assert torch.equal(augmented("none", drawn()), drawn())


def test_an_empty_batch_stays_empty() -> None:
    assert augmented("strong", drawn(0)).shape == (0, 3, 16, 16)


def test_flip_mirrors_about_half_and_changes_no_other() -> None:
    x = drawn(100)
    made = augmented("flip", x)
    mirrored = [torch.equal(one, given.flip(-1)) for one, given in zip(made, x, strict=True)]
    same = [torch.equal(one, given) for one, given in zip(made, x, strict=True)]
    assert sum(mirrored) + sum(same) == 100
    assert 35 <= sum(mirrored) <= 65


def test_floating_pictures_from_0_to_1_come_back_so() -> None:
    x = drawn()
    made = augmented("standard", x.float() / 255)
    assert torch.equal((made * 255).round().to(torch.uint8), augmented("standard", x))


def test_no_strength_leaves_a_shift_out() -> None:
    assert torch.equal(augmented("shift", drawn(), strength=0.0), drawn())


def test_policies_do_not_mirror_what_must_not_be() -> None:
    unmirrored = augmentation("light", looks=Looks(may_mirror=False))
    assert (unmirrored.strengths, unmirrored.padding) == ({"shift": 1.0}, "border")


def test_an_operation_that_is_named_is_done_whatever_the_looks() -> None:
    for wish in ("flip, rotate", ("flip", "rotate")):
        assert augmentation(wish, looks=Looks(may_mirror=False)).strengths == {"flip": 1, "rotate": 1}


def test_grey_pictures_get_no_colours() -> None:
    assert not {"hue", "saturation"} & augmentation("strong", looks=Looks(has_colour=False)).strengths.keys()


def test_an_unknown_augmentation_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        augmentation("flip,rotat")
    assert str(caught.value) == (
        "There is no augmentation 'rotat'. Did you mean 'rotate'? Give one of auto, none, light, standard, strong, "
        "glyphs, randaugment, trivialaugment, or operations with commas between: flip, crop, zoom, shift, rotate, "
        "shear, perspective, stretch, hue, saturation, brightness, contrast, blur, erase, randaugment, trivialaugment."
    )


def test_an_augmentation_can_be_sent_to_another_process() -> None:
    made: Augmentation = pickle.loads(pickle.dumps(augmentation("strong")))
    assert torch.equal(made(drawn(), torch.Generator().manual_seed(0)), augmented("strong", drawn()))


def test_normalising_takes_mean_and_deviation_off_each_channel() -> None:
    x = torch.tensor([0, 255, 51], dtype=torch.uint8)[None, :, None, None]
    made = normalise((0.5, 0.5, 0.2), (0.5, 0.25, 0.1))(x)
    assert made.flatten().tolist() == pytest.approx([-1, 2, 0], abs=1e-6)


def test_auto_takes_glyphs_for_few_grey_pictures_and_randaugment_for_few_small_colourful_ones() -> None:
    rng = np.random.default_rng(0)
    colourful = rng.integers(0, 256, (20, 16, 16, 3), np.uint8)
    grey = colourful[..., :1].repeat(3, axis=3)
    labels = np.arange(20) % 2
    assert suit_augmentation("auto", colourful, labels).policy == "randaugment"
    assert suit_augmentation("auto", grey, labels).policy == "glyphs"


@pytest.mark.parametrize(
    ("n", "side_px", "looks", "policy"),
    [
        (60_000, 28, Looks(may_mirror=False, has_colour=False), "glyphs"),
        (1_000, 32, Looks(), "randaugment"),
        (50_000, 32, Looks(), "light"),
        (500, 224, Looks(), "standard"),
        (500, 224, Looks(may_mirror=False), "standard"),
    ],
)
def test_the_policy_goes_by_number_side_and_looks(n: int, side_px: int, looks: Looks, policy: str) -> None:
    assert choose_policy(n, side_px=side_px, looks=looks) == policy


def test_auto_counts_all_pictures_where_only_some_are_looked_at() -> None:
    colourful = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
    labels = np.zeros(20, np.int64)
    assert suit_augmentation("auto", colourful, labels, n_pictures=9_000).policy == "light"


def test_the_plan_says_that_grey_pictures_without_classes_are_not_mirrored() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (120, 16, 16, 1), np.uint8).repeat(3, axis=3)
    assert suit_augmentation("auto", grey, None).describe() == "'glyphs', nothing mirrored"
    assert suit_augmentation("light", grey, None).describe() == "'light', nothing mirrored"


@pytest.mark.parametrize("wish", ["none", "flip,shift"])
def test_of_nothing_and_of_a_flip_that_was_named_it_does_not_say_so(wish: str) -> None:
    grey = np.zeros((120, 16, 16, 3), np.uint8)
    assert suit_augmentation(wish, grey, None).describe() == repr(wish)
