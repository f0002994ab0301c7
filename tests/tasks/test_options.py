"""What options promise: plain keywords find their place, a misspelt one is named, a share lies between 0 and 1."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import InputError
from fovea.tasks.options import (
    BackboneOptions,
    MethodOptions,
    PromiseOptions,
    SourceOptions,
    StepOptions,
    TrainingOptions,
    check_promise,
    check_share,
    configure,
)


@dataclass(frozen=True)
class Config:
    photos: Path
    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    seed: int = 0


def test_keywords_of_groups_and_of_the_config_itself_find_their_place() -> None:
    made = configure(Config, {"photos": Path("a"), "views": 4, "seed": 2})
    assert made == Config(Path("a"), BackboneOptions(views=4), 2)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^--seed is -1; give a whole number from 0 to 4,294,967,295, for example"
    ):
        configure(Config, {"photos": Path("a"), "seed": -1})


def test_a_misspelt_keyword_is_refused_with_the_closest() -> None:
    with pytest.raises(TypeError) as caught:
        configure(Config, {"photos": Path("a"), "veiws": 4})
    assert str(caught.value) == "no setting 'veiws'. Did you mean 'views'?"


def test_a_strange_keyword_is_refused_with_all_there_are() -> None:
    with pytest.raises(TypeError) as caught:
        configure(Config, {"photos": Path("a"), "xyzzy": 4})
    assert str(caught.value) == (
        "no setting 'xyzzy'. There are: backbone, compute, engine, fit, offline, photos, seed, size, stages, threads, "
        "views, weights."
    )


@dataclass(frozen=True)
class Taught:
    photos: Path
    source: SourceOptions = field(default_factory=SourceOptions)
    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)


def test_python_values_are_taken_as_on_the_command_line() -> None:
    said: dict[str, object] = {
        "unfreeze": 2,
        "budget": "10m",
        "track": "tensorboard",
        "lr": 0.1,
        "epochs": np.int64(3),
        "net": Path("a.keras"),
        "batch_size": "full",
        "hidden": [300, 100],
    }
    read = {"stages": "fc7", "drop": "cat", "merge": "kitten, kit=cat", "weights": "a.onnx", "views": 2}
    expected = Taught(
        Path("a"),
        SourceOptions(drop=("cat",), merge={"kitten": "cat", "kit": "cat"}),
        BackboneOptions(stages=("fc7",), weights=Path("a.onnx"), views=2),
        TrainingOptions(
            MethodOptions(
                unfreeze="2", budget=600.0, net="a.keras", hidden=(300, 100), track=("tensorboard",)
            ),
            StepOptions(lr=0.1, epochs=3, batch_size=0),
        ),
    )
    assert configure(Taught, {"photos": "a", **said, **read}) == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("budget", "10 minutes", "'10 minutes': write it with its unit, such as 30s, 10m or 2h."),
        ("merge", "cat", "'cat': write it as OLD,OTHER=NEW, for example cat,kitten=cat."),
        ("hidden", (300, 0), "'300,0': write widths of layers with commas between, such as 300,100."),
        ("merge", ["a=b", "a=c"], "'a' cannot become both 'b' and 'c'."),
    ],
)
def test_text_that_says_no_value_is_refused(name: str, value: object, said: str) -> None:
    with pytest.raises(InputError) as caught:
        configure(Taught, {"photos": "a", name: value})
    assert str(caught.value) == f"The setting {name}: {said}"


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [("epochs", 2.5, "whole number"), ("epochs", "3", "whole number"), ("clip", "1", "number"), ("views", True, "whole number")],
)  # fmt: skip
def test_what_is_no_number_is_refused(name: str, value: object, what: str) -> None:
    with pytest.raises(InputError) as caught:
        configure(Taught, {"photos": "a", name: value})
    assert str(caught.value) == f"The setting {name} is {value!r}; it is a {what}."


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 98.0, float("nan")])
def test_a_share_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"^--precision is .*; it must lie between 0 and 1, for example"):
        check_share("--precision", value)


@pytest.mark.parametrize("value", [None, 0.5, 0.999])
def test_a_share_within_its_range_is_taken(value: float | None) -> None:
    check_share("--precision", value)


def test_a_promise_for_each_class_without_a_precision_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        check_promise(PromiseOptions(per_class=True))
    assert str(caught.value) == (
        "per_class says how a precision is promised, and none was given. Give it too, for example precision=0.98."
    )
