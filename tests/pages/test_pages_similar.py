"""The page of `similar`: each query with what was found, its score above it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fovea.pages import Found, SimilarPage, Thumb, render_similar

Reader = Callable[[str], Any]


@pytest.fixture
def page() -> SimilarPage:
    return SimilarPage(
        title="found",
        n_pictures=1200,
        n_answers=2,
        compares="mobilenetv2, bn2:root",
        answers=(
            Found(
                "q.jpg",
                (Thumb("q.jpg"),),
                (("0.912", Thumb("shoes/a.jpg", label="shoes")), ("0.874", Thumb("b.jpg"))),
            ),
            Found("c.jpg + d.jpg", (Thumb("c.jpg"), Thumb("d.jpg")), ()),
        ),
        quarantined=(("e.jpg", "an empty file (0 bytes)"),),
        source="photos",
    )


def test_the_page_opens_with_what_was_searched_and_how(page: SimilarPage, read_page: Reader) -> None:
    words = read_page(render_similar(page)).words()
    assert "2 queries among 1,200 pictures , compared by mobilenetv2, bn2:root." in words


def test_each_match_stands_under_its_score(page: SimilarPage, read_page: Reader) -> None:
    words = read_page(render_similar(page)).words("found")
    assert "no preview q.jpg 0.912 no preview shoes shoes/ a.jpg 0.874 no preview b.jpg" in words
    assert words.endswith("no preview c.jpg no preview d.jpg")


def test_files_that_cannot_be_read_are_named(page: SimilarPage, read_page: Reader) -> None:
    assert "e.jpg an empty file (0 bytes)" in read_page(render_similar(page)).words("quarantined")


def test_answers_that_do_not_fit_are_counted(page: SimilarPage, read_page: Reader) -> None:
    words = read_page(render_similar(replace(page, n_answers=30))).words("found")
    assert "Showing 2 of 30 answers." in words


def test_the_same_values_make_the_same_page_and_names_are_escaped(page: SimilarPage) -> None:
    odd = replace(page, answers=(Found("<b>", (Thumb("<b>x</b>.jpg"),), ()),))
    assert "<b>x</b>.jpg" not in render_similar(odd)
    assert render_similar(odd) == render_similar(odd)
