"""Settings: plain values, checked with the closest name, and free of torch."""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import pytest

from fovea.errors import InputError
from fovea.learn.training import Looping, Optimisation, Regularisation, Training, check_settings


def test_an_unknown_optimizer_gets_the_closest_name() -> None:
    with pytest.raises(InputError) as caught:
        check_settings(Training(Optimisation(optimizer="nesterow")))
    assert str(caught.value) == (
        "There is no optimizer 'nesterow' (did you mean 'nesterov'?). There are: sgd, momentum, nesterov, adagrad, adadelta, "
        "rmsprop, adam, adamw, muon."
    )


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        check_settings(Training(Optimisation(optimizer="nesterov", momentum=0.0)))
    assert str(caught.value) == (
        "The optimiser 'nesterov' looks ahead along its momentum, and the setting momentum is 0. Give it one (0.9), or take "
        "the optimiser 'sgd'."
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            Training(Optimisation(schedule="cosinus")),
            "There is no schedule 'cosinus' (did you mean 'cosine'?). ",
        ),
        (Training(looping=Looping(precision="fp16")), "There is no compute 'fp16' (did you mean 'f16'?). "),
        (
            Training(looping=Looping(precision=0.98)),  # type: ignore[arg-type]
            "There is no compute 0.98. There are: auto, f32, bf16, f16.",
        ),
        (Training(Optimisation(lr=0.0)), "The setting lr must be above 0; it is 0.0."),
        (Training(Optimisation(lr=float("nan"))), "The setting lr must be above 0; it is nan."),
        (Training(Optimisation(warmup=1.0)), "The setting warmup must be from 0 to below 1; it is 1.0."),
        (Training(Optimisation(step_size=0)), "The setting step_size must be 1 or more; it is 0."),
        (
            Training(regularisation=Regularisation(dropout=1.5)),
            "The setting dropout must be from 0 to below 1; it is 1.5.",
        ),
        (
            Training(regularisation=Regularisation(drop_path=1.0)),
            "The setting drop_path must be from 0 to below 1; it is 1.0.",
        ),
        (Training(regularisation=Regularisation(mixup=-1)), "The setting mixup must be 0 or more; it is -1."),
        (Training(looping=Looping(epochs=0)), "The setting epochs must be 1 or more; it is 0."),
        (
            Training(looping=Looping(batch_size=-1)),
            "The setting batch_size must be 1 or more, or 0 for all pictures; it is -1.",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_named(wrong: Training, said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_settings(wrong)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("value", [0, 1, 100])
def test_batch_sizes_one_many_and_all_can_be_used(value: int) -> None:
    check_settings(Training(looping=Looping(batch_size=value)))


def test_settings_survive_json() -> None:
    held: dict[str, Any] = json.loads(json.dumps(asdict(Training())))
    again = Training(
        Optimisation(**held["optimisation"]),
        Regularisation(**held["regularisation"]),
        Looping(**held["looping"]),
    )
    assert again == Training()


def test_the_package_is_imported_without_torch() -> None:
    code = "import sys, fovea.learn.training; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
