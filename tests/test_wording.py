"""Words that messages share."""

import pytest

from fovea.wording import count, did_you_mean, percent, some


def test_a_share_is_told_in_percent_with_a_blank() -> None:
    assert (percent(0.9333), percent(1), percent(0.128, 0)) == ("93.3 %", "100.0 %", "13 %")


@pytest.mark.parametrize(("n", "said"), [(1, "1 picture"), (0, "0 pictures"), (2000, "2,000 pictures")])
def test_what_is_counted_stands_in_its_number(n: int, said: str) -> None:
    assert count(n, "picture") == said


def test_a_long_list_is_cut_short_and_says_by_how_much() -> None:
    assert some("abc") == "'a', 'b', 'c'"
    assert some(map(str, range(1006)), shown=2) == "'0', '1' and 1,004 more"


def test_the_closest_name_is_meant() -> None:
    assert did_you_mean(" Lenet ", ["lenet5", "mlp"]) == " (did you mean 'lenet5'?)"
    assert did_you_mean("xyz", ["lenet5"]) == ""
