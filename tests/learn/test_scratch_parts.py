"""Recipes, planning, batches and optimisers of training from scratch; and what they need of the loop's settings."""

import importlib.util
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.errors import InputError
from fovea.learn.augment import Looks, augmentation, normalise
from fovea.learn.scratch import Making, library_of, recipe, size_for
from fovea.learn.scratch.batches import AlternatingBatches, Preparing, half_mirrored
from fovea.learn.scratch.muon import NormalisedMuon, fast_optimizers, orthogonal
from fovea.learn.scratch.networks import make_network, smallest_px
from fovea.learn.scratch.planning import Plan, plan_training
from fovea.learn.training import ArrayBatches, Looping, Optimisation, Training, check_settings, overridden
from fovea.learn.training.losses import usual_criterion
from fovea.learn.training.planned import TooLittleTimeError
from fovea.learn.training.schedules import schedule_factor
from fovea.learn.training.step import Goal
from fovea.learn.training.timing import Trial
from fovea.nets.classic import CLASSICS, build_classic


@pytest.fixture
def _libraries() -> None:
    if not all(importlib.util.find_spec(name) for name in ("torchvision", "timm")):
        pytest.skip("the extra 'torch' is not installed")


@pytest.mark.parametrize("net", [*CLASSICS, "alexnet", "vgg16", "resnet50", "densenet121", "timm:test_vit"])
def test_every_recipe_can_be_used(net: str) -> None:
    settings = recipe(net, n_pictures=50_000)
    check_settings(settings)
    assert settings.looping.epochs >= 1
    assert settings.looping.batch_size >= 16


def test_fewer_pictures_get_more_epochs_and_smaller_batches() -> None:
    many, few = (recipe("fast", n_pictures=n).looping for n in (50_000, 2_000))
    assert few.epochs == pytest.approx(5 * many.epochs, abs=1)  # the root of 25
    assert few.batch_size == 100


def test_what_is_given_replaces_the_recipe_field_by_field() -> None:
    settings = overridden(recipe("lenet5", n_pictures=50_000), {"epochs": 3, "smoothing": 0.3})
    assert settings.looping.epochs == 3
    assert settings.regularisation.smoothing == 0.3
    assert settings.optimisation == recipe("lenet5", n_pictures=50_000).optimisation


def test_another_optimizer_forgets_the_rate_of_the_first() -> None:
    held = Training(Optimisation("muon", lr=0.24, weight_decay=0.0))
    assert overridden(held, {"optimizer": "adam"}).optimisation.lr is None
    assert overridden(held, {"optimizer": "adam", "lr": 0.5}).optimisation.lr == 0.5
    assert overridden(held, {"optimizer": "muon"}).optimisation.lr == 0.24


def test_an_unknown_setting_and_an_unusable_value_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^there is no setting 'epoch'$"):
        overridden(Training(), {"epoch": 3})
    with pytest.raises(InputError, match=r"^The setting epochs must be 1 or more; it is 0\.$"):
        overridden(Training(), {"epochs": 0})


def test_what_only_a_schedule_of_steps_has_is_refused_elsewhere() -> None:
    with pytest.raises(InputError) as caught:
        overridden(Training(), {"gamma": 0.5, "step_size": 3})
    assert str(caught.value) == (
        "gamma and step_size: of the schedule 'step' alone, and this one is 'cosine'. Add --schedule step, or leave them away."
    )
    assert overridden(Training(), {"gamma": 0.5, "schedule": "step"}).optimisation.gamma == 0.5


def test_the_linear_schedule_rises_and_falls_to_nothing() -> None:
    settings = Optimisation(schedule="linear", warmup=0.2)
    factors = [schedule_factor(step, n_steps=10, steps_per_epoch=10, settings=settings) for step in range(11)]
    assert factors == pytest.approx([1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0])


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (8, 8)])
def test_orthogonal_brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert 0.3 < values.min() < values.max() < 1.4  # Jordan 2024: about 0.7 to 1.2 after five steps
    assert torch.nn.functional.cosine_similarity(found.flatten(), (left @ right).flatten(), dim=0) > 0.95


def test_filters_move_by_the_rate_from_their_normalised_place() -> None:
    weight = torch.nn.Parameter(torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0)))
    before = weight.detach().clone()
    weight.grad = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    NormalisedMuon([{"params": [weight], "lr": 0.1}], momentum=0.6).step()
    started = before * 2 / before.norm()  # sqrt(4) over the norm
    moved = (started - weight.detach()).reshape(4, -1)
    torch.testing.assert_close(moved, 0.1 * orthogonal(weight.grad.reshape(4, -1)), atol=5e-3, rtol=0)


