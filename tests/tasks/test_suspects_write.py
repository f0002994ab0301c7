"""The table of fixes: one row a doubted label, one a stranger, nothing that could not be read back."""

import csv
import io
from dataclasses import replace

import pytest

from fovea.judge.planted import Expected
from fovea.manifest import Fix
from fovea.tasks.suspects import Outlier, Result, SuspectLabel
from fovea.tasks.suspects_write import fixes_table


@pytest.fixture
def result() -> Result:
    doubted = SuspectLabel("cat/1.jpg", "cat", "dog, wolf", 0.9, (0.1, 0.9), (0.2, 0.8), (), ())
    return Result(
        suspects=(doubted, replace(doubted, path="cat/\udce4.jpg")),
        outliers=(Outlier("cat/1.jpg", "cat", 0.9), Outlier("dog/odd.jpg", "dog", 0.8)),
        classes=(),
        expected=Expected(0.0, (0.0, 1.0), 0, ()),
        vote_weight=0.5,
        n_pictures=10,
        quarantined=(),
        html=None,
        fixes="fixes.csv",
        seconds=0.0,
        notes=(),
    )


def test_doubted_labels_come_first_and_strangers_are_left_out_by_a_sign(result: Result) -> None:
    rows = list(csv.reader(io.StringIO(fixes_table(result)[0].decode("utf-8-sig"), newline="")))
    assert rows == [
        ["path", "label", "suggested", "given", "doubt", "remark"],
        ["cat/1.jpg", "", "dog, wolf", "cat", "0.9", ""],
        ["dog/odd.jpg", "", "-", "dog", "", "unlike all others"],
    ]


def test_earlier_answers_stand_below_filled(result: Result) -> None:
    answered = (Fix("cat/2.jpg", "dog", "cat"), Fix("dog/3.jpg", "-", "dog"))
    content, _ = fixes_table(result, answered=answered)
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert rows[3:] == [
        ["cat/2.jpg", "dog", "", "cat", "", "answered before"],
        ["dog/3.jpg", "-", "", "dog", "", "answered before"],
    ]


def test_names_that_cannot_be_read_back_are_told(result: Result) -> None:
    assert fixes_table(result)[1] == (
        "1 picture left out of the table of fixes: names that are not UTF-8 cannot be written into it. Rename the files.",
    )
