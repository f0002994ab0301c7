"""Training from scratch, end to end on small drawn pictures."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.errors import InputError
from fovea.learn.augment import normalise
from fovea.learn.scratch import Making, recipe, scratch
from fovea.learn.scratch.answers import answer
from fovea.learn.scratch.assembly import Assembly, _leaves_few, assemble
from fovea.learn.scratch.networks import Made, make_network, require_size
from fovea.learn.trained import Pictures, Trained
from fovea.learn.training import overridden
from fovea.learn.training.processes import Processes
from fovea.nets.classic import MultiView
from fovea.nets.weights import WeightsCard
from fovea.nets.zoo import build_network
from fovea.progress import Progress, silent

GIVEN = {"epochs": 4, "batch_size": 16, "precision": "f32", "device": "cpu"}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def drawn(n: int, *, seed: int, size_px: int = 12, is_grey: bool = True) -> Pictures:
    """Return pictures of a bright left (0) or upper (1) half, and noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    pixels = rng.normal(100, 20, (n, size_px, size_px, 1 if is_grey else 3))
    pixels[labels == 0, :, : size_px // 2] += 80
    pixels[labels == 1, : size_px // 2] += 80
    return Pictures(np.broadcast_to(pixels.clip(0, 255), (n, size_px, size_px, 3)).astype(np.uint8), labels)


def plan_of(tmp_path: Path, net: str, wish: Making, *, n: int = 64, is_grey: bool = True) -> list[str]:
    """Return the first two sentences of a plan; the training is interrupted before it begins."""
    told: list[str] = []

    def stop(sentence: str) -> None:
        told.append(sentence)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scratch(
            net,
            drawn(n, seed=0, is_grey=is_grey),
            valid=drawn(20, seed=1, is_grey=is_grey),
            class_names=("left", "upper"),
            wish=wish,
            workspace=tmp_path,
            announce=stop,
        )
    return told


def run(
    tmp_path: Path,
    net: str,
    *,
    given: dict[str, object] | None = None,
    is_grey: bool = True,
    finds_rate: bool = False,
    **options: object,
) -> Trained:
    return scratch(
        net,
        drawn(64, seed=0, is_grey=is_grey),
        valid=drawn(20, seed=1, is_grey=is_grey),
        class_names=("left", "upper"),
        wish=Making(GIVEN | (given or {}), options, finds_rate=finds_rate),
        workspace=tmp_path,
    )


@pytest.mark.parametrize("net", ["lenet5", "mlp", "fast", "resnet8"])
def test_a_network_learns_what_was_drawn(tmp_path: Path, net: str) -> None:
    trained = run(tmp_path, net, given={"augment": "none"})
    labels = np.arange(20) % 2
    assert (trained.valid_logits.argmax(1) == labels).mean() >= 0.9


def test_the_card_builds_the_trained_network_again(tmp_path: Path) -> None:
    trained = run(tmp_path, "fast", is_grey=False)
    again = build_network(trained.card)
    again.load_state_dict(trained.network.state_dict())
    enter = normalise(trained.card.mean, trained.card.std)
    found = answer(again, drawn(20, seed=1, is_grey=False).pixels, normalise=enter)
    np.testing.assert_allclose(found, trained.valid_logits, atol=1e-5)


def test_grey_pictures_get_a_network_of_one_channel_that_takes_three(tmp_path: Path) -> None:
    trained = run(tmp_path, "lenet5", given={"epochs": 1})
    assert trained.card.kwargs["in_channels"] == 1
    assert len(set(trained.card.mean)) == len(set(trained.card.std)) == 1
    enter = normalise(trained.card.mean, trained.card.std)
    found = answer(trained.network, drawn(20, seed=1).pixels, normalise=enter)
    np.testing.assert_allclose(found, trained.valid_logits, atol=1e-5)


def test_the_fast_network_answers_over_views(tmp_path: Path) -> None:
    trained = run(tmp_path, "fast", given={"epochs": 1, "augment": "light"}, is_grey=False)
    assert isinstance(trained.network, MultiView)
    assert trained.card.kwargs["views"] == {"mirror": True, "shift_px": 1}
    assert isinstance(trained.network.get_submodule(trained.classifier), torch.nn.Linear)


def test_views_can_be_asked_for_and_left_out(tmp_path: Path) -> None:
    assert isinstance(
        run(tmp_path, "mlp", given={"epochs": 1}, views={"mirror": False, "shift_px": 1}).network, MultiView
    )
    assert not isinstance(run(tmp_path, "fast", given={"epochs": 1}, views={}).network, MultiView)


def test_a_network_of_torchvision_is_built_again_from_its_card(tmp_path: Path) -> None:
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("the extra 'torch' is not installed")
    trained = run(tmp_path, "resnet18", given={"epochs": 1, "batch_size": 32})
    assert (trained.card.library, trained.card.architecture, trained.classifier) == (
        "torchvision",
        "resnet18",
        "fc",
    )
    again = build_network(trained.card)
    again.load_state_dict(trained.network.state_dict())
    enter = normalise(trained.card.mean, trained.card.std)
    found = answer(again, drawn(20, seed=1).pixels, normalise=enter)
    np.testing.assert_allclose(found, trained.valid_logits, atol=1e-4)


def test_the_same_seed_gives_the_same_answers(tmp_path: Path) -> None:
    first, second = (run(tmp_path / name, "fast", given={"epochs": 2}) for name in ("a", "b"))
    np.testing.assert_array_equal(first.valid_logits, second.valid_logits)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = run(tmp_path, "fast", given={"epochs": 2})
    second = run(tmp_path, "fast", given={"epochs": 2})
    assert second.history == first.history
    np.testing.assert_array_equal(first.valid_logits, second.valid_logits)


def test_a_slower_machine_goes_on_with_the_epochs_that_were_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 16 pictures a second: an epoch of 64, and 20 answered, takes 4.4 s; at a hundredth of that not one fits
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 1 / 16)
    first = run(tmp_path, "lenet5", given={"epochs": 100, "seconds": 60.0})
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 100 / 16)
    again = run(tmp_path, "lenet5", given={"epochs": 100, "seconds": 50.0})
    assert again.plan[1] == first.plan[1]
    assert again.history == first.history


