"""What is advised: nothing that is so already, that does nothing, or that would be refused; to `fovea.fit` in its own words."""

from typing import Any

import pytest

from fovea.judge.advice import (
    allow_more_seconds,
    change_rate,
    compute_exactly,
    learn_less_by_heart,
    learn_more,
    let_gradients_through,
    let_units_live,
    shorten_gradients,
    together,
    train_longer,
)

MODULE = {"is_module": True}


@pytest.mark.parametrize(("clip", "told"), [(None, "--clip 1"), (5.0, "--clip 1"), (1.0, ""), (0.5, "")])
def test_a_limit_on_gradients_is_advised_where_there_is_none(clip: float | None, told: str) -> None:
    assert shorten_gradients({"clip": clip}) == told


@pytest.mark.parametrize(
    ("precision", "told"), [("bf16", "--compute f32"), ("f16", "--compute f32"), ("f32", "")]
)
def test_float32_is_advised_under_the_commands_own_name(precision: str, told: str) -> None:
    assert compute_exactly({"precision": precision}) == told


@pytest.mark.parametrize(
    ("used", "told"),
    [
        ({}, "--augment strong --dropout 0.2, or more pictures"),
        ({"dropout": None}, "--augment strong, or more pictures"),
        ({"augment": "strong", "dropout": 0.4}, "--dropout 0.5, or more pictures"),
        ({"augment": "strong", "dropout": 0.5}, "--mixup 0.2 --weight-decay 0.05, or more pictures"),
        ({"augment": "strong", "dropout": None, "cutmix": 1.0}, "--weight-decay 0.05, or more pictures"),
        ({"augment": "strong", "dropout": None, "weight_decay": 0.05}, "--mixup 0.2, or more pictures"),
        ({"augment": "strong", "dropout": None, "optimizer": "nesterov"}, "--mixup 0.2, or more pictures"),
        (
            {"augment": "strong", "dropout": None, "optimizer": "muon", "net": "fast"},
            "--mixup 0.2, or more pictures",
        ),
        ({"augment": "strong", "dropout": None, "mixup": 0.2, "weight_decay": 0.1}, "more pictures"),
    ],
)
def test_against_learning_by_heart_what_is_not_so_already(used: dict[str, Any], told: str) -> None:
    assert learn_less_by_heart(used) == told


def test_all_is_not_to_be_unfrozen_where_it_is() -> None:
    assert learn_more({"is_whole": True}) == "a larger network (--backbone)"


def test_a_keras_model_gets_no_first_weights_of_ours() -> None:
    used = {"net": "mine.keras", "has_activation": False, "has_init": False}
    assert let_gradients_through(used) == "a network with shortcuts: --net resnet20"


def test_a_module_is_advised_in_keywords_of_fit() -> None:
    used = {**MODULE, "clip": None, "precision": "bf16", "lr": 0.1}
    steps = change_rate(used, [], 0.1), shorten_gradients(used), compute_exactly(used)
    assert together(used, *steps) == "a learning rate of 0.01, clip=1, compute='f32'"
    assert (train_longer(used, 20), allow_more_seconds(used)) == ("epochs=20", "more seconds")
    assert learn_less_by_heart(used, n_epochs=3) == (
        "epochs=3, mixup=0.2, more dropout in the module, stronger augmentation in the loaders, or more pictures"
    )


def test_no_rate_is_found_for_a_module_whose_rate_is_far_off() -> None:
    assert change_rate({**MODULE, "lr": 1e6}, [], 0.1) == "a learning rate of 1"


def test_nothing_advised_to_a_module_is_an_option_of_the_command() -> None:
    told = [
        learn_more(MODULE),
        let_units_live(MODULE),
        let_gradients_through(MODULE),
        change_rate(MODULE, [], 0.1),
    ]
    assert all(told) and not any("--" in one for one in told)
