import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

import fovea.learn.finetune.plan as plan_module
import fovea.learn.finetune.tune as tune_module
from fovea.errors import InputError
from fovea.learn import Head
from fovea.learn.augment import augmentation
from fovea.learn.finetune import Tuning, finetune
from fovea.learn.finetune.frozen import FrozenBatches
from fovea.learn.finetune.opening import with_drop_path
from fovea.learn.finetune.plan import Job, Part, Shares, _share_out
from fovea.learn.finetune.settings import recipe
from fovea.learn.finetune.tune import rate_groups, settings_of
from fovea.learn.finetune.unfreezing import count_unfrozen
from fovea.learn.trained import Pictures, Trained
from fovea.learn.training import Machine, Training, overridden
from fovea.learn.training.memory import Memory
from fovea.learn.training.optimisers import make_optimizer
from fovea.learn.training.planned import TooLittleTimeError
from fovea.learn.training.processes import Processes
from fovea.learn.training.settings import Optimisation
from fovea.learn.training.timing import Trial
from fovea.nets.blocks import find_blocks
from fovea.nets.cut import Cut
from fovea.nets.stages import Place
from fovea.nets.trainable import Headed, Trainable, add_head
from fovea.nets.weights import WeightsCard
from fovea.nets.zoo import build_network

SIZE, N = 32, 24
NAMES = ("left", "right")


def trainable() -> Trainable:
    torch.manual_seed(0)
    card = WeightsCard("timm", "test_resnet", SIZE, (0.5,) * 3, (0.5,) * 3)
    network = build_network(card)
    places = (Place("layer2", "mean"), Place("layer4", "mean"), Place("fc", "softmax"))
    return Trainable(network, card, "fc", find_blocks(network, size_px=SIZE), places)


