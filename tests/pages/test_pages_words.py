import pytest

from fovea.pages import words


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0.0 %"),
        (0.0004, "< 0.1 %"),
        (0.9333, "93.3 %"),
        (0.9994, "99.9 %"),
        (0.9996, "> 99.9 %"),
        (1.0, "100.0 %"),
    ],
)
def test_a_share_is_a_percentage_that_never_rounds_to_certainty(share: float, shown: str) -> None:
    assert words.percent(share).replace("\xa0", " ") == shown


def test_an_interval_is_written_in_its_figures_unit() -> None:
    assert words.span((0.905, 0.9533)) == "90.5–95.3\xa0%"
    assert words.span((0.905, 0.9533), is_share=False) == "0.905–0.953"
    assert words.span(None) == ""


@pytest.mark.parametrize(("share", "shown"), [(0.98, "98"), (0.999, "99.9"), (0.01, "1"), (0.8312, "83.12")])
def test_a_goal_keeps_the_digits_it_was_given(share: float, shown: str) -> None:
    assert words.goal(share) == f"{shown}\xa0%"


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.83, "83"),
        (0.657337, "65.8"),
        (0.658, "65.8"),
        (0.6580001, "65.9"),
        (0.99963, "99.97"),
        (1.0, "100"),
    ],
)
def test_a_limit_is_rounded_up_and_never_to_certainty(share: float, shown: str) -> None:
    assert words.limit(share) == f"{shown}\xa0%"


@pytest.mark.parametrize(("n", "shown"), [(0, "0 classes"), (1, "1 class"), (3795, "3,795 classes")])
def test_a_count_agrees_with_its_noun(n: int, shown: str) -> None:
    assert words.plural(n, "class", "classes").replace("\xa0", " ") == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.421, "0.42 s"), (12.34, "12.3 s"), (119.96, "120.0 s"), (200.4, "3 min 20 s")]
)
def test_seconds_are_written_for_reading(value: float, shown: str) -> None:
    assert words.seconds(value).replace("\xa0", " ") == shown


def test_an_unknown_figure_goes_by_its_key() -> None:
    assert words.term("new_score").title == "New score"
    assert words.figure("new_score", 1.23456) == "1.235"


def test_an_unknown_conversion_goes_by_its_name() -> None:
    assert words.conversion("infrared") == "infrared"
