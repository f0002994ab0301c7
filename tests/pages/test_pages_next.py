"""The pages of next and curve: what to label and why, and the learning curve with its numbers beside it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fovea.pages import Asked, CurvePage, GrowthPlot, GrowthPoint, NextPage, Thumb, render_curve, render_next
from fovea.pages.growth import HEIGHT, TOP, growth_svg

Reader = Callable[[str], Any]


@pytest.fixture
def plot() -> GrowthPlot:
    return GrowthPlot(
        points=(GrowthPoint(20, 0.6, (0.5, 0.7), 0.1), GrowthPoint(40, 0.75, (0.7, 0.8), 0.25)),
        law=((20.0, 0.6), (80.0, 0.85)),
        ahead=GrowthPoint(80, 0.85, (0.8, 0.9), 0.0),
        n_classes=4,
        n_judged=50,
        n_judged_largest=50,
        protocol="held-out",
    )


@pytest.fixture
def page() -> NextPage:
    return NextPage(
        title="second",
        rule="unsure",
        n_questions=2,
        n_unlabelled=30,
        n_labelled=15,
        n_copies=1,
        csv="second.csv",
        questions=(
            Asked(Thumb("a.jpg"), "unsure between cat and dog", (("cat", 0.5), ("dog", 0.45))),
            Asked(Thumb("b.jpg"), "unsure between dog and cat", (("dog", 0.6), ("cat", 0.4))),
        ),
    )


def test_the_page_opens_with_how_many_and_by_which_rule(page: NextPage, read_page: Reader) -> None:
    assert (
        "2 pictures to label next of 30 without a label: those it is least sure of, each of another kind; 15 are labelled; "
        "1 copy passed over."
    ) in read_page(render_next(page)).words()


def test_each_picture_says_why_with_its_two_classes(page: NextPage, read_page: Reader) -> None:
    words = read_page(render_next(page)).words("pictures")
    assert "1 unsure between cat and dog cat 50.0 % dog 45.0 % a.jpg" in words
    assert "fovea train second.csv --out runs/next" in words


def test_before_any_label_there_are_no_bars_and_no_curve(page: NextPage, read_page: Reader) -> None:
    asked = (Asked(Thumb("a.jpg"), "typical of 12 pictures"),)
    text = render_next(replace(page, rule="typical", n_labelled=0, n_copies=0, questions=asked))
    words = read_page(text).words()
    assert "of 30 without a label: typical ones; none is labelled yet." in words
    assert 'id="curve"' not in text
    assert "<svg" not in text


def test_the_curve_stands_as_a_table_beside_its_plot(plot: GrowthPlot, read_page: Reader) -> None:
    text = render_curve(CurvePage("curve", "40 labelled pictures reach 75.0 %; twice as many more.", plot))
    words = read_page(text).words("curve")
    assert "20 5.0 60.0 % 50.0–70.0 % 0.10 s" in words
    assert "twice as many: 80 20 85.0 % 80.0–90.0 % expected" in words
    assert "Judged on 50 pictures held out, the same at every size" in words


def test_points_lie_where_their_numbers_say(plot: GrowthPlot) -> None:
    text = str(growth_svg(plot))  # from 50 % to 100 %
    assert f'cy="{TOP + 0.8 * HEIGHT:g}"' in text
    assert f'cy="{TOP + 0.5 * HEIGHT:g}"' in text
    assert 'class="curve ahead"' in text


def test_a_curve_that_is_always_right_can_be_drawn(plot: GrowthPlot) -> None:
    right = tuple(replace(one, accuracy=1.0, interval=(1.0, 1.0)) for one in plot.points)
    ahead = replace(plot.ahead, accuracy=1.0, interval=(1.0, 1.0))
    assert f'cy="{TOP}"' in str(growth_svg(replace(plot, points=right, ahead=ahead)))


def test_from_scratch_stands_beside_it_with_what_is_saved(plot: GrowthPlot, read_page: Reader) -> None:
    scratch = (GrowthPoint(40, 0.5, (0.4, 0.6), 61.0),)
    page = CurvePage("curve", "More.", replace(plot, scratch=scratch, net="lenet5"), saved=("It saves.",))
    text = render_curve(page)
    assert "40, lenet5 from scratch 10 50.0 % 40.0–60.0 % 61.0 s" in read_page(text).words("curve")
    assert read_page(text).words("saved").endswith("It saves.")


def test_names_are_shown_as_text(page: NextPage) -> None:
    asked = (Asked(Thumb("<b>.jpg"), "unsure between <i> and dog"),)
    text = render_next(replace(page, questions=asked))
    assert "<b>.jpg" not in text
    assert "&lt;i&gt;" in text