def test_epochs_leave_time_for_what_is_answered_when_all_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 1 / 16)
    wish = Making(GIVEN | {"epochs": 100, "seconds": 60.0, "augment": "none"}, n_again=160)
    told = plan_of(tmp_path, "mlp", wish)
    # 16 pictures a second; of 55.2 s the answers to 180 take 3.75, an epoch and answers to 20 take 4.42
    assert told[1].startswith("11 epochs in batches of 16;")


@pytest.fixture
def _wide_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the wide form small, worth a try from 64 pictures on, and 2.5 times as slow as the usual one."""
    widths = (16, 24, 24)
    monkeypatch.setattr("fovea.learn.scratch.making.WIDE", widths)
    monkeypatch.setattr("fovea.learn.scratch.recipes._WIDE_PICTURES", 64)

    def time_step(trial: Any, **_: object) -> float:
        return (2.5 if trial.network.groups[-1][0].convolution.out_channels == 24 else 1.0) / 1000

    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", time_step)


@pytest.mark.usefixtures("_wide_is_quick")
@pytest.mark.parametrize(
    ("given", "options", "planned"),
    [
        # 120 epochs are the recipe's, 288 the most; an epoch takes 0.0707 s, of the wide form 0.177 s, all answers 0.02 or 0.05
        ({"seconds": 40.0}, {}, "208 epochs, wide"),
        ({"seconds": 23.5}, {}, "122 epochs, wide"),
        ({"seconds": 22.5}, {}, "288 epochs"),  # 116 of the wide form
        ({"seconds": 11.0}, {}, "142 epochs"),
        ({}, {}, "120 epochs"),
        ({"seconds": 40.0, "epochs": 130}, {}, "130 epochs"),
        ({"seconds": 40.0}, {"widths": (8, 8, 8)}, "288 epochs"),
        ({"seconds": 40.0}, {"in_channels": 1}, "288 epochs"),
    ],
)
def test_a_budget_with_room_trains_the_fast_network_longer_then_wide(
    tmp_path: Path, given: dict[str, object], options: dict[str, object], planned: str
) -> None:
    wish = Making({"batch_size": 16, "device": "cpu", "augment": "none"} | given, options)
    told = plan_of(tmp_path, "fast", wish, is_grey=False)
    is_wide = ", wide" if "widths 16,24,24" in told[0] else ""
    assert told[1].partition(" in ")[0] + is_wide == planned


@pytest.mark.parametrize(
    ("given", "told"),
    [
        # Of 2,000 pictures an epoch takes 2.007 s, all answers 0.02 s; 0.92 of the seconds are planned for
        ({"seconds": 6.0}, "3 epochs in batches of 25;"),  # 2.74, the last of which the budget ends
        ({"seconds": 8.0}, "4 epochs in batches of 100;"),  # 3.66
        ({"seconds": 6.0, "batch_size": 80}, "3 epochs in batches of 80;"),
        ({"seconds": 6.0, "epochs": 2}, "2 epochs in batches of 100;"),
    ],
)
def test_few_epochs_of_the_fast_network_have_small_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], told: str
) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 1e-3)
    wish = Making({"device": "cpu", "augment": "none"} | given)
    for _ in range(2):  # what was planned is gone on with
        assert plan_of(tmp_path, "fast", wish, n=2000, is_grey=False)[1].startswith(told)


@pytest.mark.usefixtures("_wide_is_quick")
def test_a_wide_form_that_was_planned_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.learn.scratch.recipes._MOST_TIMES", 0.1)  # an epoch, in place of 120

    def train(seconds: float, folder: str = "wide") -> Trained:
        return scratch(
            "fast",
            drawn(64, seed=0, is_grey=False),
            valid=drawn(20, seed=1, is_grey=False),
            class_names=("left", "upper"),
            wish=Making({"seconds": seconds, "batch_size": 16, "precision": "f32", "device": "cpu"}),
            workspace=tmp_path / folder,
        )

    first, again = train(60.0), train(0.15)  # in which the wide form would not have been tried
    assert first.card.kwargs["widths"] == (16, 24, 24)
    assert again.card == first.card
    assert again.history == first.history
    np.testing.assert_array_equal(again.valid_logits, first.valid_logits)
    usual, then = train(0.15, "usual"), train(60.0, "usual")
    assert "widths" not in usual.card.kwargs
    assert then.history == usual.history


@pytest.mark.usefixtures("_wide_is_quick")
def test_a_network_that_is_compared_is_not_widened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.recipes._MOST_TIMES", 0.1)
    trained = scratch(
        "fast",
        drawn(64, seed=0, is_grey=False),
        valid=drawn(20, seed=1, is_grey=False),
        class_names=("left", "upper"),
        wish=Making({"seconds": 60.0, "batch_size": 16, "device": "cpu"}, widened=False),
        workspace=tmp_path,
    )
    assert "widths" not in trained.card.kwargs


def test_a_rate_that_was_found_is_not_searched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(tmp_path, "lenet5", given={"epochs": 1}, finds_rate=True)
    monkeypatch.setattr("fovea.learn.training.rates.find_learning_rate", None)  # would fail if it were called
    again = run(tmp_path, "lenet5", given={"epochs": 1}, finds_rate=True)
    assert again.rate_search is not None and first.rate_search is not None
    assert again.rate_search.to_json() == first.rate_search.to_json()
    np.testing.assert_array_equal(again.valid_logits, first.valid_logits)


def test_an_interrupted_fast_training_ends_as_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.learn.training.state.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("fovea.learn.training.state._WRITING_SHARE", 1e9)

    def interrupt(stage: str, n_done: int, n_total: int) -> None:
        if n_done == 7:  # of 3 epochs with 4 batches each
            raise KeyboardInterrupt

    def train(folder: str, progress: Progress) -> Trained:
        return scratch(
            "fast",
            drawn(64, seed=0, is_grey=False),
            valid=drawn(20, seed=1, is_grey=False),
            class_names=("left", "upper"),
            wish=Making(GIVEN | {"epochs": 3, "augment": "light"}),
            workspace=tmp_path / folder,
            progress=progress,
        )

    with pytest.raises(KeyboardInterrupt):
        train("stopped", interrupt)
    assert (tmp_path / "stopped" / "fast.checkpoint").exists()
    np.testing.assert_array_equal(train("stopped", silent).valid_logits, train("whole", silent).valid_logits)


def test_the_whitening_of_the_fast_network_is_no_layer_that_vanishes(tmp_path: Path) -> None:
    *_, last = run(tmp_path, "fast", given={"epochs": 3}, is_grey=False).history.records
    assert next(iter(last.gradient_norms)) == "groups.0.0.convolution"
    assert len(last.gradient_norms) == 7


def test_a_set_without_a_validation_picture_is_refused(tmp_path: Path) -> None:
    pictures = drawn(64, seed=0)
    with pytest.raises(
        InputError, match=r"^No validation picture is left by which weights could be chosen: "
    ):
        scratch(
            "lenet5",
            pictures,
            valid=Pictures(pictures.pixels[:0], pictures.labels[:0]),
            class_names=("left", "upper"),
            workspace=tmp_path,
        )


def test_grey_planes_are_the_rounded_means_of_the_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.assembly._N_MEASURED", 7)  # in pieces
    pixels = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), np.uint8)
    card = WeightsCard("fovea", "lenet5", 4, (0.5,) * 3, (0.5,) * 3)
    assembly = Assembly(Made(torch.nn.Identity(), card, ""), None, None, True, None)  # type: ignore[arg-type]
    np.testing.assert_array_equal(
        assembly.planes(pixels), np.rint(pixels.astype(float).mean(3, keepdims=True))
    )


def test_a_last_batch_that_gives_a_process_one_picture_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.assembly.join_processes", lambda _: Processes(n=2))
    assert [_leaves_few(60 + left, 20, device="cpu") for left in range(5)] == [False, True, True, True, False]


def test_options_reach_the_network_and_its_card(tmp_path: Path) -> None:
    trained = run(tmp_path, "mlp", given={"epochs": 1, "dropout": 0.3}, hidden=[7], activation="logistic")
    assert trained.network.hidden[0].out_features == 7
    assert trained.card.kwargs["hidden"] == [7]
    assert trained.card.kwargs["dropout"] == 0.3


def test_pictures_smaller_than_a_networks_smallest_input_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        scratch(
            "lenet5",
            drawn(8, seed=0, size_px=8),
            valid=drawn(4, seed=1, size_px=8),
            class_names=("left", "upper"),
            workspace=tmp_path,
        )
    assert str(caught.value) == (
        "Pictures of 8 x 8 px are smaller than the smallest input of 'lenet5', 12 px. Enlarge them to 28 px or more, or take "
        "--net mlp, which takes any size."
    )


@pytest.mark.parametrize(
    ("net", "size_px", "taken"),
    [
        ("lenet5", 8, "12 px and more"),
        ("resnet32", 32, None),
        ("plain44", 3, "4 px and more"),
        ("resnet18", 288, None),
        ("densenet121", 16, "29 px and more"),
        ("timm:vit_tiny_patch16_224", 288, "224 px"),
        ("timm:vit_tiny_patch16_224", 64, "224 px"),
    ],
)
def test_a_size_that_a_network_cannot_take_is_refused(net: str, size_px: int, taken: str | None) -> None:
    if taken is None:
        require_size(net, size_px)
        return
    with pytest.raises(InputError) as refused:
        require_size(net, size_px)
    assert str(refused.value) == (
        f"--size {size_px}: {net.removeprefix('timm:')!r} takes pictures of {taken}. Leave --size out, or give one that it takes."
    )


def test_a_last_batch_of_one_picture_is_left_out(tmp_path: Path) -> None:
    trained = run(
        tmp_path, "bncnn", given={"epochs": 2, "batch_size": 21}
    )  # 64 pictures: three batches, and one alone
    assert trained.history.n_pictures_seen == 2 * 63


def test_batches_of_one_picture_are_refused_where_they_cannot_be_normalised(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, "bncnn", given={"batch_size": 1})
    assert str(caught.value) == (
        "This network has batch normalisation, which needs more than one picture a batch. Give --batch-size 2 or more, or "
        "take a network without it (--net lenet5, mlp)."
    )


def test_one_picture_a_batch_and_all_at_once_are_fine_elsewhere(tmp_path: Path) -> None:
    assert run(tmp_path / "one", "mlp", given={"epochs": 1, "batch_size": 1}).history.n_steps == 64
    assert run(tmp_path / "all", "mlp", given={"epochs": 3, "batch_size": 0}).history.n_steps == 3


def test_balanced_classes_count_alike() -> None:
    weights = Pictures(np.zeros((4, 1, 1, 3), np.uint8), np.array([0, 0, 0, 1])).class_weights
    np.testing.assert_allclose(weights, [2 / 3, 2 / 3, 2 / 3, 2])


def test_the_plan_is_announced_before_training(tmp_path: Path) -> None:
    told: list[str] = []
    scratch(
        "mlp",
        drawn(64, seed=0),
        valid=drawn(20, seed=1),
        class_names=("left", "upper"),
        wish=Making(GIVEN | {"epochs": 2, "lr": 0.01}, {"hidden": [5]}),
        workspace=tmp_path,
        progress=lambda stage, n_done, n_total: told.append(stage),
        announce=told.append,
    )
    n_weights = 144 * 5 + 5 + 5 * 2 + 2
    assert told[0] == (
        f"From scratch: mlp with {n_weights} weights, on 64 pictures of 12 x 12 px, grey; augmentation 'glyphs', nothing mirrored; "
        "activation relu, hidden 5, init torch's own."
    )
    assert told[1] == (
        "2 epochs in batches of 16; adamw at 0.01, weight decay 0.01, schedule 'one-cycle', clip 1; dropout 0.2; in f32 on cpu."
    )
    assert re.fullmatch(r"Forecast: \d+ s, \d+ MB of memory\.", told[2])
    assert told[3] == "training"
    assert re.fullmatch(
        r"epoch 1 of 2: training loss \d\.\d\d, \d+\.\d %; validation loss \d\.\d\d, \d+\.\d %; [\d,]+ pictures/s, \d+ s left",
        next(line for line in told if line.startswith("epoch")),
    )


def test_another_optimizer_gets_its_own_usual_rate_and_the_plan_says_so(tmp_path: Path) -> None:
    trained = run(tmp_path, "mlp", given={"epochs": 1, "optimizer": "sgd", "batch_size": 1000, "clip": None})
    assert trained.plan[1] == (
        "1 epoch with all 64 pictures a step; sgd at 0.1, schedule 'one-cycle'; dropout 0.2; in f32 on cpu."
    )


@pytest.mark.parametrize("batch_size", [0, 64, 5000])
def test_fast_rates_follow_the_pictures_that_a_batch_has(tmp_path: Path, batch_size: int) -> None:
    told: list[float] = []
    scratch(
        "fast",
        drawn(64, seed=0),
        valid=drawn(20, seed=1),
        class_names=("left", "upper"),
        wish=Making({**GIVEN, "epochs": 1, "batch_size": batch_size, "schedule": "constant", "warmup": 0.0}),
        workspace=tmp_path,
        on_epoch=lambda record, settings: told.append(record.lr),
    )
    assert told == [
        pytest.approx(64 * 0.67)
    ]  # the classifier's: the paper's rate a picture, at its usual 0.24


@pytest.mark.parametrize("net", ["lenet5", "fast"])
def test_a_learning_rate_that_was_found_is_used_and_told(tmp_path: Path, net: str) -> None:
    told: list[float] = []
    trained = scratch(
        net,
        drawn(64, seed=0),
        valid=drawn(20, seed=1),
        class_names=("left", "upper"),
        wish=Making({**GIVEN, "epochs": 1}, finds_rate=True),
        workspace=tmp_path,
        on_epoch=lambda record, settings: told.append(settings.optimisation.lr or 0.0),
    )
    search = trained.rate_search
    assert search is not None and trained.settings is not None
    assert trained.settings.optimisation.lr == search.suggestion
    assert told == [search.suggestion]
    assert search.describe() in trained.plan
    assert search.rates[0] < search.suggestion < search.rates[-1]


def test_a_number_is_learned_from_scratch_by_its_squared_error(tmp_path: Path) -> None:
    sides = [
        Pictures(one.pixels, 2 * one.labels[:, None].astype(np.float32) - 1)
        for one in (drawn(64, seed=0), drawn(20, seed=1))
    ]
    wish = Making({**GIVEN, "augment": "none"}, kind="values")
    trained = scratch(
        "lenet5", sides[0], valid=sides[1], class_names=("side",), wish=wish, workspace=tmp_path
    )
    error = float(np.square(trained.valid_logits - sides[1].labels).mean())
    last = trained.history.records[trained.history.best_epoch]
    assert trained.valid_logits.shape == (20, 1)
    assert error < 0.5  # 1: always answering the mean
    assert (last.valid_loss, last.valid_accuracy) == pytest.approx((error, 1 - error), abs=1e-4)


def test_several_labels_are_learned_from_scratch(tmp_path: Path) -> None:
    sides = [
        Pictures(one.pixels, np.column_stack([one.labels == 0, one.labels == 1]).astype(np.float32))
        for one in (drawn(64, seed=0), drawn(20, seed=1))
    ]
    wish = Making({**GIVEN, "augment": "none"}, kind="labels")
    trained = scratch(
        "lenet5", sides[0], valid=sides[1], class_names=("left", "upper"), wish=wish, workspace=tmp_path
    )
    assert ((trained.valid_logits > 0) == (sides[1].labels > 0.5)).mean() > 0.8


def test_a_setting_that_a_library_network_does_not_have_is_said(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    with pytest.raises(InputError) as caught:
        run(tmp_path, "resnet18", given={"dropout": 0.3})
    assert str(caught.value) == (
        "The network 'resnet18' of torchvision has no dropout: leave out --dropout, or take another network."
    )


def test_none_of_what_a_network_does_not_have_is_fine() -> None:
    pytest.importorskip("torchvision")
    made = make_network(
        "resnet18",
        class_names=("a", "b"),
        size_px=32,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        options={"dropout": 0.0},
        seed=0,
    )
    assert "dropout" not in made.card.kwargs


def test_operations_can_be_named_in_a_tuple(tmp_path: Path) -> None:
    trained = run(tmp_path, "mlp", given={"epochs": 1, "augment": ("flip", "shift")})
    assert "augmentation 'flip,shift'; " in trained.plan[0]


def test_grey_classes_in_front_do_not_make_a_set_grey() -> None:
    from fovea.learn.scratch.assembly import _is_grey

    pixels = np.full((10_000, 1, 1, 3), 7, np.uint8)
    assert _is_grey(pixels)
    pixels[5000:, :, :, 0] = 200
    assert not _is_grey(pixels)


def test_whitening_sees_classes_that_stand_one_behind_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.assembly._N_MEASURED", 64)
    one = drawn(128, seed=0)
    order = np.argsort(one.labels, kind="stable")
    made = assemble(
        "fast",
        Pictures(one.pixels[order], one.labels[order]),
        class_names=("left", "upper"),
        wish=Making(),
        settings=overridden(recipe("fast", n_pictures=128), GIVEN | {"augment": "none"}),
    )
    network: Any = made.made.network
    patches = network.whiten(network.enter(made.input_of(one.pixels))).detach()[:, :9]
    rows = patches.permute(0, 2, 3, 1).reshape(-1, 9)
    torch.testing.assert_close(rows.T @ rows / len(rows), torch.eye(9), atol=0.1, rtol=0)
