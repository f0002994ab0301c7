"""A training under way is told in one line."""

from fovea.learn.training import EpochRecord
from fovea.learn.training.told import describe_epoch, describe_running


def test_an_epoch_is_told_in_a_line() -> None:
    record = EpochRecord(1, 10, 20.0, 1e-3, 0.414, 0.912, 0.3, 0.93, images_per_second=1234.0)
    assert describe_epoch(record, n_epochs=4) == (
        "epoch 2 of 4: training loss 0.41, 91.2 %; validation loss 0.30, 93.0 %; 1,234 pictures/s, 40 s left"
    )


def test_an_epoch_on_a_gpu_tells_its_use_and_memory() -> None:
    record = EpochRecord(
        0, 10, 20.0, 1e-3, 0.5, 0.9, images_per_second=50.0, gpu_bytes=3_100_000_000, gpu_share=0.87
    )
    assert describe_epoch(record, n_epochs=1) == (
        "epoch 1 of 1: training loss 0.50, 90.0 %; 50 pictures/s, GPU memory 3.1 GB, GPU use 87 %, 0 s left"
    )


def test_an_epoch_on_numbers_tells_r2() -> None:
    record = EpochRecord(0, 10, 20.0, 1e-3, 0.414, None, 0.3, 0.7, images_per_second=50.0)
    assert describe_epoch(record, n_epochs=1, kind="values") == (
        "epoch 1 of 1: training loss 0.41; validation loss 0.30, R2 0.700; 50 pictures/s, 0 s left"
    )


def test_an_epoch_that_runs_tells_the_means_so_far_and_the_speed() -> None:
    record = EpochRecord(1, 10, 20.0, 1e-3, 0.414, 0.912, images_per_second=1234.0)
    assert describe_running(record, n_epochs=4) == "epoch 2 of 4, loss 0.41, 91.2 %, 1,234 pictures/s"
    on_gpu = EpochRecord(0, 1, 2.0, 1e-3, 0.5, None, images_per_second=5.0, gpu_bytes=10**9, gpu_share=0.5)
    assert describe_running(on_gpu, n_epochs=9, kind="values") == (
        "epoch 1 of 9, loss 0.50, 5 pictures/s, GPU memory 1.0 GB, GPU use 50 %"
    )