def test_filters_go_to_muon_and_the_rest_to_nesterov() -> None:
    network = build_classic("fast", n_classes=3, size_px=12)
    made = fast_optimizers(network, lr=0.24, momentum=0.6, batch_size=2000)
    told = {group["name"]: (len(group["params"]), group["base_lr"]) for group in made.param_groups}
    # Six convolutions learn; the whitening's bias and six shifts; one classifier. Rates: the paper's, times its batch.
    assert told == {
        "filters": (6, 0.24),
        "shifts": (7, pytest.approx(2000 * 0.053)),
        "classifier": (1, pytest.approx(2000 * 0.67)),
    }


def alternating(*, may_mirror: bool = True) -> tuple[np.ndarray, AlternatingBatches, list[int]]:
    """Return 8 pictures whose first column says their number (the others are 200), their batches, and epochs begun."""
    pixels = np.full((8, 4, 4, 1), 200, np.uint8)
    pixels[:, :, 0, 0] = np.arange(8)[:, None]
    augmenting = augmentation("light", looks=Looks(may_mirror=may_mirror))
    augmenting.strengths.pop("shift")
    preparing = Preparing(augmenting, normalise((0.0,), (1 / 255,)), alternates=True)
    sides = half_mirrored(pixels, seed=0) if preparing.mirrors else pixels
    batches = ArrayBatches(sides, np.arange(8), batch_size=4, seed=0, prepare=preparing)
    begun: list[int] = []
    return pixels, AlternatingBatches(batches, preparing=preparing, begin=begun.append), begun


def mirrored_in(batches: AlternatingBatches, number: int) -> set[int]:
    return {
        int(y)
        for batch in batches.epoch(number)
        for x, y in zip(batch.x, batch.y, strict=True)
        if x[0, 0, 0] == 200
    }


def test_a_keras_file_is_trained_alike_whatever_its_name() -> None:
    told = {
        name: recipe(name, n_pictures=50_000) for name in ("vgg_small.keras", "./resnet50.keras", "own.keras")
    }
    assert told["vgg_small.keras"] == told["./resnet50.keras"] == told["own.keras"]
    assert told["own.keras"].regularisation.dropout is None


def test_every_picture_is_mirrored_in_every_second_epoch() -> None:
    _, batches, begun = alternating()
    first, second, third = (mirrored_in(batches, number) for number in range(3))
    assert first | second == set(range(8))
    assert not first & second
    assert 0 < len(first) < 8
    assert third == first
    assert begun == [0, 1, 2]


def test_pictures_that_may_not_be_mirrored_never_are() -> None:
    _, batches, _ = alternating(may_mirror=False)
    assert mirrored_in(batches, 0) == mirrored_in(batches, 1) == set()


def planned(
    seconds: float | None,
    *,
    batch_size: int = 10,
    n_pictures: int = 50,
    begun: int = 0,
    tried: int = 0,
    short: float = 0.0,
    n_sharing: int = 1,
) -> Plan:
    batches = ArrayBatches(np.zeros((10, 2), np.float32), np.zeros(10, np.int64), batch_size=10, seed=0)
    return plan_training(
        Trial(torch.nn.Linear(2, 2), batches, Goal("class", usual_criterion("class", smoothing=0.0))),
        settings=Training(looping=Looping(epochs=9, batch_size=batch_size, seconds=seconds)),
        n_pictures=n_pictures,
        n_scored=10,
        n_answered=40,
        n_tried=tried,
        planned=begun,
        wish=Making(short=short, n_sharing=n_sharing),
    )


def test_a_budget_without_room_for_twenty_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 0.2)
    with pytest.raises(TooLittleTimeError) as caught:
        planned(43.0, n_pictures=500)  # 39.56 of them planned for; 20 steps of 10 and two answers take 43.3
    assert str(caught.value) == (
        "43 s of the budget are left, too few to train from scratch: 20 steps take 43 s here. Raise --budget by 49 s or more, "
        "or take a smaller network (--net)."
    )


