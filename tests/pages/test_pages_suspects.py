"""The page of `suspects`: how many labels are likely wrong, and each doubted one between its two classes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fovea.pages import Thumb
from fovea.pages.suspects import ClassRow, DoubtedLabel, Stranger, SuspectsPage, YieldRow, render_suspects

Reader = Callable[[str], Any]
JPEG = b"\xff\xd8\xff\xe0 not really a picture \xff\xd9"


@pytest.fixture
def page() -> SuspectsPage:
    doubted = DoubtedLabel(
        thumb=Thumb("cat/<1>.jpg", label="cat", jpeg=JPEG),
        suggested="dog & co",
        doubt=0.97,
        probe=(0.02, 0.9),
        votes=(0.1, 0.8),
        nearest_label=(Thumb("cat/2.jpg", jpeg=JPEG),),
        nearest_suggested=(Thumb("dog/3.jpg", jpeg=JPEG), Thumb("dog/4.jpg", jpeg=JPEG)),
    )
    return SuspectsPage(
        title="page",
        n_pictures=1200,
        n_suspects=40,
        n_errors=24.6,
        n_errors_interval=(11.2, 38.9),
        n_planted=120,
        yields=(
            YieldRow(10, 0.9, (0.7, 1.0), 0.36, (0.2, 0.5)),
            YieldRow(40, 0.5, (0.3, 0.6), 0.8, (0.7, 0.9)),
        ),
        doubted=(doubted,),
        outliers=(Stranger(Thumb("cat/odd.jpg", label="cat", jpeg=JPEG), 0.9),),
        n_outliers=1,
        classes=(ClassRow("cat", 600, 30, "dog & co", 29), ClassRow("dog & co", 600, 10, "cat", 1)),
        fixes="fixes.csv",
        source="/home/anna/photos",
    )


def test_the_page_opens_with_how_many_are_likely_wrong(page: SuspectsPage, read_page: Reader) -> None:
    read = read_page(render_suspects(page))
    assert read.faults == []
    assert (
        "Some 25 of 1,200 labels are likely wrong (95 % interval 11 to 39); 40 labels are listed, the most doubtful first."
        in read.words()
    )


def test_each_doubted_label_stands_between_its_classes(page: SuspectsPage, read_page: Reader) -> None:
    words = read_page(render_suspects(page)).words("doubted")
    assert "Showing 1 of 40 doubted labels." in words
    html = render_suspects(page)
    assert html.index("labelled <b>cat</b>") < html.index("looks like <b>dog &amp; co</b>")
    assert html.count("data:image/jpeg") == 5
    assert "<1>" not in html


def test_what_to_expect_is_a_table(page: SuspectsPage, read_page: Reader) -> None:
    words = read_page(render_suspects(page)).words("yields")
    assert "10 90.0 % 70.0–100.0 % 36.0 % 20.0–50.0 %" in words
    assert "120 labels of these pictures were made wrong on purpose" in words


def test_classes_say_what_they_are_taken_for(page: SuspectsPage, read_page: Reader) -> None:
    words = read_page(render_suspects(page)).words("classes")
    assert "cat 30 of 600 29 look like dog & co dog & co 10 of 600 1 looks like cat" in words


def test_where_hardly_any_is_wrong_the_page_says_so(page: SuspectsPage, read_page: Reader) -> None:
    few = replace(page, n_errors=0.3, n_errors_interval=(0.0, 1.6), n_suspects=1)
    words = read_page(render_suspects(few)).words()
    assert (
        "No label of 1,200 is likely wrong (95 % interval 0 to 2); 1 label is listed, the most doubtful first."
        in words
    )


def test_without_doubts_the_page_says_so(page: SuspectsPage, read_page: Reader) -> None:
    none = replace(page, n_suspects=0, doubted=(), yields=(), outliers=(), classes=())
    assert "0 labels of 1,200 are doubted ." in read_page(render_suspects(none)).words()


def test_a_private_page_has_no_pictures_and_no_places(page: SuspectsPage) -> None:
    html = render_suspects(replace(page, private=True))
    assert "data:image" not in html
    assert "anna" not in html