def drawn(n: int = N) -> Pictures:
    """Return noise that is brighter above (class 0) or below (class 1)."""
    rng = np.random.default_rng(n)
    pixels = rng.integers(0, 120, (n, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.arange(n) % 2
    pixels[labels == 0, : SIZE // 2] += 100
    pixels[labels == 1, SIZE // 2 :] += 100
    return Pictures(pixels, labels.astype(np.int64))


def tuned(
    tmp_path: Path, *, given: "dict[str, Any] | None" = None, start: Head | None = None, **wish: Any
) -> Trained:
    torch.set_num_threads(1)
    settings = {"epochs": 3, "batch_size": 8, "augment": "none", "precision": "f32", **(given or {})}
    return finetune(
        trainable(),
        drawn(),
        valid=drawn(16),
        class_names=NAMES,
        start=start,
        wish=Tuning(given=settings, **wish),
        workspace=tmp_path,
    )


def answers(trained: Trained, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.no_grad():
        planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        return trained.network.eval()((planes / 255 - 0.5) / 0.5).numpy()


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return tuned(tmp_path_factory.mktemp("two"), unfreeze=2, given={"lr": 3e-3})


def test_the_last_blocks_learn_and_the_loss_falls(by_two: Trained) -> None:
    losses = [record.train_loss for record in by_two.history.records]
    assert losses[-1] is not None and losses[0] is not None and losses[-1] < losses[0]


def test_what_lies_below_the_last_blocks_stays_as_it_was(by_two: Trained) -> None:
    before, after = trainable().network.state_dict(), by_two.network.network.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"layer3", "layer4", "fc"}


def test_validation_answers_are_those_of_the_network_itself(by_two: Trained) -> None:
    # the frozen part was computed in bf16 where the processor has it
    np.testing.assert_allclose(by_two.valid_logits, answers(by_two, drawn(16).pixels), atol=0.1)


def test_the_card_builds_the_network_again(by_two: Trained) -> None:
    again = build_network(by_two.card)
    again.load_state_dict(by_two.network.state_dict())
    assert by_two.card.class_names == NAMES
    assert isinstance(again.get_submodule(by_two.classifier), torch.nn.Linear)


def test_the_plan_says_what_learns(by_two: Trained) -> None:
    assert by_two.plan[0] == (
        "Fine-tuning test_resnet on 24 pictures, from the probe's answers: the last 2 of 5 blocks learn (from 'layer3'), the rest "
        "is computed once, in 1 view a picture; head 'linear', augmentation 'none'."
    )
    assert re.fullmatch(
        r"3 epochs in batches of 8; adamw at 0\.003, weight decay 0\.01, schedule 'cosine', warm-up 10 %, clip 1; smoothing 0\.05, "
        r"EMA 0\.99; in f32 on \w+\.",
        by_two.plan[1],
    )
    assert re.fullmatch(r"Forecast: \d+ s, \d+ MB of memory\.", by_two.plan[2])


def test_with_all_unfrozen_the_first_layer_learns_too(tmp_path: Path) -> None:
    trained = tuned(tmp_path, unfreeze="all", given={"epochs": 1})
    before, after = trainable().network.state_dict(), trained.network.network.state_dict()
    assert not torch.equal(before["conv1.0.weight"], after["conv1.0.weight"])
    np.testing.assert_allclose(trained.valid_logits, answers(trained, drawn(16).pixels), atol=1e-3)


@pytest.mark.parametrize("head_layers", ["linear", "mlp:16"])
def test_without_a_step_the_answers_are_the_probes(tmp_path: Path, head_layers: str) -> None:
    headed, _ = add_head(trainable(), class_names=NAMES)
    rng = np.random.default_rng(0)
    d = headed.mean.shape[0]
    start = Head(
        weights=rng.normal(size=(2, d)).astype(np.float32),
        bias=np.array([0.5, -0.5], np.float32),
        mean=np.zeros(d, np.float32),
        scale=np.ones(d, np.float32),
        class_names=NAMES,
        penalty=1.0,
    )
    trained = tuned(
        tmp_path, unfreeze="all", start=start, head_layers=head_layers, given={"lr": 1e-12, "epochs": 1}
    )
    planes = (torch.from_numpy(drawn(16).pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.no_grad():
        features = headed.eval().features(planes).numpy()
    np.testing.assert_allclose(trained.valid_logits, start.logits(features), atol=1e-3)


def test_a_budget_too_small_for_an_epoch_is_said(tmp_path: Path) -> None:
    told = (
        r"^0 s of the budget are left, too few to fine-tune: one epoch of the last 1 block takes \d+ s here\. "
        r"Raise --budget by \d+ s or more\.$"
    )
    with pytest.raises(TooLittleTimeError, match=told):
        tuned(tmp_path, given={"seconds": 0.01})


def test_an_interrupted_training_goes_on_as_it_was_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tuned(tmp_path, unfreeze="auto", given={"seconds": 600.0})
    monkeypatch.setattr(plan_module, "_choose", None)  # would fail if it were called
    again = tuned(tmp_path, unfreeze="auto", given={"seconds": 500.0})
    assert again.plan[:2] == first.plan[:2]
    np.testing.assert_array_equal(again.valid_logits, first.valid_logits)


def test_pictures_of_another_shape_than_the_networks_are_cut_and_learned(tmp_path: Path) -> None:
    wide = [Pictures(np.concatenate([one.pixels] * 2, axis=2), one.labels) for one in (drawn(), drawn(16))]
    given = {"epochs": 1, "batch_size": 8, "augment": "none", "precision": "f32"}
    wish = Tuning(unfreeze=2, given=given)
    trained = finetune(trainable(), wide[0], valid=wide[1], class_names=NAMES, wish=wish, workspace=tmp_path)
    np.testing.assert_allclose(trained.valid_logits, answers(trained, wide[1].pixels), atol=0.1)


def test_views_are_computed_in_three_tenths_of_the_budget_and_the_rest_is_epochs() -> None:
    part = Part(2, Cut("layer3", (), (1,), (), ()), None, 0.01, 0.1, Memory(0, 1), 0, n_asked=2)
    settings = overridden(recipe(), {"epochs": 100})
    job = Job(None, None, 100, 0, (SIZE, SIZE), Tuning(), settings, Path(), None, Processes())  # type: ignore[arg-type]
    # 1 s a view, 10 s an epoch: of 10 s three views, and of the 7 s left no whole epoch, but one is made
    assert [_share_out(job, part, left=left) for left in (10, 100)] == [Shares(1, 3), Shares(9, 8)]


def test_the_search_of_a_rate_is_planned_for() -> None:
    part = Part(2, Cut("layer3", (), (1,), (), ()), None, 0.01, 0.1, Memory(0, 1), 0, n_asked=2)
    settings = overridden(recipe(), {"epochs": 100, "batch_size": 5})
    wish = Tuning(finds_rate=True)
    job = Job(None, None, 100, 0, (SIZE, SIZE), wish, settings, Path(), None, Processes())  # type: ignore[arg-type]
    assert part.search_seconds(job) == pytest.approx(50)  # 100 steps of 5 pictures
    assert _share_out(job, part, left=150) == Shares(9, 8)  # as of 100 s without it


def test_measuring_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    one = trainable()
    headed, _ = add_head(one, class_names=NAMES)
    before = {name: tensor.clone() for name, tensor in headed.state_dict().items()}
    settings = overridden(recipe(), {"batch_size": 8, "seconds": 600.0, "epochs": 1})
    job = Job(
        headed, one, 24, 16, (SIZE, SIZE), Tuning(), settings, tmp_path, augmentation("none"), Processes()
    )
    for n_blocks in (3, 1):
        plan_module._measure(job, n_blocks)
    for name, tensor in headed.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_what_lies_behind_the_last_place_of_the_head_is_no_block_that_learns(tmp_path: Path) -> None:
    one = replace(trainable(), places=(Place("layer2", "mean"),))
    trained = finetune(
        one,
        drawn(),
        valid=drawn(16),
        class_names=NAMES,
        wish=Tuning(
            unfreeze=1,
            given={"epochs": 2, "batch_size": 8, "augment": "none", "precision": "f32", "lr": 3e-3},
        ),
        workspace=tmp_path,
    )
    assert "the last 1 of 3 blocks learn (from 'layer2')" in trained.plan[0]
    learning = {
        name.split(".")[0] for name, one in trained.network.network.named_parameters() if one.requires_grad
    }
    assert learning.isdisjoint({"layer3", "layer4", "fc"})


def test_what_a_budget_leaves_goes_into_more_trainings_of_half_of_the_epochs_or_more() -> None:
    part = Part(2, Cut("layer3", (), (1,), (), ()), None, 0.01, 0.1, Memory(0, 1), 0, n_asked=2)
    settings = overridden(recipe(), {"epochs": 12})

    def shared(left: float, **wish: Any) -> Shares:
        job = Job(None, None, 100, 0, (SIZE, SIZE), Tuning(**wish), settings, Path(), None, Processes())  # type: ignore[arg-type]
        return _share_out(job, part, left=left)

    # 8 s of views, 10 s an epoch: 11 epochs fit, 12, 20, 30, and far more than four trainings take
    several = [shared(left, most_runs=4) for left in (118, 128, 208, 308, 5008)]
    assert several == [Shares(11, 8), Shares(6, 8, 2), Shares(6, 8, 3), Shares(7, 8, 4), Shares(12, 8, 4)]
    assert shared(5008) == Shares(12, 8, 1)
    # 10 s more for each training: 5 epochs of two are too few, 6 are not
    assert [shared(left, most_runs=2, run_seconds=10.0) for left in (138, 148)] == [
        Shares(12, 8),
        Shares(6, 8, 2),
    ]


def test_several_trainings_are_given_that_begin_at_one_place_and_end_at_others(tmp_path: Path) -> None:
    given = {"seconds": 500.0, "epochs": 2, "lr": 3e-3}
    trained = tuned(tmp_path, unfreeze=2, given=given, most_runs=3)
    assert trained.plan[1].startswith(
        "3 trainings in different orders, whose answers are averaged, each 2 epochs in"
    )
    assert {one.name for one in tmp_path.glob("*.checkpoint")} == {
        f"finetune{number}.checkpoint" for number in ("", 1, 2)
    }
    runs = (trained, *trained.others)
    assert len(runs) == 3
    for one in runs:
        np.testing.assert_allclose(one.valid_logits, answers(one, drawn(16).pixels), atol=0.1)
    assert not np.array_equal(runs[0].valid_logits, runs[1].valid_logits)
    frozen = [next(one.network.parameters()) for one in runs]
    assert torch.equal(frozen[0], frozen[1]) and torch.equal(frozen[0], frozen[2])
    again = tuned(tmp_path, unfreeze=2, given=given, most_runs=3)  # every training is found finished
    for one, other in zip((again, *again.others), runs, strict=True):
        np.testing.assert_array_equal(one.valid_logits, other.valid_logits)


def test_a_training_that_did_not_stay_finite_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tune_module.train_network

    def second_fails(network: Any, batches: Any, *, settings: Any, **given: Any) -> Any:
        history = real(network, batches, settings=settings, **given)
        return history if settings.looping.seed == 0 else replace(history, stopped="non-finite")

    monkeypatch.setattr(tune_module, "train_network", second_fails)
    trained = tuned(tmp_path, unfreeze=2, given={"seconds": 500.0, "epochs": 1}, most_runs=2)
    assert trained.others == ()
    assert trained.history.notes == ("1 of 2 trainings did not stay finite and cannot be averaged.",)


def test_an_unknown_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        tuned(tmp_path, head_layers="mlp:many")
    assert str(caught.value) == (
        "The head 'mlp:many' is not known. Write linear, or mlp with the widths of its layers: mlp:256 or mlp:256,128."
    )


def test_the_plan_is_announced_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fovea.learn.finetune.tune as module

    told: list[str] = []

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train_network", stop)
    wish = Tuning(unfreeze=1, given={"epochs": 1, "augment": "none"})
    with pytest.raises(KeyboardInterrupt):
        finetune(
            trainable(),
            drawn(),
            valid=drawn(16),
            class_names=NAMES,
            wish=wish,
            workspace=tmp_path,
            announce=told.append,
        )
    assert len(told) == 3 and told[2].startswith("Forecast: ")


def test_a_number_is_learned_by_its_squared_error(tmp_path: Path) -> None:
    train, valid = drawn(), drawn(16)
    targets = [Pictures(one.pixels, one.labels[:, None].astype(np.float32)) for one in (train, valid)]
    given = {"epochs": 4, "batch_size": 8, "augment": "none", "precision": "f32", "lr": 3e-3}
    trained = finetune(
        trainable(),
        targets[0],
        valid=targets[1],
        class_names=("height",),
        wish=Tuning(unfreeze=2, given=given, kind="values"),
        workspace=tmp_path,
    )
    last = trained.history.records[trained.history.best_epoch]
    error = float(np.square(trained.valid_logits - targets[1].labels).mean())
    assert last.valid_loss == pytest.approx(error, rel=1e-3)
    assert last.valid_accuracy == pytest.approx(
        1 - error / 0.25, abs=1e-3
    )  # 0.25: the variance of zeros and ones


def test_rates_fall_with_depth_and_the_head_is_slow() -> None:
    headed, _ = add_head(trainable(), class_names=NAMES)
    groups = rate_groups(headed, trainable().blocks)
    rates = {group.name: group.lr_factor for group in groups}
    expected = {"head": 0.1, "layer4": 1, "layer3": 0.7, "layer2": 0.49, "layer1": 0.343, "conv1": 0.2401}
    assert rates == pytest.approx(expected)
    assert groups[-1].name == "head"
    assert sum(len(group.params) for group in groups) == len(list(headed.parameters()))


def test_muon_leaves_the_head_to_adamw() -> None:
    headed, _ = add_head(trainable(), class_names=NAMES)
    optimizers = make_optimizer(
        rate_groups(headed, trainable().blocks), settings=Optimisation(optimizer="muon")
    )
    by_adamw = [weight for group in optimizers.parts[1].param_groups for weight in group["params"]]
    assert [weight is headed.head[-1].weight for weight in by_adamw if weight.ndim > 1] == [True]


def test_what_shall_learn_must_be_one_block_or_more(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        tuned(tmp_path, unfreeze=0)
    assert str(caught.value) == (
        "--unfreeze takes the number of last blocks that shall learn, from 1 on, the name of the first, all or auto; it is 0."
    )


def test_a_block_is_unfrozen_by_its_name_and_the_closest_named(tmp_path: Path) -> None:
    assert count_unfrozen("layer3", trainable()) == 2
    with pytest.raises(InputError) as caught:
        tuned(tmp_path, unfreeze="layer33")
    assert str(caught.value) == (
        "test_resnet has no block 'layer33' (did you mean 'layer3'?). --unfreeze takes the first block that shall learn, of "
        "conv1, layer1, layer2, layer3, layer4; or how many of the last ones, all, or auto."
    )


def test_fully_connected_layers_are_unfrozen_by_the_names_of_the_papers() -> None:
    card = WeightsCard("torchvision", "alexnet", 64, (0.5,) * 3, (0.5,) * 3)
    with torch.device("meta"):
        network = build_network(card)
    blocks = (("features.10",), ("classifier.1",), ("classifier.4",), ("classifier.6",))
    alexnet = Trainable(network, card, "classifier.6", blocks, ())
    assert [count_unfrozen(name, alexnet) for name in ("fc6", "fc7", "fc8")] == [3, 2, 1]


def test_where_a_network_cannot_be_cut_the_plan_says_that_all_of_it_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "find_cut", lambda *_, **__: None)
    trained = tuned(tmp_path, unfreeze=2, given={"epochs": 1})
    assert trained.is_whole
    assert trained.plan[0] == (
        "Fine-tuning test_resnet on 24 pictures, from the probe's answers: all 5 blocks learn, for the network cannot be cut "
        "below the last 2; head 'linear', augmentation 'none'."
    )


def test_with_one_view_the_plan_says_that_nothing_is_augmented(tmp_path: Path) -> None:
    trained = tuned(tmp_path, unfreeze=2, given={"epochs": 1, "augment": "standard"})
    assert not trained.is_whole
    assert trained.plan[0].endswith(
        "in 1 view a picture; head 'linear', without augmentation, for one epoch has room for one view only, the picture as it is."
    )


def test_after_the_plan_the_network_is_back_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(plan_module, "_time_step", lambda *_, **__: told.append("timed on the device") or 1.0)
    monkeypatch.setattr(Headed, "cpu", lambda self: told.append("cpu") or self)
    monkeypatch.setattr(tune_module, "train_network", lambda *_, **__: told.append("train") or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tuned(tmp_path, unfreeze=1)
    assert told == ["timed on the device", "cpu", "train"]


def test_where_nothing_is_frozen_augmenting_is_part_of_the_step_that_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def look(trial: Trial, *, settings: Training) -> float:
        assert trial.frozen_statistics
        seen.append(next(iter(trial.batches.epoch(0))).x)
        raise KeyboardInterrupt

    monkeypatch.setattr(plan_module, "time_step", look)
    for augment in ("none", "none", "flip"):
        with pytest.raises(KeyboardInterrupt):
            tuned(tmp_path, unfreeze="all", given={"augment": augment})
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])


@pytest.mark.parametrize(
    ("device", "given", "size"), [("cpu", {}, 16), ("cuda", {}, 64), ("cuda", {"batch_size": 8}, 8)]
)
def test_batches_are_larger_off_the_cpu(
    monkeypatch: pytest.MonkeyPatch, device: str, given: "dict[str, Any]", size: int
) -> None:
    monkeypatch.setattr(tune_module, "choose_machine", lambda **_: Machine(device, "f32"))
    assert settings_of(Tuning(given=given)).looping.batch_size == size


def test_stored_values_are_moved_to_the_device_and_become_float_there() -> None:
    values, weights = np.ones((4, 1, 2), np.float16), np.ones(4, np.float32)
    batches = FrozenBatches(values, np.arange(4), batch_size=2, seed=0, weights=weights, device="meta")
    batch = next(batches.epoch(0))
    assert (batch.x.device.type, batch.x.dtype, batch.y.device.type) == ("meta", torch.float32, "meta")


def test_a_row_of_blocks_that_is_frozen_whole_stays_and_the_last_layer_learns(tmp_path: Path) -> None:
    network = trainable_efficientnet()
    before = {name: tensor.clone() for name, tensor in network.network.state_dict().items()}
    wish = Tuning(unfreeze=1, given={"epochs": 1, "batch_size": 8, "augment": "none"})
    trained = finetune(network, drawn(), valid=drawn(16), class_names=NAMES, wish=wish, workspace=tmp_path)
    after = trained.network.network.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed <= {"conv_head", "bn2", "classifier"}


def trainable_efficientnet() -> Trainable:
    torch.manual_seed(0)
    card = WeightsCard("timm", "test_efficientnet", SIZE, (0.5,) * 3, (0.5,) * 3)
    network = build_network(card)
    blocks = find_blocks(network, size_px=SIZE)
    assert blocks[-1][0] == "conv_head"
    return Trainable(network, card, "classifier", blocks, (Place("bn2", "mean"),))


def test_a_learning_rate_that_was_found_is_used_and_told(tmp_path: Path) -> None:
    wish = Tuning(unfreeze=1, given={"epochs": 1, "batch_size": 8, "augment": "none"}, finds_rate=True)
    told: list[float] = []
    trained = finetune(
        trainable(),
        drawn(),
        valid=drawn(16),
        class_names=NAMES,
        wish=wish,
        workspace=tmp_path,
        on_epoch=lambda record, settings: told.append(settings.optimisation.lr or 0.0),
    )
    assert trained.rate_search is not None and trained.settings is not None
    assert told == [trained.rate_search.suggestion] == [trained.settings.optimisation.lr]
    assert trained.plan[-1] == trained.rate_search.describe()


def test_blocks_are_left_out_at_random_while_a_network_learns(tmp_path: Path) -> None:
    usual, dropped = (
        tuned(tmp_path / str(share), unfreeze="all", given={"epochs": 1, "drop_path": share})
        for share in (None, 0.5)
    )
    assert dropped.card.kwargs["network"]["kwargs"] == {"drop_path_rate": 0.5}
    assert "drop path 0.5" in dropped.plan[1]
    assert dropped.history.records[0].train_loss != usual.history.records[0].train_loss
    again = build_network(dropped.card)
    again.load_state_dict(dropped.network.state_dict())
    before = answers(dropped, drawn(16).pixels)
    np.testing.assert_allclose(before, dropped.valid_logits, atol=1e-4)  # all answer


@pytest.mark.parametrize(
    ("first", "then", "kwargs"),
    [(0.2, None, {}), (0.2, 0.0, {"drop_path_rate": 0.0}), (None, 0.1, {"drop_path_rate": 0.1}), (None, None, {})],
)  # fmt: skip
def test_the_share_that_is_left_out_is_that_of_this_training(
    first: float | None, then: float | None, kwargs: "dict[str, float]"
) -> None:
    one = with_drop_path(with_drop_path(trainable(), first), then)
    assert one.card.kwargs == kwargs
    for name, tensor in trainable().network.state_dict().items():
        assert torch.equal(one.network.state_dict()[name], tensor)


def test_a_network_without_residual_blocks_refuses_to_leave_some_out() -> None:
    card = WeightsCard("fovea", "lenet5", SIZE, (0.5,) * 3, (0.5,) * 3, class_names=NAMES)
    one = Trainable(build_network(card), card, "classifier", (("classifier",),), ())
    with pytest.raises(InputError) as caught:
        with_drop_path(one, 0.1)
    assert str(caught.value) == (
        "--drop-path: lenet5 (fovea) has no residual blocks that can be left out. Leave --drop-path out, or take another network: "
        "fovea-tiny, most of timm's, torchvision's efficientnet_b0 or convnext_tiny."
    )


def test_dense_layers_of_a_head_are_drawn_by_the_seed() -> None:
    first, again, other = (
        add_head(trainable(), class_names=NAMES, hidden=(16,), seed=seed)[0].head[0].weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_stored_values_with_other_labels_are_of_another_training() -> None:
    values = np.ones((4, 1, 2), np.float16)
    first, again, other = (
        FrozenBatches(values, np.array(labels), batch_size=2, seed=0).fingerprint
        for labels in ([0, 1, 0, 1], [0, 1, 0, 1], [1, 0, 1, 0])
    )
    assert first == again != other


def test_dropout_needs_dense_layers(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        tuned(tmp_path, given={"dropout": 0.3})
    assert str(caught.value) == (
        "--dropout leaves out units of the head's dense layers, and --head linear has none. Leave it away, or give --head mlp:256 "
        "too."
    )
    assert [recipe(head).regularisation.dropout for head in ("linear", "mlp:16")] == [None, 0.2]
