from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fovea.pages import CheckPage, ClassCount, Thumb, render_check

SECTIONS = {
    "quarantined": {"quarantined": ()},
    "duplicates": {"duplicates": ()},
    "pictures": {"conversions": (), "formats": ()},
}
Reader = Callable[[str], Any]


def test_every_tag_is_closed_in_order(check_page: CheckPage, read_page: Reader) -> None:
    assert read_page(render_check(check_page)).faults == []


def test_the_same_values_give_the_same_bytes_and_fetch_nothing(check_page: CheckPage) -> None:
    html = render_check(check_page)
    assert html == render_check(replace(check_page))
    assert "//" not in html


def test_it_opens_with_what_is_there_and_what_is_wrong(check_page: CheckPage, read_page: Reader) -> None:
    words = read_page(render_check(check_page)).words("")
    assert "1,400 readable pictures in 2 classes ; 1 file left out; 1 picture there more than once." in words


def test_classes_show_counts_and_splits(check_page: CheckPage, read_page: Reader) -> None:
    classes = (ClassCount("cat", 1000, (("train", 900), ("valid", 100))), ClassCount("dog", 400))
    words = read_page(render_check(replace(check_page, classes=classes))).words("classes")
    assert words.endswith("cat 1,000 train 900, valid 100 dog 400")


def test_the_longest_bar_is_the_commonest_class(check_page: CheckPage) -> None:
    html = render_check(check_page)
    assert html.index('class="bar" width="100"') < html.index('class="bar" width="40"')


def test_some_pictures_of_every_class_are_shown(check_page: CheckPage, read_page: Reader) -> None:
    page = read_page(render_check(check_page))
    assert page.words("samples") == "Some of the pictures cat 1.jpg dog 2.jpg"
    assert ("img", "alt", "picture labelled dog") in page.attributes


def test_unlabelled_pictures_are_shown_without_classes(read_page: Reader) -> None:
    page = read_page(render_check(CheckPage("x", 2, 0, samples=(Thumb("a.jpg", jpeg=b"x"),))))
    assert page.words("samples") == "Some of the pictures a.jpg"
    assert ("img", "alt", "picture without a label") in page.attributes
    assert "2 readable pictures ." in page.words("")


def test_copies_under_two_labels_stand_out(check_page: CheckPage, read_page: Reader) -> None:
    assert "2 copies; more than one label cat" in read_page(render_check(check_page)).words("duplicates")


def test_a_large_set_of_copies_is_cut_and_said(check_page: CheckPage, read_page: Reader) -> None:
    copies = tuple(Thumb(f"{i}.jpg", "cat", jpeg=b"x") for i in range(8))
    words = read_page(render_check(replace(check_page, duplicates=(copies,)))).words("duplicates")
    assert "8 copies, 6 shown" in words
    assert "6.jpg" not in words


@pytest.mark.parametrize("section", SECTIONS)
def test_an_empty_section_vanishes(section: str, check_page: CheckPage, read_page: Reader) -> None:
    page = read_page(render_check(replace(check_page, **SECTIONS[section])))
    assert ("section", "id", section) not in page.attributes
    assert ("a", "href", f"#{section}") not in page.attributes


def test_many_left_out_files_fold_away(check_page: CheckPage, read_page: Reader) -> None:
    rows = tuple((f"{i:03d}.heic", "HEIC needs an extra") for i in range(812))
    words = read_page(render_check(replace(check_page, quarantined=rows))).words("quarantined")
    assert words.index("029.heic") < words.index("782 more files") < words.index("030.heic")


def test_private_shows_no_picture_and_no_absolute_path(check_page: CheckPage, read_page: Reader) -> None:
    html = render_check(replace(check_page, private=True))
    assert "img" not in read_page(html).tags
    assert "anna" not in html
