"""What cannot be trained is refused before any picture is read: unknown names, settings that nothing reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fovea
from fovea.errors import InputError
from fovea.tasks.options import BackboneOptions, TrainingOptions, configure
from fovea.tasks.train.check import check_training, check_wishes
from fovea.tasks.train.train import train

torch = pytest.importorskip("torch")

SCRATCH = {"method": "scratch", "net": "lenet5"}
OPTIMIZERS = "sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, adamw, muon"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {**SCRATCH, "optimizer": "adm"},
            f"There is no optimizer 'adm' (did you mean 'adam'?). There are: {OPTIMIZERS}.",
        ),
        (
            {"method": "finetune", "schedule": "cosin"},
            "There is no schedule 'cosin' (did you mean 'cosine'?). There are: constant, step, linear, cosine, one-cycle.",
        ),
        (
            {**SCRATCH, "activation": "relo"},
            "There is no activation 'relo' (did you mean 'relu'?). There are: relu, logistic, tanh, leaky, elu, gelu, silu, none.",
        ),
        (
            {"method": "scratch", "net": "resnet20", "dropout": 0.3},
            "The network 'resnet20' has no dropout: leave it out, or take a network that has it, such as mlp, highway, lenet5, "
            "bncnn.",
        ),
        (
            {"method": "scratch", "net": "torchvision:resnet18", "dropout": 0.3},
            "The network 'resnet18' of torchvision has no dropout: leave out --dropout, or take another network.",
        ),
        (
            {"method": "scratch", "net": "lenet5", "hidden": (300,)},
            "The network 'lenet5' has no hidden: leave it out, or take a network that has it, such as mlp, bncnn.",
        ),
        (
            {"method": "auto", "dropout": 0.3, "drop_path": 0.1},
            "--dropout: nothing that --method auto trains by itself has layers for this. Name a network that has, such as --net "
            "lenet5, give a --head with dense layers, or leave it out.",
        ),
        ({**SCRATCH, "smoothing": 1.0}, "The setting smoothing must be from 0 to below 1; it is 1.0."),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_before_pictures_are_read(settings: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        train("nowhere", out="run", **settings)
    assert str(caught.value) == said


def test_what_a_student_is_not_to_be_is_refused_before_its_teacher_is_read() -> None:
    with pytest.raises(InputError) as caught:
        fovea.distil("nobody", "nowhere", out="run", net="lenet5", optimizer="adm")
    assert (
        str(caught.value) == f"There is no optimizer 'adm' (did you mean 'adam'?). There are: {OPTIMIZERS}."
    )


@pytest.mark.parametrize(
    ("settings", "begins"),
    [
        ({"method": "finetune", "head": "mpl:256"}, "'mpl:256'"),
        ({"method": "scratch", "net": "lenet6"}, "There is no network 'lenet6' (did you mean 'lenet5'?)"),
        ({"method": "auto", "net": "lenet6"}, "There is no network 'lenet6' (did you mean 'lenet5'?)"),
        ({**SCRATCH, "init": "hee"}, "There is no init 'hee' (did you mean 'he'?)"),
        ({**SCRATCH, "augment": "flp"}, "There is no augmentation 'flp'. Did you mean 'flip'?"),
    ],
)
def test_unknown_names_of_parts_are_refused_too(settings: Any, begins: str) -> None:
    with pytest.raises(InputError) as caught:
        check_wishes(configure(TrainingOptions, settings))
    assert begins in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {**SCRATCH, "momentum": 0.8},
            "--momentum changes nothing of the optimizer 'adamw'. Leave it out, or give --optimizer momentum, nesterov or rmsprop.",
        ),
        (
            {**SCRATCH, "optimizer": "muon", "momentum": 0.8},
            "--momentum changes nothing of the optimizer 'muon'. Leave it out, or give --optimizer momentum, nesterov or rmsprop.",
        ),
        (
            {**SCRATCH, "warmup": 0.1},
            "--warmup changes nothing of the schedule 'one-cycle', which has its own. Leave it out, or give another --schedule.",
        ),
        (
            {"method": "scratch", "net": "fast", "weight_decay": 0.1},
            "--weight-decay changes nothing of --net fast with the optimizer 'muon'. Leave it out, or give another --optimizer.",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_changes_nothing_is_refused(settings: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_wishes(configure(TrainingOptions, settings))
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "settings",
    [
        {**SCRATCH, "optimizer": "nesterov", "momentum": 0.8},
        {"method": "scratch", "net": "fast", "momentum": 0.8},
        {"method": "auto", "momentum": 0.8, "warmup": 0.1, "weight_decay": 0.1},
        {"method": "auto", "head": "mlp:64", "dropout": 0.3},
        {"method": "auto", "net": "lenet5", "dropout": 0.3},
        {**SCRATCH, "schedule": "cosine", "warmup": 0.1},
        {"method": "probe"},
    ],
)
def test_a_setting_that_some_training_reads_is_taken(settings: Any) -> None:
    check_wishes(configure(TrainingOptions, settings))


def test_a_backbone_beside_a_network_from_scratch_is_refused() -> None:
    backbone = BackboneOptions(backbone="resnet18", weights=Path("a"), stages=("b",), engine="torch", views=2)
    with pytest.raises(InputError) as caught:
        check_training(configure(TrainingOptions, SCRATCH), backbone=backbone)
    assert str(caught.value) == (
        "--backbone, --weights, --stage, --engine, --views: these are of a backbone, and --method scratch trains a network from "
        "random weights without one. Leave them out, or add --method finetune instead."
    )


def test_first_weights_without_a_network_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        check_training(configure(TrainingOptions, {"method": "auto", "init": "he"}))
    assert str(caught.value) == (
        "--init: these are of a network that learns from random weights. Name it too, for example --net lenet5, or leave them out."
    )


def test_torch_keeps_to_the_threads_that_are_given(
    tmp_path: Path, draw_class: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_: object, **__: object) -> None:
        raise InterruptedError(torch.get_num_threads())

    for number in range(4):
        draw_class(tmp_path / "photos" / "ab"[number % 2], "dots", number)
    monkeypatch.setattr("fovea.tasks.train.train._learn", look)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    with pytest.raises(InterruptedError, match=r"^2$"):
        train(tmp_path / "photos", out=tmp_path / "run", threads=2, **SCRATCH)
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)
