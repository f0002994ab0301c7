"""The page of `augment` shows originals, copies, every policy and operation; the sheet is the same as one picture."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fovea.pages import AugmentPage, Strip, draw_sheet, render_augment

Reader = Callable[[str], Any]


def tile(level: int) -> bytes:
    target = BytesIO()
    Image.new("RGB", (16, 16), (level, level, level)).save(target, "JPEG")
    return target.getvalue()


@pytest.fixture
def page() -> AugmentPage:
    return AugmentPage(
        title="photos",
        policy="light",
        parts="flip, shift",
        originals=(tile(0), tile(40)),
        samples=tuple(tile(80) for _ in range(7)),
        operations=(Strip("flip", "mirrored <left> and right", (tile(200),)),),
        policies=(Strip("none", "nothing", (tile(120),)),),
        notes=("Nothing is mirrored.",),
    )


def test_every_tag_is_closed_in_order(page: AugmentPage, read_page: Reader) -> None:
    assert read_page(render_augment(page)).faults == []


def test_the_same_values_give_the_same_bytes_and_fetch_nothing(page: AugmentPage) -> None:
    assert render_augment(page) == render_augment(page)
    assert "://" not in render_augment(page)


def test_it_opens_with_how_many_pictures_and_the_policy(page: AugmentPage, read_page: Reader) -> None:
    words = read_page(render_augment(page)).words("")
    assert "2 pictures as training would see them : light. Nothing is mirrored." in words


def test_every_picture_is_there_under_its_heading(page: AugmentPage, read_page: Reader) -> None:
    read = read_page(render_augment(page))
    assert read.tags.count("img") == 2 + 7 + 1 + 1
    assert read.words("samples") == "What training will see flip, shift As it is Copies"
    assert read.words("operations").endswith("flip mirrored <left> and right")


def test_the_sheet_has_a_row_for_each_strip_and_wraps_after_six(page: AugmentPage) -> None:
    sheet = np.asarray(Image.open(BytesIO(draw_sheet(page))).convert("L")).astype(int)
    # Originals, seven samples in two rows, one policy, one operation; tiles of 128 px, 8 px between.
    assert sheet.shape == (8 + 5 * 136, 220 + 6 * 136)
    first_tiles = [int(sheet[8 + row * 136 + 64, 220 + 64]) for row in range(5)]
    assert first_tiles == pytest.approx([0, 80, 80, 120, 200], abs=2)
    assert [int(sheet[8 + 2 * 136 + 64, 220 + column * 136 + 64]) for column in (0, 1)] == [80, 255]
