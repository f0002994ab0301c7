import re
from xml.etree import ElementTree

from fovea.pages import Bin
from fovea.pages.plots import LEFT, SIDE, TOP, reliability_svg, share_svg


def test_a_bar_is_as_long_as_its_share() -> None:
    svg = ElementTree.fromstring(share_svg(0.625, interval=(0.5, 0.75), mark=0.25))
    assert svg.find("rect[@class='bar']").attrib["width"] == "62.5"
    assert svg.find("path[@class='range']").attrib["d"] == "M50 6H75"
    assert svg.find("path[@class='mark']").attrib["d"] == "M25 0V12"


def test_a_bar_without_interval_draws_none() -> None:
    assert "range" not in share_svg(0.5)


def test_a_dot_stands_where_stated_and_right_meet() -> None:
    svg = ElementTree.fromstring(reliability_svg([Bin(10, 0.75, 0.5, (0.25, 1.0))]))
    dot = svg.find("circle").attrib
    assert (float(dot["cx"]), float(dot["cy"])) == (LEFT + 0.75 * SIDE, TOP + 0.5 * SIDE)
    assert svg.find("path[@class='range']").attrib["d"] == f"M{LEFT + 225} {TOP + 225}V{TOP}"


def test_columns_are_as_high_as_their_share_of_answers() -> None:
    svg = ElementTree.fromstring(reliability_svg([Bin(5, 0.5, 0.5, (0, 1)), Bin(20, 0.9, 0.9, (0, 1))]))
    heights = [float(column.attrib["height"]) for column in svg.findall("rect[@class='n']")]
    assert heights[0] * 4 == heights[1]


def test_nothing_is_drawn_outside_of_the_plot() -> None:
    svg = str(reliability_svg([Bin(1, 0.0, 0.0, (0.0, 0.98)), Bin(1, 1.0, 1.0, (0.02, 1.0))]))
    centres = [float(text) for text in re.findall(r'c[xy]="([-\d.]+)"', svg)]
    assert min(centres) >= TOP
    assert max(centres) <= LEFT + SIDE


def test_no_bins_give_an_empty_plot_with_axes() -> None:
    svg = ElementTree.fromstring(reliability_svg([]))
    assert svg.find("circle") is None
    assert len(svg.findall("text")) == 12
