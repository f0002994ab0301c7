"""What several trainings promise: they begin at one place, and the best one stays."""

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.finetune.restarts import train_best_of
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

    def run(self) -> History:
        return train_best_of(self.network, self.train, n_runs=len(self.learned), score=self.score)


def test_the_best_one_stays_with_its_history_and_a_word_on_the_others():
    toy = Toy(8, 1.5, 3)
    history = toy.run()
    assert (toy.weight, history.best_epoch) == (1.5, 1)
    assert history.notes == (
        "The best of 3 trainings in different orders is kept: loss 0.2500 on the validation pictures, the others up to 36.0000.",
    )


def test_every_training_begins_where_the_first_did():
    toy = Toy(8, 1, 3)
    toy.run()
    assert toy.begun_at == [100.0, 100.0, 100.0]


def test_a_training_that_did_not_stay_finite_is_left_out():
    toy = Toy(1, 3, 2, stopped={2: "non-finite"})
    toy.run()
    assert toy.weight == 1.0


def test_where_none_stayed_finite_one_tells_why():
    toy = Toy(1, 3, stopped={0: "non-finite", 1: "non-finite"})
    assert toy.run().stopped == "non-finite"


def test_one_training_is_that_training_and_nothing_is_judged():
    toy = Toy(7)
    toy.score = None  # type: ignore[assignment,method-assign]
    assert toy.run().notes == ()
    assert toy.weight == 7.0
