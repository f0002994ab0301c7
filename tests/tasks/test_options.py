"""What options promise: plain keywords find their place, a misspelt one is named, a share lies between 0 and 1."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fovea.errors import InputError
from fovea.tasks.options import BackboneOptions, PromiseOptions, check_promise, check_share, configure


@dataclass(frozen=True)
class Config:
    photos: Path
    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    seed: int = 0


def test_keywords_of_groups_and_of_the_config_itself_find_their_place() -> None:
    made = configure(Config, {"photos": Path("a"), "views": 4, "seed": 2})
    assert made == Config(Path("a"), BackboneOptions(views=4), 2)


def test_a_misspelt_keyword_is_refused_with_the_closest() -> None:
    with pytest.raises(TypeError) as caught:
        configure(Config, {"photos": Path("a"), "veiws": 4})
    assert str(caught.value) == "no setting 'veiws'. Did you mean 'views'?"


def test_a_strange_keyword_is_refused_with_all_there_are() -> None:
    with pytest.raises(TypeError) as caught:
        configure(Config, {"photos": Path("a"), "xyzzy": 4})
    assert str(caught.value) == (
        "no setting 'xyzzy'. There are: backbone, compute, engine, fit, offline, photos, seed, stages, threads, views, "
        "weights."
    )


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
