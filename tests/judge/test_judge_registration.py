"""Pictures laid over each other: cuts, mirror images and resizings of a drawn scene are found, other scenes are not."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.judge import registration
from fovea.judge.registration import SIDE, differences
from fovea.pictures import resize

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def scenes(draw_pixels: Callable[..., Pixels]) -> list[Pixels]:
    return [draw_pixels(seed=number, size_px=(240, 180)) for number in range(8)]


def small(*pictures: Pixels) -> Pixels:
    return np.stack([resize(one, height_px=SIDE, width_px=SIDE, fit="squash") for one in pictures])


def differ(one: Pixels, other: Pixels) -> tuple[float, bool]:
    difference, mirrored = differences(small(one, other), np.array([[0, 1]]))
    return float(difference[0]), bool(mirrored[0])


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize(("top", "left"), [(0, 0), (9, 12), (18, 24), (4, 21)])
def test_a_picture_and_its_cut_of_90_percent_hardly_differ(scenes, number, top, left):
    cut = scenes[number][top : top + 162, left : left + 216]
    assert differ(scenes[number], cut) == (pytest.approx(0, abs=0.1), False)


@pytest.mark.parametrize("number", range(8))
def test_a_mirror_image_is_told_as_one(scenes, number):
    difference, mirrored = differ(scenes[number], scenes[number][:, ::-1])
    assert difference < 0.03
    assert mirrored


def test_a_cut_across_alone_is_found(scenes):
    assert differ(scenes[0], scenes[0][:, 20:220])[0] < 0.1


def test_the_same_picture_differs_by_nothing(scenes):
    assert differ(scenes[0], scenes[0]) == (pytest.approx(0, abs=1e-3), False)


def test_the_order_of_a_pair_does_not_matter(scenes):
    pictures = small(scenes[0], scenes[0][9:171, 12:228], scenes[1])
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    one, other = differences(pictures, pairs)[0], differences(pictures, pairs[:, ::-1])[0]
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_other_scenes_differ_more_than_any_cut(scenes):
    pairs = np.argwhere(np.triu(np.ones((8, 8), bool), 1))
    assert differences(small(*scenes), pairs)[0].min() > 0.3


def test_another_colour_of_the_same_thing_is_no_copy(scenes):
    other = scenes[0].copy()
    other[60:120, 80:160] = 255 - other[60:120, 80:160]
    assert differ(scenes[0], other)[0] > 0.3


def test_pictures_without_contrast_are_like_nothing():
    plain = np.full((SIDE, SIDE, 3), 90, np.uint8)
    assert differences(np.stack([plain, plain]), np.array([[0, 1]]))[0].tolist() == [np.inf]


def test_no_pairs_give_no_differences(scenes):
    difference, mirrored = differences(small(scenes[0]), np.empty((0, 2), np.int64))
    assert (difference.shape, mirrored.shape) == ((0,), (0,))


def test_the_result_does_not_depend_on_the_batch(scenes, monkeypatch):
    pictures = small(*scenes, *(scene[5:170, 10:230] for scene in scenes))
    pairs = np.argwhere(np.triu(np.ones((16, 16), bool), 1))
    whole = differences(pictures, pairs)
    monkeypatch.setattr(registration, "_BATCH", 3)
    few = differences(pictures, pairs)
    np.testing.assert_allclose(few[0], whole[0], atol=1e-4)
    np.testing.assert_array_equal(few[1], whole[1])
