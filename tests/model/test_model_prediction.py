"""One answer: its JSON row, its remark, its table in a notebook."""

import numpy as np
import pytest

from fovea.judge import softmax
from fovea.model import Prediction, Predictions, Thresholds
from fovea.model.decide import answer


def test_row_has_the_keys_of_the_command() -> None:
    row = Prediction("a.jpg", "cat", 0.75, {"cat": 0.75, "dog": 0.25}, unsure=True).to_json()
    assert row == {
        "path": "a.jpg",
        "class": "cat",
        "probability": 0.75,
        "probabilities": {"cat": 0.75, "dog": 0.25},
        "unsure": True,
        "unlike": False,
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


class Two:
    """A head of two classes whose logits are the features."""

    class_names = ("cat", "dog")

    def logits(self, features: np.ndarray) -> np.ndarray:
        return features


class Far:
    """A distance score that calls every second picture unlike."""

    def is_unlike(self, features: np.ndarray) -> np.ndarray:
        return np.arange(len(features)) % 2 == 1


def decide(
    features: list[list[float]],
    *,
    unsure: float = 0.6,
    problems: list[str] | None = None,
    novelty: object = None,
):  # type: ignore[no-untyped-def]
    return answer(
        np.array(features, np.float32),
        [f"{n}.jpg" for n in range(len(features))],
        problems=problems or [""] * len(features),
        head=Two(),  # type: ignore[arg-type]
        temperature=2.0,
        thresholds=Thresholds(unsure),
        novelty=novelty,  # type: ignore[arg-type]
    )


def test_probabilities_are_the_softmax_at_the_temperature() -> None:
    (one,) = decide([[2.0, 0.0]])
    expected = np.exp(1) / (np.exp(1) + 1)  # logits over the temperature: 1 and 0
    assert one.class_name == "cat"
    assert one.probability == pytest.approx(expected)
    assert list(one.probabilities) == ["cat", "dog"]
    assert sum(one.probabilities.values()) == pytest.approx(1)


def test_probability_below_the_threshold_is_unsure_and_at_it_is_not() -> None:
    p = float(softmax(np.array([[2.0, 0.0]], np.float32), 2.0)[0, 0])
    assert [one.unsure for one in decide([[2.0, 0.0], [1.0, 0.0]], unsure=p)] == [False, True]


def test_distance_beyond_the_limit_is_unlike() -> None:
    assert [one.unlike for one in decide([[1.0, 0.0]] * 3, novelty=Far())] == [False, True, False]


def test_problem_replaces_the_class() -> None:
    first, second = decide([[1.0, 0.0]] * 2, problems=["it is empty", ""], novelty=Far())
    assert first == Prediction("0.jpg", problem="it is empty")
    assert second.class_name == "cat"


def test_no_pictures_give_no_answers() -> None:
    assert decide([]) == []
