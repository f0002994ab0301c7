"""What a soup promises: trainings from one start, their weights averaged while that does not hurt."""

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.finetune.soup import train_soup
from fovea.learn.training import History, Score


class Toy:
    """A network of one weight that "learns" to be what it is told; its loss is the square of the distance to 2."""

    def __init__(self, *learned: float, stopped: dict[int, str] | None = None) -> None:
        self.network = torch.nn.Linear(1, 1, bias=False)
        self.learned, self.stopped = learned, stopped or {}
        self.hold(100.0)
        self.begun_at: list[float] = []

    @property
    def weight(self) -> float:
        return float(self.network.weight.detach())

    def hold(self, value: float) -> None:
        with torch.no_grad():
            self.network.weight.fill_(value)

    def train(self, number: int) -> History:
        self.begun_at.append(self.weight)
        self.hold(self.learned[number])
        return History((), number, self.stopped.get(number, ""), (), 1, 1)

    def score(self) -> Score:
        return Score((self.weight - 2) ** 2, 0.0, 10)

    def soup(self) -> History:
        return train_soup(self.network, self.train, n_runs=len(self.learned), score=self.score)


def test_members_join_while_the_average_is_as_good_and_the_others_stay_out():
    toy = Toy(8, 1, 3)
    history = toy.soup()
    assert toy.weight == 2.0  # of 1 and 3; with 8 it would be 4, which is worse
    assert history.notes == (
        "The weights of 2 of 3 trainings are averaged: loss 0.0000 on the validation pictures, 1.0000 to 36.0000 of each by "
        "itself. The curves are the first one's.",
    )


def test_an_average_that_is_right_less_often_stays_out():
    toy = Toy(1, 3)
    toy.score = lambda: Score((toy.weight - 2) ** 2, 0.9 if toy.weight == 2 else 0.95, 10)  # type: ignore[method-assign]
    toy.soup()
    assert toy.weight == 1.0


def test_every_training_begins_where_the_first_did():
    toy = Toy(8, 1, 3)
    toy.soup()
    assert toy.begun_at == [100.0, 100.0, 100.0]


def test_the_best_stays_alone_where_every_average_is_worse():
    toy = Toy(2, 9, 10)
    toy.soup()
    assert toy.weight == 2.0


def test_a_training_that_did_not_stay_finite_is_left_out():
    toy = Toy(1, 3, 2.5, stopped={2: "non-finite"})
    toy.soup()
    assert toy.weight == 2.0


def test_where_none_stayed_finite_the_first_one_tells_why():
    toy = Toy(1, 3, stopped={0: "non-finite", 1: "non-finite"})
    assert toy.soup().stopped == "non-finite"


def test_one_training_is_that_training_and_nothing_is_judged():
    toy = Toy(7)
    toy.score = None  # type: ignore[assignment,method-assign]
    assert toy.soup().notes == ()
    assert toy.weight == 7.0