@pytest.mark.parametrize(("n_sharing", "lacking", "advised"), [(1, 19, 51), (2, 38, 101)])
def test_a_budget_that_the_rest_of_the_run_takes_is_refused_with_one_that_is_enough(
    monkeypatch: pytest.MonkeyPatch, n_sharing: int, lacking: int, advised: int
) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 0.2)
    with pytest.raises(TooLittleTimeError) as caught:
        planned(1.0, short=20.0, n_sharing=n_sharing)  # 19 lack, 5 steps of 10 and two answers take 13.3
    assert str(caught.value) == (
        f"The budget is {lacking} s short of what reading the pictures, converting the network and the report take, and 5 steps "
        "of training from scratch take 13 s on top of that here. "
        f"Raise --budget by {advised} s or more, or take a smaller network (--net)."
    )
    assert planned(advised / n_sharing - 19).settings.looping.epochs is not None


def test_nothing_is_begun_where_nothing_is_left_however_fast_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 1e-9)
    with pytest.raises(TooLittleTimeError, match=r"^The budget is 1 s short of "):
        planned(1.0, short=1.5)
    assert planned(1.0, short=1.5, begun=5).settings.looping.epochs == 5  # what was begun goes on


def test_a_budget_with_room_for_less_than_an_epoch_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 0.2)
    plan = planned(60.0, n_pictures=500)
    assert plan.settings.looping.epochs == 1
    # 40 are answered at the end, 10 after the epoch, each a third of 0.2 s; of 0.97 x 60 s the rest trains, 500 take 100 s
    assert plan.settings.looping.seconds == pytest.approx(58.2 - 40 / 15)
    assert plan.share == pytest.approx((58.2 - 40 / 15 - 10 / 15) / 100)


def test_the_last_of_few_epochs_is_ended_by_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 0.2)
    plan = planned(50.0)  # 46 s less the end's 2.67 hold 4.06 epochs of 10.67: the part is not begun
    assert (plan.settings.looping.epochs, plan.share) == (4, 1.0)
    assert plan.settings.looping.seconds == pytest.approx(50 - 8 / 3)  # the end's are kept
    plan = planned(54.0)  # 4.41
    assert plan.settings.looping.epochs == 5
    assert plan.settings.looping.seconds == pytest.approx(0.97 * 54 - 8 / 3)
    assert plan.share == pytest.approx((0.97 * 54 - 8 / 3 - 5 * 2 / 3) / 10 - 4)
    assert plan.seconds == pytest.approx(0.97 * 54)


def test_a_search_for_a_rate_is_planned_for_and_takes_its_time_off_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 0.2)
    plan = planned(61.0, tried=50)  # 56.12 s less the end's 2.67 and the search's 10 hold 4.07 epochs
    assert plan.settings.looping.epochs == 4
    assert plan.settings.looping.seconds == pytest.approx(61 - 8 / 3)
    assert plan.seconds == pytest.approx(4 * (10 + 2 / 3) + 10 + 8 / 3)


def test_many_epochs_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 0.2)
    plan = planned(104.0)  # 95.68 s less the end's 2.67 hold 8.72 epochs
    assert plan.settings.looping.epochs == 8
    assert plan.settings.looping.seconds == pytest.approx(104 - 8 / 3)


def test_what_was_begun_with_a_part_of_an_epoch_goes_on_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 0.2)
    plan = planned(40.0, begun=5)  # 3.2 epochs are left time for, five were planned
    assert plan.settings.looping.epochs == 5
    assert plan.settings.looping.seconds == pytest.approx(0.97 * 40 - 8 / 3)


def test_a_batch_larger_than_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.free_bytes", lambda device: 10_000)
    with pytest.raises(
        InputError, match=r"^A batch of 1,000,000 pictures would need .* Use --batch-size \d+ or less\.$"
    ):
        planned(None, batch_size=2_000_000, n_pictures=1_000_000)  # never more than there are


@pytest.mark.parametrize(
    ("seconds", "epochs"),
    [
        (None, 9),  # no budget: what the settings say
        (1000.0, 9),  # enough for more, but no more than they say
        # An epoch: 50 pictures at 0.2 s, 10 scored at a third of that: 10.67 s. The end: 40 answers, 2.67 s. Planned for are
        # 92 %: 46 s hold 4 epochs.
        (50.0, 4),
    ],
)
def test_a_budget_bounds_the_epochs(
    monkeypatch: pytest.MonkeyPatch, seconds: float | None, epochs: int
) -> None:
    monkeypatch.setattr("fovea.learn.scratch.planning.time_step", lambda *_, **__: 0.2)
    plan = planned(seconds)
    assert plan.settings.looping.epochs == epochs
    assert plan.seconds == pytest.approx(epochs * (10 + 2 / 3) + 8 / 3)


