"""The curves of a training: every epoch at its place, the kept one marked."""

import re

import pytest

from fovea.pages.training import Attempt, Point, accuracy_svg, loss_svg, rate_svg, render_curves

POINTS = tuple(Point(k, 1.0 / (k + 1), 1.2 / (k + 1), 0.5 + 0.1 * k, 0.45 + 0.1 * k) for k in range(4))


def places(svg, kind: str) -> list[tuple[float, float]]:
    found = re.findall(rf'<circle class="curve {kind}" cx="([\d.]+)" cy="([\d.]+)"', str(svg))
    return [(float(x), float(y)) for x, y in found]


def test_every_epoch_of_both_parts_is_drawn():
    svg = loss_svg(Attempt("a", points=POINTS, best_epoch=3))
    assert len(places(svg, "train")) == len(places(svg, "valid")) == 4


def test_losses_are_drawn_from_zero_and_lower_ones_lower():
    svg = loss_svg(Attempt("a", points=POINTS, best_epoch=3))
    heights = [y for _, y in places(svg, "train")]
    assert heights == sorted(heights)
    assert heights[0] - 26 == pytest.approx(
        (1 - 1.0 / 1.2) * 190, abs=0.01
    )  # the plot is 190 high from 26 on, and 1.2 its highest


def test_the_epoch_that_is_kept_is_marked():
    svg = str(accuracy_svg(Attempt("a", points=POINTS, best_epoch=2)))
    (x,) = re.findall(r'<path class="ideal" d="M([\d.]+) ', svg)
    assert float(x) == places(svg, "valid")[2][0]


def test_an_epoch_without_a_validation_leaves_a_gap_in_no_line():
    points = (Point(0, 1.0), Point(1, 0.5, 0.7), Point(2, 0.4, 0.6))
    assert len(places(loss_svg(Attempt("a", points=points)), "valid")) == 2


def test_a_trial_of_rates_is_drawn_over_powers_of_ten_with_the_one_taken():
    tried = ((1e-4, 2.0), (1e-3, 1.5), (1e-2, 1.0), (1e-1, 3.0))
    svg = str(rate_svg(Attempt("a", tried=tried, rate=1e-2)))
    assert [re.search(rf">{text}<", svg) is not None for text in ("0.0001", "0.001", "0.01", "0.1")] == [
        True
    ] * 4
    (line,) = re.findall(r'<path class="curve valid" d="M([^"]+)"', svg)
    third = line.split("L")[2].split()
    (mark,) = re.findall(r'<path class="ideal" d="M([\d.]+) ', svg)
    assert mark == third[0]
    assert float(third[1]) == 26 + 190  # the lowest loss is at the bottom


def test_curves_for_a_notebook_are_one_piece_of_html():
    told = render_curves(Attempt("a", points=POINTS, best_epoch=3), lead="lenet5 <epoch 4>")
    assert told.startswith('<div class="fovea">') and told.count("<svg") == 2
    assert "lenet5 &lt;epoch 4&gt;" in told
