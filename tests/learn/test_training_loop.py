"""The loop against a bare loop of torch's; best weights, stopping, resuming, numbers that are none."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn
from training_parts import Stopping, batches, pictures, score, settings, tiny_network, weights_of

from fovea.errors import InputError
from fovea.learn.training import (
    ArrayBatches,
    Batch,
    EpochRecord,
    Optimisation,
    Regularisation,
    Score,
    Training,
    train_network,
)  # fmt: skip


def assert_same(one: nn.Module, other: nn.Module) -> None:
    held, expected = weights_of(one), weights_of(other)
    for name, values in expected.items():
        np.testing.assert_array_equal(held[name], values, err_msg=name)


def assert_differs(one: nn.Module, other: nn.Module) -> None:
    assert not np.array_equal(weights_of(one)["5.weight"], weights_of(other)["5.weight"])


def test_it_learns_what_a_bare_loop_of_torch_learns() -> None:
    network, bare = tiny_network(), tiny_network().to(memory_format=torch.channels_last)
    train_network(network, batches(), settings=settings())
    optimizer = torch.optim.SGD(bare.parameters(), lr=0.01, momentum=0.9)
    for batch in itertools.chain(batches().epoch(0), batches().epoch(1)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(bare(batch.x), batch.y).backward()
        optimizer.step()
    for name, values in weights_of(bare).items():
        np.testing.assert_allclose(weights_of(network)[name], values, atol=1e-6, err_msg=name)


def test_weights_clip_and_smoothing_do_what_torchs_own_do() -> None:
    x, y = pictures(32)
    class_weights = torch.tensor([1.0, 3.0])
    told = replace(settings(epochs=1), regularisation=Regularisation(smoothing=0.1))
    told = replace(told, optimisation=replace(told.optimisation, clip=0.05))
    network, bare = tiny_network(), tiny_network()
    weighted = ArrayBatches(x, y, batch_size=32, seed=0, weights=class_weights[y])
    train_network(network, weighted, settings=told)
    losses = nn.functional.cross_entropy(
        bare(torch.from_numpy(x)), torch.from_numpy(y), reduction="none", label_smoothing=0.1
    )
    (losses @ class_weights[y] / class_weights[y].sum()).backward()
    nn.utils.clip_grad_norm_(bare.parameters(), 0.05)
    with torch.no_grad():
        expected = bare[5].weight - 0.01 * bare[5].weight.grad
    torch.testing.assert_close(network[5].weight, expected)


def test_the_same_seed_trains_bit_for_bit_alike() -> None:
    one, other = tiny_network(dropout=0.5), tiny_network(dropout=0.5)
    for network in (one, other):
        train_network(network, batches(), settings=settings(ema=0.9))
    assert_same(one, other)


def test_the_callers_generator_and_threads_stay() -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    network = tiny_network(dropout=0.5)
    torch.set_rng_state(before)
    train_network(network, batches(), settings=settings(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_the_best_weights_are_in_the_network_at_the_end() -> None:
    losses, held = iter([0.5, 0.2, 0.9]), []

    def judge(network: nn.Module) -> Score:
        held.append(weights_of(network))
        return Score(next(losses), 0.5, 1)

    network = tiny_network()
    history = train_network(network, batches(), settings=settings(epochs=3), evaluate=judge)
    assert history.best_epoch == 1
    assert [record.is_kept for record in history.records] == [True, True, False]
    np.testing.assert_array_equal(weights_of(network)["5.weight"], held[1]["5.weight"])
    assert not network.training


def test_an_epoch_that_runs_tells_its_means_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.training.loop._LIVE_SECONDS", 0.0)
    told: list[tuple[str, int, int]] = []
    history = train_network(
        tiny_network(), batches(), settings=settings(epochs=2), progress=lambda *one: told.append(one)
    )
    assert told[0] == ("training", 0, 8)
    assert [one[1:] for one in told] == [(n, 8) for n in range(9)]
    assert [stage[: len("training: epoch 1 of 2, loss ")] for stage, *_ in told[1:]] == [
        f"training: epoch {1 + step // 4} of 2, loss " for step in range(8)
    ]
    for record, (stage, *_) in zip(history.records, told[4::4], strict=True):  # all of an epoch's pictures
        assert f"loss {record.train_loss:.2f}, {100 * (record.train_accuracy or 0):.1f} %, " in stage


def test_patience_ends_when_the_loss_stays_above_its_best() -> None:
    losses = iter([0.5, 0.4, 0.45, 0.41, 0.1])
    history = train_network(
        tiny_network(),
        batches(),
        settings=settings(epochs=5, patience=2),
        evaluate=lambda network: Score(next(losses), 0.5, 1),
    )
    assert (history.stopped, history.best_epoch, len(history.records)) == ("patience", 1, 4)


def test_the_time_allowed_ends_it_and_the_epoch_begun_counts() -> None:
    history = train_network(
        tiny_network(), batches(), settings=settings(epochs=9, seconds=1e-6), evaluate=score
    )
    assert (history.stopped, history.n_steps, history.best_epoch) == ("seconds", 1, 0)
    assert history.records[0].valid_loss is not None


def test_a_training_slower_than_planned_comes_to_its_low_rates_in_time() -> None:
    """Of 1,000 epochs planned a few fit: the rate of the last one is near 0 all the same, where a cosine ends."""
    named = settings(epochs=1_000, seconds=0.5)
    named = replace(named, optimisation=replace(named.optimisation, schedule="cosine"))
    history = train_network(tiny_network(), batches(), settings=named)
    assert (history.stopped, history.records[-1].epoch < 900) == ("seconds", True)
    assert history.records[-1].lr < 0.05 * max(record.lr for record in history.records)


def test_a_training_whose_last_step_ends_late_was_not_stopped() -> None:
    history = train_network(tiny_network(), batches(16), settings=settings(epochs=1, seconds=1e-9))
    assert (history.stopped, history.n_steps) == ("", 1)


def test_an_epochs_record_holds_what_it_says() -> None:
    told: list[EpochRecord] = []
    history = train_network(
        tiny_network(), batches(), settings=settings(epochs=2), evaluate=score, on_epoch=told.append
    )
    assert tuple(told) == history.records
    assert [record.epoch for record in told] == [0, 1]
    assert told[0].steps == 4
    assert set(told[0].gradient_norms) == {"0", "5"}
    assert set(told[0].dead_share) == {"2"}
    assert told[1].valid_loss < told[0].valid_loss  # type: ignore[operator]
    assert history.n_pictures_seen == 128


def test_the_training_figures_are_means_over_the_epochs_pictures() -> None:
    x, y = pictures(48)
    still = replace(settings(epochs=1), optimisation=Optimisation(optimizer="sgd", lr=1e-30, clip=None))
    network = tiny_network(norm=False)
    outputs = network(torch.from_numpy(x)).detach()
    history = train_network(network, ArrayBatches(x, y, batch_size=20, seed=0), settings=still)
    labels = torch.from_numpy(y)
    assert history.records[0].train_loss == pytest.approx(
        float(nn.functional.cross_entropy(outputs, labels)), rel=1e-5
    )
    assert history.records[0].train_accuracy == pytest.approx(
        float((outputs.argmax(1) == labels).float().mean())
    )


def test_averaged_weights_are_what_is_judged_and_kept() -> None:
    network, plain = tiny_network(norm=False), tiny_network(norm=False)
    held: list[float] = []

    def judge(network: nn.Module) -> Score:
        held.append(network[5].weight.sum().item())
        return score(network)

    train_network(network, batches(16), settings=settings(epochs=1, ema=0.999), evaluate=judge)
    before = tiny_network(norm=False)[5].weight.detach()
    train_network(plain, batches(16), settings=settings(epochs=1))
    # one step: 2/11 of the beginning, 9/11 of the step
    torch.testing.assert_close(
        network[5].weight.detach(), 2 / 11 * before + 9 / 11 * plain[5].weight.detach()
    )
    assert network[5].weight.sum().item() == held[0]


@pytest.mark.parametrize(("error", "kept"), [(0.0, 1), (0.01, 1), (0.1, 3)])
def test_the_last_epoch_that_is_as_good_as_any_but_for_noise_is_kept(error: float, kept: int) -> None:
    told = iter([0.5, 0.3, 0.4, 0.32])  # of four epochs; 0.6 of an error is noise

    def judge(network: nn.Module) -> Score:
        return Score(1.0, 0.0, 20, brier=next(told), error=error)

    history = train_network(tiny_network(norm=False), batches(), settings=settings(epochs=4), evaluate=judge)
    assert history.best_epoch == kept


def test_frozen_statistics_stay_while_the_scale_learns() -> None:
    network = tiny_network()
    train_network(network, batches(), settings=settings(epochs=1), frozen_statistics=True)
    assert torch.equal(network[1].running_mean, torch.zeros(4))
    assert not torch.equal(network[1].weight, torch.ones(4))


def test_frozen_weights_stay() -> None:
    network, before = tiny_network(norm=False), tiny_network(norm=False)
    network[0].requires_grad_(False)
    train_network(network, batches(), settings=settings(epochs=1))
    assert torch.equal(network[0].weight, before[0].weight)
    assert_differs(network, before)


def test_values_are_learned_by_squared_error() -> None:
    x, y = pictures(64)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
    history = train_network(
        network,
        ArrayBatches(x, y * 2.0, batch_size=16, seed=0),
        settings=settings(epochs=5, optimizer="adamw"),
        kind="values",
    )
    first, last = history.records[0].train_loss, history.records[-1].train_loss
    assert last < first / 2  # type: ignore[operator]
    assert history.records[0].train_accuracy is None


def test_mixing_and_bf16_train_too() -> None:
    mixing = Training(
        Optimisation(lr=0.01),
        Regularisation(mixup=0.2, cutmix=1.0),
        replace(settings().looping, precision="bf16"),
    )
    history = train_network(tiny_network(), batches(), settings=mixing, evaluate=score)
    assert history.records[-1].valid_accuracy is not None
    assert history.records[-1].valid_accuracy > 0.6


@pytest.mark.parametrize("mixing", [Regularisation(mixup=0.5), Regularisation(cutmix=1.0)])
def test_each_label_of_a_mixed_picture_counts_by_its_own_weight(mixing: Regularisation) -> None:
    y = np.arange(64) % 2
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    nn.init.zeros_(network[1].bias)  # type: ignore[arg-type]
    weighted = ArrayBatches(np.zeros((64, 3, 8, 8), np.float32), y, batch_size=64, seed=0, weights=y)
    train_network(network, weighted, settings=replace(settings(epochs=1), regularisation=mixing))
    # Only labels of class 1 count: whatever is mixed, the answer moves by the rate times a half towards it.
    np.testing.assert_allclose(weights_of(network)["1.bias"], [-0.005, 0.005], rtol=1e-5)


@pytest.mark.parametrize("size", [1, 0])
def test_one_picture_a_step_and_all_pictures_a_step_work(size: int) -> None:
    x, y = pictures(8)
    history = train_network(
        tiny_network(), ArrayBatches(x, y, batch_size=size, seed=0), settings=settings(epochs=1)
    )
    assert history.n_steps == (8 if size else 1)


def test_numbers_that_are_none_stop_it_and_the_last_good_weights_return() -> None:
    x, y = pictures(64)
    x[40] = np.nan
    network, held = tiny_network(), []
    whole = ArrayBatches(*pictures(64), batch_size=16, seed=0)
    broken = ArrayBatches(x, y, batch_size=16, seed=0)

    class Breaking(ArrayBatches):
        def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
            return (broken if number == 1 else whole).epoch(number, start=start)

    bad = next(i for i, batch in enumerate(broken.epoch(1)) if not torch.isfinite(batch.x).all())
    history = train_network(
        network, Breaking(x, y, batch_size=16, seed=0), settings=settings(epochs=3),
        on_epoch=lambda record: held.append(weights_of(network)),
    )  # fmt: skip
    assert history.stopped == "non-finite"
    assert history.notes == (
        f"Training stopped in epoch 2, step {bad + 1}: the batch of pictures itself gave numbers that are none (not finite). "
        "The weights are those of epoch 1. What may help: a lower learning rate, a limit on the length of gradients (clip).",
    )
    for name, values in held[0].items():
        np.testing.assert_array_equal(weights_of(network)[name], values, err_msg=name)


def test_what_may_help_is_not_what_was_so_already() -> None:
    told = settings(epochs=3)
    told = replace(
        told,
        optimisation=replace(told.optimisation, lr=1e30, clip=1.0),
        looping=replace(told.looping, precision="bf16"),
    )
    history = train_network(tiny_network(norm=False), batches(), settings=told)
    assert history.notes[0].endswith(" What may help: a lower learning rate, computing in f32.")


def test_a_rate_far_too_high_returns_the_beginning() -> None:
    network = tiny_network(norm=False)
    told = settings(epochs=3)
    told = replace(told, optimisation=replace(told.optimisation, lr=1e30))
    history = train_network(network, batches(), settings=told)
    assert (history.stopped, history.best_epoch) == ("non-finite", -1)
    assert "The weights are those of the beginning." in history.notes[0]
    assert_same(network, tiny_network(norm=False))


@pytest.mark.parametrize("optimizer", ["nesterov", "adamw", "muon"])
def test_a_training_cut_off_inside_an_epoch_goes_on_bit_for_bit(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.learn.training.state.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("fovea.learn.training.state._WRITING_SHARE", 1e9)
    told = settings(optimizer=optimizer, epochs=3, ema=0.9)
    whole, cut = tiny_network(dropout=0.3), tiny_network(dropout=0.3)
    expected = train_network(whole, batches(), settings=told, evaluate=score)
    stopping = Stopping(*pictures(64), batch_size=16, seed=0)
    with pytest.raises(KeyboardInterrupt):
        train_network(cut, stopping, settings=told, evaluate=score, checkpoint=tmp_path / "c")
    again = tiny_network(dropout=0.3)
    history = train_network(again, batches(), settings=told, evaluate=score, checkpoint=tmp_path / "c")
    assert_same(again, whole)
    assert [record.train_loss for record in history.records] == [
        record.train_loss for record in expected.records
    ]
    assert [record.valid_loss for record in history.records] == [
        record.valid_loss for record in expected.records
    ]


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first, second = tiny_network(), tiny_network()
    expected = train_network(first, batches(), settings=settings(), evaluate=score, checkpoint=tmp_path / "c")
    nothing = Stopping(*pictures(64), batch_size=16, seed=0)
    nothing.left = 0
    assert (
        train_network(second, nothing, settings=settings(), evaluate=score, checkpoint=tmp_path / "c")
        == expected
    )
    assert_same(second, first)


def test_a_checkpoint_of_another_batch_size_is_refused(tmp_path: Path) -> None:
    train_network(tiny_network(), batches(), settings=settings(), checkpoint=tmp_path / "c")
    with pytest.raises(
        InputError, match=r"with other settings \(epochs was 2 and is 3, not the same pictures\)"
    ):
        train_network(
            tiny_network(), batches(batch_size=8), settings=settings(epochs=3), checkpoint=tmp_path / "c"
        )


def test_a_checkpoint_that_cannot_be_written_is_noted_and_training_ends_well(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    network, plain = tiny_network(), tiny_network()
    history = train_network(network, batches(), settings=settings(), checkpoint=tmp_path / "file" / "c")
    train_network(plain, batches(), settings=settings())
    assert len(history.notes) == 1
    assert history.notes[0].startswith(
        f"The checkpoint {str(tmp_path / 'file' / 'c')!r} could not be written ("
    )
    assert_same(network, plain)


def test_a_batch_that_memory_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.training.loop.free_bytes", lambda device: 100_000)
    with pytest.raises(
        InputError, match=r"A batch of 64 pictures would need .* Use --batch-size \d+ or less\."
    ):
        train_network(tiny_network(), batches(batch_size=0), settings=settings())
