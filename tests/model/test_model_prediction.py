"""One answer: its JSON row, its remark, its table in a notebook."""

from typing import Any

import numpy as np
import pytest

from fovea.model import Prediction, Predictions
from fovea.model.decide import answer


def test_row_has_the_keys_of_the_command() -> None:
    row = Prediction("a.jpg", "cat", 0.75, {"cat": 0.75, "dog": 0.25}, unsure=True).to_json()
    assert row == {
        "path": "a.jpg",
        "class": "cat",
        "probability": 0.75,
        "probabilities": {"cat": 0.75, "dog": 0.25},
        "unsure": True,
        "unlike": None,
        "problem": "",
    }


def test_unreadable_picture_has_a_row_without_class() -> None:
    row = Prediction("a.jpg", problem="it is empty").to_json()
    assert (row["class"], row["probability"], row["probabilities"]) == (None, None, {})


@pytest.mark.parametrize(
    ("prediction", "remark"),
    [
        (Prediction("a", "cat", 0.9), ""),
        (Prediction("a", "cat", 0.4, unsure=True), "unsure"),
        (Prediction("a", "cat", 0.4, unlike=True), "unlike anything seen"),
        (Prediction("a", "cat", 0.4, unsure=True, unlike=True), "unsure, unlike anything seen"),
        (Prediction("a", problem="it is empty"), "it is empty"),
    ],
)
def test_remark_says_what_to_know(prediction: Prediction, remark: str) -> None:
    assert prediction.remark == remark


def test_table_escapes_what_files_are_called() -> None:
    html = Predictions([Prediction("<b>.jpg", "<cat>", 0.5)])._repr_html_()
    assert "<td>&lt;b&gt;.jpg</td><td>&lt;cat&gt;</td><td>0.500</td>" in html
    assert "<b>" not in html


def test_one_answer_shows_the_row_of_the_table() -> None:
    one = Prediction("a.jpg", "cat", 0.5, unsure=True)
    assert one._repr_html_() == Predictions([one])._repr_html_()
    assert "<td>a.jpg</td><td>cat</td><td>0.500</td><td>unsure</td>" in one._repr_html_()


def test_long_table_is_cut_and_says_so() -> None:
    html = Predictions([Prediction("a.jpg", "cat", 0.5)] * 1050)._repr_html_()
    assert html.count("<td>a.jpg</td>") == 50
    assert html.endswith("<p>and 1,000 more</p>")


def decide(rows: list[list[float]], **judged: Any) -> list[Prediction]:
    names = [f"{n}.jpg" for n in range(len(rows))]
    return answer(np.array(rows), names, class_names=("cat", "dog"), **judged)


def test_the_likeliest_class_is_the_answer() -> None:
    (one,) = decide([[0.25, 0.75]])
    assert (one.class_name, one.probability) == ("dog", 0.75)
    assert one.probabilities == {"cat": 0.25, "dog": 0.75}


def test_of_equal_classes_the_first_is_the_answer_and_the_first_of_the_likeliest() -> None:
    (one,) = decide([[0.5, 0.5]])
    assert (one.class_name, one.likeliest()) == ("cat", [("cat", 0.5), ("dog", 0.5)])


def test_what_rounding_made_equal_stands_behind_the_answer() -> None:
    one = Prediction("a.jpg", "dog", 0.4, {"cat": 0.4, "dog": 0.4, "emu": 0.2})
    assert one.likeliest(2) == [("dog", 0.4), ("cat", 0.4)]


def test_probability_below_the_threshold_is_unsure_and_at_it_is_not() -> None:
    told = decide([[0.75, 0.25], [0.625, 0.375]], threshold=0.75)
    assert [one.unsure for one in told] == [False, True]


def test_distance_beyond_the_limit_is_unlike() -> None:
    told = decide([[0.75, 0.25]] * 2, unlike=np.array([False, True]))
    assert [one.unlike for one in told] == [False, True]


def test_what_was_not_judged_is_null() -> None:
    row = decide([[0.75, 0.25]])[0].to_json()
    assert (row["unsure"], row["unlike"]) == (None, None)


def test_a_sure_answer_stands_beside_the_class() -> None:
    one = Prediction("a.jpg", "pug", 0.5, {"pug": 0.5}, sure_class="n02084071", sure_probability=0.9)
    row = one.to_json()
    assert (row["class"], row["probability"]) == ("pug", 0.5)
    assert (row["sure_class"], row["sure_probability"], row["sure_words"]) == ("n02084071", 0.9, "dog")
    assert "<td>dog (n02084071)</td><td>0.900</td>" in one._repr_html_()


def test_problem_replaces_the_class() -> None:
    first, second = decide([[0.75, 0.25]] * 2, problems=["it is empty", ""], threshold=0.5)
    assert first == Prediction("0.jpg", problem="it is empty")
    assert second.class_name == "cat"


def test_no_pictures_give_no_answers() -> None:
    assert decide([]) == []
