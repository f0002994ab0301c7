"""The page of `predict`: how many pictures are what, and each with the bars of its likeliest classes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fovea.pages import Answered, PredictPage, Thumb, render_predict

Reader = Callable[[str], Any]


def answered(name: str, answer: str, *bars: tuple[str, float], remark: str = "") -> Answered:
    return Answered(Thumb(name, answer=answer, probability=bars[0][1]), bars, remark)


@pytest.fixture
def page() -> PredictPage:
    return PredictPage(
        title="page",
        model="mobilenetv2",
        n_pictures=4,
        n_problems=1,
        n_unsure=1,
        classes=(("pug", 2), ("tabby", 1)),
        answers=(
            answered("a.jpg", "pug", ("pug", 0.9), ("beagle", 0.08)),
            answered("b.jpg", "pug", ("pug", 0.4), ("tabby", 0.35), remark="unsure"),
            answered("c.jpg", "tabby", ("tabby", 0.9996), ("pug", 0.0001)),
        ),
        quarantined=(("d.jpg", "an empty file (0 bytes)"),),
        source="photos",
    )


def test_the_page_opens_with_what_the_pictures_are(page: PredictPage, read_page: Reader) -> None:
    words = read_page(render_predict(page)).words()
    assert (
        "3 pictures, 2 different answers by mobilenetv2; the commonest is pug (2); 1 unsure; 1 file could not be read."
        in words
    )


def test_the_chart_counts_every_answer(page: PredictPage, read_page: Reader) -> None:
    assert (
        read_page(render_predict(page)).words("classes") == "What it was called Answer Pictures pug 2 tabby 1"
    )


def test_bars_are_as_long_as_probabilities(page: PredictPage) -> None:
    text = render_predict(page)
    assert [f'<rect class="bar" width="{width}"' in text for width in ("90", "8", "40", "35")] == [True] * 4


def test_each_picture_has_its_answer_its_bars_and_its_remark(page: PredictPage, read_page: Reader) -> None:
    words = read_page(render_predict(page)).words("pictures")
    assert "no preview pug pug 90.0 % beagle 8.0 % a.jpg" in words
    assert "no preview pug unsure pug 40.0 % tabby 35.0 % b.jpg" in words
    assert "tabby > 99.9 % pug < 0.1 % c.jpg" in words


def test_a_picture_and_its_bars_say_what_they_are(page: PredictPage) -> None:
    one = replace(page.answers[0], thumb=replace(page.answers[0].thumb, jpeg=b"jpeg"))
    text = render_predict(replace(page, answers=(one,)))
    assert 'alt="picture answered pug" title="a.jpg"' in text
    assert '<table class="bars" aria-label="likeliest classes of a.jpg">' in text
    assert '<tr title="beagle: 8.0\N{NO-BREAK SPACE}%">' in text
    assert '<td class="measure" title="pug: 2\N{NO-BREAK SPACE}pictures">' in text


def test_a_sure_answer_stands_with_its_own_probability(page: PredictPage, read_page: Reader) -> None:
    dog = Answered(Thumb("a.jpg", answer="dog", probability=0.98), (("pug", 0.5), ("beagle", 0.48)))
    words = read_page(render_predict(replace(page, sure=0.9, answers=(dog,)))).words("pictures")
    assert "at least 90 % sure" in words
    assert "dog 98.0 % pug 50.0 % beagle 48.0 % a.jpg" in words


def test_more_than_twenty_answers_fold_away(page: PredictPage) -> None:
    many = tuple((f"class {k}", 1) for k in range(23))
    text = render_predict(replace(page, classes=many))
    assert "<summary>The other 3\N{NO-BREAK SPACE}answers</summary>" in text
    assert all(f">class {k}</th>" in text for k in range(23))


def test_pictures_that_are_not_shown_are_counted(page: PredictPage, read_page: Reader) -> None:
    assert "Showing 3 of 700 pictures." in read_page(render_predict(replace(page, n_answers=700))).words(
        "pictures"
    )


def test_unreadable_files_are_listed_with_the_reason(page: PredictPage, read_page: Reader) -> None:
    assert "d.jpg an empty file (0 bytes)" in read_page(render_predict(page)).words("quarantined")


def test_wordnet_ids_show_their_words_and_paths_stay(page: PredictPage, read_page: Reader) -> None:
    one = answered("n02110958/n02110958_1.jpg", "n02110958", ("n02110958", 0.9))
    read = read_page(render_predict(replace(page, classes=(("n02110958", 1),), answers=(one,))))
    assert "pug (n02110958) 1" in read.words("classes")
    assert read.words("pictures").endswith("pug (n02110958) 90.0 % n02110958/ n02110958_ 1.jpg")


def test_a_class_called_like_a_tag_stays_text(page: PredictPage) -> None:
    assert "<script>" not in render_predict(replace(page, classes=(("<script>", 1),)))


def test_every_tag_is_closed_in_order(page: PredictPage, read_page: Reader) -> None:
    assert read_page(render_predict(page)).faults == []
