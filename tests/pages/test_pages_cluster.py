"""The page of `cluster`: groups to name, and the paths that their names are saved for."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fovea.pages import Thumb
from fovea.pages.cluster import ClusterPage, ShownGroup, render_cluster

Reader = Callable[[str], Any]
JPEG = b"\xff\xd8 a picture \xff\xd9"


@pytest.fixture
def page() -> ClusterPage:
    return ClusterPage(
        title="photos",
        n_pictures=5,
        groups=(
            ShownGroup(
                3,
                (Thumb("a.jpg", jpeg=JPEG), Thumb("b.jpg")),
                (Thumb("c.jpg", jpeg=JPEG),),
                ("a.jpg", "b.jpg", "c.jpg"),
            ),
            ShownGroup(2, (Thumb("d.jpg", jpeg=JPEG),), (), ("d.jpg", "</script>.jpg")),
        ),
        file="photos-labels.csv",
        root="/home/me/photos/",
        quarantined=(("cut.jpg", "an empty file (0 bytes)"),),
        source="/home/me/photos",
    )


def saved_by(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_every_group_has_its_count_its_pictures_and_a_field_for_its_name(
    page: ClusterPage, read_page: Reader
) -> None:
    read = read_page(render_cluster(page))
    assert read.faults == []
    assert (
        "5 pictures in 2 groups , their number found: name two alike to make them one class." in read.words()
    )
    assert [value for tag, name, value in read.attributes if (tag, name) == ("input", "class")] == [
        "name",
        "name",
    ]
    assert len([1 for tag, name, _ in read.attributes if (tag, name) == ("img", "src")]) == 3
    assert "cut.jpg an empty file (0 bytes)" in read.words("quarantined")


def test_a_number_that_was_asked_for_is_said_so(page: ClusterPage, read_page: Reader) -> None:
    words = read_page(render_cluster(replace(page, is_given=True))).words()
    assert "5 pictures in 2 groups , as many as asked for." in words


def test_names_are_saved_for_all_pictures_of_a_group_with_whole_paths(page: ClusterPage) -> None:
    assert saved_by(render_cluster(page)) == {
        "root": "/home/me/photos/",
        "file": "photos-labels.csv",
        "groups": [["a.jpg", "b.jpg", "c.jpg"], ["d.jpg", "</script>.jpg"]],
    }


def test_a_private_page_holds_no_picture_and_no_absolute_path(page: ClusterPage) -> None:
    html = render_cluster(replace(page, private=True))
    assert "data:image" not in html
    assert "/home/me" not in html
    assert saved_by(html)["root"] == ""
    assert saved_by(html)["groups"][0] == ["a.jpg", "b.jpg", "c.jpg"]


def test_the_same_values_give_the_same_bytes(page: ClusterPage) -> None:
    assert render_cluster(page) == render_cluster(page)