@pytest.mark.usefixtures("_libraries")
@pytest.mark.parametrize(
    ("net", "expected"),
    [
        ("lenet5", ("fovea", "lenet5")),
        ("resnet20", ("fovea", "resnet20")),
        ("resnet50", ("torchvision", "resnet50")),
        ("vgg16", ("torchvision", "vgg16")),
        ("test_resnet", ("timm", "test_resnet")),
        ("timm:resnet18", ("timm", "resnet18")),
    ],
)
def test_names_find_their_library(net: str, expected: tuple[str, str]) -> None:
    assert library_of(net) == expected


@pytest.mark.usefixtures("_libraries")
def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InputError,
        match=r"^There is no network 'lenet55' \(did you mean 'lenet5'\?\)\. Of our own there are mlp",
    ):
        library_of("lenet55")


@pytest.mark.usefixtures("_libraries")
@pytest.mark.parametrize(
    ("net", "said"),
    [
        (
            "tim:resnet18",
            "--net is 'tim:resnet18': there is no library 'tim' (did you mean 'timm'?). Known are timm, torchvision: timm:NAME, "
            "for example.",
        ),
        (
            "mlp:300",
            "--net is 'mlp:300': nothing stands behind the name of 'mlp'. Write --net mlp --hidden 300.",
        ),
        ("no.keras", "There is no Keras model at 'no.keras'. Check the path after --net."),
        (
            "timm:resnet19",
            "timm has no network 'resnet19' (did you mean 'resnet18'?). It says which it has by timm.list_models().",
        ),
        (
            "torchvision:ResNt18",
            "torchvision has no network 'ResNt18' (did you mean 'resnet18'?). It says which it has by "
            "torchvision.models.list_models().",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(net: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        library_of(net)
    assert str(caught.value) == said


@pytest.mark.usefixtures("_libraries")
@pytest.mark.parametrize(
    ("net", "side_px", "expected"),
    [
        ("lenet5", 28, 28),
        ("lenet5", 8, 28),  # too small: the usual size
        ("mlp", 8, 8),
        ("bncnn", 500, 32),
        ("fast", 32, 32),
        ("resnet18", 300, 224),
        ("resnet18", 32, 32),
        ("inception_v3", 32, 75),  # the least that its five halvings leave something of
        ("inception_v3", 300, 299),
    ],
)
def test_pictures_come_at_the_size_that_suits_the_network(net: str, side_px: int, expected: int) -> None:
    assert size_for(net, side_px=side_px) == expected


def test_the_smallest_input_is_found() -> None:
    # 5 - 3 + 1 = 3, pooled to 1: 5 px and no less.
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.MaxPool2d(3))
    assert smallest_px(network, at_most=50) == 5


@pytest.mark.usefixtures("_libraries")
def test_a_named_network_refuses_pictures_that_are_too_small() -> None:
    grey = (0.5, 0.5, 0.5)
    with pytest.raises(InputError) as caught:
        make_network("alexnet", class_names=("a", "b"), size_px=32, mean=grey, std=grey, options={}, seed=0)
    assert str(caught.value) == (
        "Pictures of 32 x 32 px are smaller than the smallest input of 'alexnet', 63 px. Enlarge them to 63 px or more, or "
        "take --net mlp, which takes any size."
    )


@pytest.mark.usefixtures("_libraries")
def test_an_option_that_a_named_network_lacks_is_refused() -> None:
    grey = (0.5, 0.5, 0.5)
    with pytest.raises(
        InputError, match=r"^The network 'resnet18' of torchvision has no dropout: leave out --dropout"
    ):
        make_network(
            "resnet18", class_names=("a",), size_px=32, mean=grey, std=grey, options={"dropout": 0.5}, seed=0
        )


def test_roots_of_fewer_pictures_end_at_twelve_times_the_epochs() -> None:
    base = recipe("mlp", n_pictures=50_000).looping.epochs
    assert recipe("mlp", n_pictures=10).looping.epochs == 12 * base
    assert math.isclose(recipe("mlp", n_pictures=50_000 // 4).looping.epochs, 2 * base)


@pytest.mark.usefixtures("_libraries")
def test_stochastic_depth_reaches_a_network_of_timms() -> None:
    grey = (0.5, 0.5, 0.5)
    made = make_network(
        "timm:resnet18",
        class_names=("a",),
        size_px=64,
        mean=grey,
        std=grey,
        options={"drop_path": 0.2},
        seed=0,
    )
    assert made.card.kwargs["drop_path_rate"] == 0.2
    assert any(type(module).__name__ == "DropPath" for module in made.network.modules())
