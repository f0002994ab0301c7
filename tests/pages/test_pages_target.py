"""The report of numbers or labels: plots whose dots stand where they should, sections that vanish where they are empty."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from fovea.pages import ClassFigures, Measured, TargetReport, render_target, render_target_fragment
from fovea.pages.scatter import LEFT, SIDE, TOP, error_svg, predicted_svg, ticks

Reader = Callable[[str], Any]
BARE = TargetReport(
    title="run",
    protocol="held-out",
    lead=("Off by 2 on average on 4 pictures", "; always answering the median, 5, would be off by 3."),
    n_judged=4,
    figures=(Measured("mae", "2", "1 to 3"),),
)


def test_a_dot_stands_at_its_true_and_predicted_number() -> None:
    svg = ElementTree.fromstring(predicted_svg([(0.0, 10.0), (10.0, 5.0), (0.0, 0.0)], half_width=1))
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in svg.findall("circle")]
    assert dots == [(LEFT, TOP), (LEFT + SIDE, TOP + SIDE / 2), (LEFT, TOP + SIDE)]


def test_an_error_stands_above_its_prediction() -> None:
    # predictions 0 and 10, too high by 2 and too low by 2; the frame reaches from -2 to 2
    svg = ElementTree.fromstring(error_svg([(-2.0, 0.0), (12.0, 10.0)], half_width=1))
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in svg.findall("circle")]
    assert dots == [(LEFT, TOP), (LEFT + SIDE, TOP + SIDE)]


def test_many_points_are_thinned_out() -> None:
    drawn = predicted_svg([(float(k), float(k)) for k in range(9_001)], half_width=1)
    assert drawn.count("<circle") <= 2_000


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (0.3, 4.9, [1, 2, 3, 4]), (-25, 25, [-20, -10, 0, 10, 20]), (3, 3, [3])],
)
def test_ticks_are_round_numbers_within(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_equal_numbers_make_a_plot() -> None:
    assert predicted_svg([(5.0, 5.0)], half_width=0).count("<circle") == 1


def test_a_report_without_more_has_one_section(read_page: Reader) -> None:
    page = read_page(render_target(BARE))
    assert page.faults == []
    assert {
        name for name in ("points", "classes", "rankings", "worst", "making") if name in page.texts
    } == set()


def test_a_report_of_numbers_shows_both_plots(read_page: Reader) -> None:
    html = render_target(
        replace(BARE, points=((1.0, 2.0), (3.0, 2.5)), half_width=1.0, ranges="An answer ± 1.")
    )
    page = read_page(html)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert page.faults == []
    assert len(ids) == len(set(ids))
    assert page.tags.count("circle") == 4
    assert "An answer ± 1." in html


def test_a_report_of_labels_shows_each(read_page: Reader) -> None:
    html = render_target(
        replace(
            BARE,
            share=0.5,
            share_interval=(0.4, 0.6),
            share_baseline=0.2,
            classes=(ClassFigures("<dog>", 5, 4, 0.75, None),),
            rankings=(("<dog>", 0.8, (0.7, 0.9), 0.3, 0.25), ("cat", None, None, 0.0, 1.0)),
        )
    )
    assert read_page(html).faults == []
    assert "&lt;dog&gt;" in html
    assert "none to find" in html


def test_a_private_report_holds_no_absolute_path() -> None:
    html = render_target(replace(BARE, source="/home/me/photos", private=True))
    assert "/home/me" not in html


def test_a_notebook_shows_the_figures() -> None:
    assert "Mean error" in render_target_fragment(BARE)
