"""Batches of arrays: the same for the same seed and epoch, every picture once, rows and labels together."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.learn.training import ArrayBatches, Batch

X = np.arange(10, dtype=np.uint8)[:, None]
Y = np.arange(10)


def rows(batches: list[Batch]) -> list[list[int]]:
    return [batch.x[:, 0].int().tolist() for batch in batches]


def test_the_same_seed_and_epoch_give_the_same_batches() -> None:
    one, other = (ArrayBatches(X, Y, batch_size=3, seed=1) for _ in range(2))
    assert rows(list(one.epoch(4))) == rows(list(other.epoch(4)))


def test_another_epoch_has_another_order() -> None:
    batches = ArrayBatches(X, Y, batch_size=3, seed=1)
    assert rows(list(batches.epoch(0))) != rows(list(batches.epoch(1)))


def test_every_picture_comes_once_with_its_label() -> None:
    batches = list(ArrayBatches(X, Y, batch_size=3, seed=1).epoch(0))
    assert sorted(row for batch in rows(batches) for row in batch) == list(range(10))
    assert all(batch.x[:, 0].int().tolist() == batch.y.tolist() for batch in batches)


def test_an_epoch_that_starts_late_gives_the_rest() -> None:
    batches = ArrayBatches(X, Y, batch_size=3, seed=1)
    assert rows(list(batches.epoch(2, start=2))) == rows(list(batches.epoch(2)))[2:]


def test_what_prepare_draws_does_not_depend_on_the_start() -> None:
    def noisy(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return x + torch.rand(x.shape, generator=generator)

    batches = ArrayBatches(X, Y, batch_size=3, seed=1, prepare=noisy)
    late, whole = next(batches.epoch(0, start=1)), list(batches.epoch(0))
    assert torch.equal(late.x, whole[1].x)
    assert not torch.equal(whole[0].x % 1, whole[1].x % 1)


@pytest.mark.parametrize(
    ("size", "drop", "n"), [(3, False, 4), (3, True, 3), (1, False, 10), (0, False, 1), (99, True, 1)]
)
def test_the_number_of_batches(size: int, drop: bool, n: int) -> None:
    batches = ArrayBatches(X, Y, batch_size=size, seed=0, drop_last=drop)
    assert batches.n_batches == n == len(list(batches.epoch(0)))


def test_weights_follow_their_pictures() -> None:
    for batch in ArrayBatches(X, Y, batch_size=4, seed=0, weights=Y * 2.0).epoch(0):
        assert batch.weight is not None
        assert torch.equal(batch.weight, batch.x[:, 0] * 2)


def test_a_memory_map_gives_the_rows_of_its_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    batches = ArrayBatches(mapped, Y, batch_size=3, seed=1)
    assert rows(list(batches.epoch(0))) == rows(list(ArrayBatches(X, Y, batch_size=3, seed=1).epoch(0)))


def test_without_shuffling_the_order_stays() -> None:
    assert rows(list(ArrayBatches(X, Y, batch_size=5, seed=0, shuffle=False).epoch(3))) == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
    ]


def test_the_fingerprint_knows_labels_rows_and_order() -> None:
    other_labels, other_rows = Y.copy(), X.copy()
    other_labels[3], other_rows[9] = 0, 0
    made = [(X, Y, 3), (X, other_labels, 3), (other_rows, Y, 3), (X, Y, 4)]
    prints = {ArrayBatches(x, y, batch_size=size, seed=0).fingerprint for x, y, size in made}
    assert len(prints) == 4


def test_values_stay_floats_and_classes_become_int64() -> None:
    assert next(ArrayBatches(X, Y.astype(np.int32), batch_size=2, seed=0).epoch(0)).y.dtype == torch.int64
    assert next(ArrayBatches(X, Y / 2, batch_size=2, seed=0).epoch(0)).y.is_floating_point()


def test_labels_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match="expected as many labels and weights as the 10 pictures"):
        ArrayBatches(X, Y[:9], batch_size=2, seed=0)
