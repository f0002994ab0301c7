"""The page of `duplicates`: what stays first in each group, what was not taken for copies, how sure it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fovea.pages import Thumb
from fovea.pages.duplicates import CopyGroup, DuplicatesPage, ShownCopy, render_duplicates

Reader = Callable[[str], Any]


@pytest.fixture
def page() -> DuplicatesPage:
    stays = ShownCopy(Thumb("cat/a.png", label="cat", split="train"), size="300 x 200", n_bytes=12_345)
    copy = ShownCopy(
        Thumb("dog/b.jpg", label="dog", split="valid"),
        size="270 x 180",
        n_bytes=9_000,
        kind="near",
        is_mirrored=True,
        difference=0.123,
    )
    return DuplicatesPage(
        title="photos",
        n_pictures=40,
        n_groups=3,
        n_removable=(("same bytes", 2), ("same pixels", 0), ("near", 1)),
        n_scenes=1,
        groups=(CopyGroup((stays, copy), n=2, n_labels=2, n_splits=2),),
        scenes=(((Thumb("c.jpg"), Thumb("d.jpg")), 5),),
        doubtful=((Thumb("e.jpg"), Thumb("f.jpg"), 0.31),),
        recalls=(("crop", 0.98), ("jpeg", 1.0)),
        n_planted=200,
        n_strangers=0.42,
        csv="remove.csv",
        source="/home/anna/photos",
    )


def test_the_page_opens_with_how_many_are_copies(page: DuplicatesPage, read_page: Reader) -> None:
    words = read_page(render_duplicates(page)).words()
    assert (
        "3 pictures of 40 are copies of another (2 same bytes, 1 near), in 3 groups. Nothing was removed or changed."
        in words
    )
    assert "Showing 1 of 3 groups." in words


def test_a_group_says_what_stays_and_what_contradicts(page: DuplicatesPage, read_page: Reader) -> None:
    words = read_page(render_duplicates(page)).words()
    assert "more than one label ; in more than one split" in words
    assert "stays 300 x 200, 12,345 bytes" in words
    assert "near, mirrored 270 x 180, 9,000 bytes, differs 0.12" in words
    assert "the others are in the list remove.csv" in words


def test_what_was_just_not_taken_is_shown_with_its_difference(
    page: DuplicatesPage, read_page: Reader
) -> None:
    assert "differs 0.31" in read_page(render_duplicates(page)).words()


def test_it_says_how_many_planted_copies_were_found(page: DuplicatesPage, read_page: Reader) -> None:
    words = read_page(render_duplicates(page)).words()
    assert "200 copies of pictures from here were made" in words
    assert "some 0.4 are expected to be none" in words
    assert "cutting to 90 % of each side" in words


def test_without_copies_it_says_so_and_empty_sections_vanish(page: DuplicatesPage, read_page: Reader) -> None:
    bare = replace(page, n_removable=(("near", 0),), groups=(), scenes=(), doubtful=(), recalls=())
    html = render_duplicates(bare)
    assert "No copies among 40 pictures" in read_page(html).words()
    assert "<section" not in html


def test_a_private_page_holds_no_absolute_path(page: DuplicatesPage) -> None:
    assert "anna" in render_duplicates(page)
    assert "anna" not in render_duplicates(replace(page, private=True))
