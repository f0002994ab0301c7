"""A network as the classifier that it is: which names its classes have, and what is refused."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fovea.errors import BackboneError
from fovea.features import Stage
from fovea.manifest import imagenet_classes, plain_names
from fovea.model import open_own_classes

NAMES = plain_names(imagenet_classes())


@dataclass
class Network:
    """As much of an encoder as is asked of it."""

    n: int
    class_names: tuple[str, ...] = ()
    name: str = "drawn"
    pool: str = "softmax"

    notes: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (Stage("body:mean", 0, 4), Stage(f"head:{self.pool}", 4, 4 + self.n))


def opened(network: Network) -> Any:
    return open_own_classes(network)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "names",
    [
        (),
        NAMES,
        tuple(one.words[0] for one in imagenet_classes()),
        tuple(", ".join(one.words) for one in imagenet_classes()),
        tuple(one.wnid for one in imagenet_classes()),
    ],
    ids=["none", "ours", "first words", "all words", "ids"],
)
def test_imagenets_classes_are_known_however_they_are_named(names: tuple[str, ...]) -> None:
    own = opened(Network(1000, names))
    assert own.class_names == NAMES
    assert own.wnids[254] == "n02110958"


def test_only_a_network_that_names_no_classes_is_noted_as_taken_for_imagenets() -> None:
    told = [
        len(opened(one).notes)
        for one in (
            Network(1000),
            Network(1000, NAMES),
            Network(1000, name="resnet18"),
            Network(1000, name="fovea-tiny"),
        )
    ]
    assert told == [
        2,
        1,
        1,
        1,
    ]  # the catalogue's and ours are known; that nothing is calibrated is always said


def test_other_names_stay_and_have_no_ids() -> None:
    own = opened(Network(3, ("cat", "dog", "cat")))
    assert (own.class_names, own.wnids) == (("cat #0", "dog", "cat #2"), ())


def test_a_thousand_other_names_are_not_taken_for_imagenets() -> None:
    assert opened(Network(1000, tuple(f"place {k}" for k in range(1000)))).wnids == ()


def test_other_answers_without_names_are_refused() -> None:
    with pytest.raises(BackboneError) as caught:
        opened(Network(365))
    assert str(caught.value) == (
        "'drawn' answers 365 classes, and none of them are named. Only ImageNet's 1,000 are known without names: train on "
        "your pictures (fovea train)."
    )


def test_a_network_without_a_softmax_is_refused() -> None:
    with pytest.raises(
        BackboneError, match=r"^'drawn' tells no classes of its own: no stage of it is the softmax"
    ):
        opened(Network(1000, pool="mean"))


def test_probabilities_are_the_fourth_power_and_sum_to_one() -> None:
    own = opened(Network(3, ("a", "b", "c")))
    features = np.array([[9, 9, 9, 9, 0.5**0.25, 0.3**0.25, 0.2**0.25], [0] * 7], np.float32)
    assert own.probabilities(features) == pytest.approx(np.array([[0.5, 0.3, 0.2], [0, 0, 0]]), abs=1e-6)
