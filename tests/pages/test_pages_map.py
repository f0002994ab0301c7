"""The page of `map`: the numbers it draws by, what is said beside them, and that nothing from a file name can run."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from fovea.pages.map import Colouring, MapPage, Together, render_map

Reader = Callable[[str], Any]
SHEETS = (b"\xff\xd8 first \xff\xd9", b"\xff\xd8 second \xff\xd9")


@pytest.fixture
def page() -> MapPage:
    return MapPage(
        title="photos",
        method="pca",
        x=(0, 65_535, 20),
        y=(7, 8, 9),
        paths=("cat/1.jpg", "dog/2.jpg", "dog/3.jpg"),
        kept=0.1234,
        colourings=(
            Colouring("Label", ("cat", "dog"), (0, 1, -1)),
            Colouring(
                "Suspicion",
                ("under 5 %", "more"),
                (0, 1, 1),
                (0.01, 0.9, -1.0),
                is_scale=True,
                meaning="Low is bad.",
            ),
        ),
        together=(Together("cat", 1, 0.25, "dog"), Together("dog", 1, 0.5)),
        sheets=SHEETS,
        tile_px=160,
        sheet_px=1920,
        quarantined=(("cut.jpg", "an empty file (0 bytes)"),),
        source="/home/me/photos",
    )


def drawn_by(html: str) -> dict[str, Any]:
    """Return the values that the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_script_gets_every_place_path_and_colour(page: MapPage) -> None:
    data = drawn_by(render_map(page))
    assert (data["x"], data["y"]) == ([0, 65_535, 20], [7, 8, 9])
    assert data["paths"] == ["cat/1.jpg", "dog/2.jpg", "dog/3.jpg"]
    assert (data["tile"], data["across"]) == (160, 12)
    assert data["colourings"][1] == {
        "title": "Suspicion",
        "names": ["under 5 %", "more"],
        "of": [0, 1, 1],
        "values": [0.01, 0.9, -1.0],
        "told": "",
        "scale": True,
        "meaning": "Low is bad.",
    }


def test_the_page_is_whole_html_with_its_numbers_in_words(page: MapPage, read_page: Reader) -> None:
    read = read_page(render_map(page))
    assert read.faults == []
    assert (
        "3 pictures on a map : what the network finds alike lies together. PCA of its features."
        in read.words()
    )
    assert "12.3 % are among the 10 nearest on the map too." in read.words()
    assert "cat 1 25.0 % dog dog 1 50.0 %" in read.words("together")
    assert "cut.jpg an empty file (0 bytes)" in read.words("quarantined")


def test_sheets_stand_in_their_order(page: MapPage, read_page: Reader) -> None:
    read = read_page(render_map(page))
    sources = [value for tag, name, value in read.attributes if (tag, name) == ("img", "src")]
    assert sources == ["data:image/jpeg;base64," + b64encode(one).decode() for one in SHEETS]


def test_only_the_pages_own_script_may_run(page: MapPage, read_page: Reader) -> None:
    html = render_map(page)
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(script) == 1
    policy = next(
        value
        for tag, name, value in read_page(html).attributes
        if name == "content" and "default-src" in value
    )
    own = b64encode(sha256(script[0].encode()).digest()).decode()
    assert (
        policy == f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{own}'"
    )
    assert "http" not in script[0]


def test_names_that_look_like_html_stay_text(page: MapPage, read_page: Reader) -> None:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;.jpg"
    html = render_map(
        replace(
            page, paths=(bad, "b", "c"), colourings=(Colouring("Label", (bad, "b"), (0, 1, 1)),), title=bad
        )
    )
    assert drawn_by(html)["paths"][0] == drawn_by(html)["colourings"][0]["names"][0] == bad
    assert html.count("<script") == 2
    assert "alert" not in " ".join(
        value for _, _, value in read_page(html).attributes if "default-src" in value
    )
    assert "<img src=x" not in html


def test_a_private_page_holds_no_picture_and_no_absolute_path(page: MapPage) -> None:
    html = render_map(replace(page, private=True))
    assert "data:image" not in html
    assert "/home/me" not in html
    assert drawn_by(html)["tile"] == 0
    assert drawn_by(html)["paths"] == ["cat/1.jpg", "dog/2.jpg", "dog/3.jpg"]


def test_the_same_values_give_the_same_bytes(page: MapPage) -> None:
    assert render_map(page) == render_map(page)


def test_names_that_are_no_utf8_are_kept(page: MapPage) -> None:
    html = render_map(replace(page, paths=("\udcff.jpg", "b", "c")))
    assert drawn_by(html)["paths"][0] == "\udcff.jpg"
