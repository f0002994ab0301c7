"""What is told of a training's curves, by what is known of its pictures, settings and network."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.learn.trained import Pictures, Trained
from fovea.learn.training import EpochRecord, History, Looping, Regularisation, Training
from fovea.nets import WeightsCard
from fovea.tasks.train.attempt import Attempt, Sides
from fovea.tasks.train.findings import findings_of

RGB = (0.5, 0.5, 0.5)
SETTINGS = Training(looping=Looping(device="cpu", precision="f32"))
RISES = ([1.0, 0.5, 0.3, 0.1], [1.1, 0.6, 0.7, 0.8])
STAYS = ([0.99, 0.91, 0.906, 0.9], [1.0, 0.92, 0.912, 0.91])


def attempt(
    curves: Any, labels: Any, *, net: str | None = "lenet5", library: str = "fovea", **named: Any
) -> Attempt:
    """Return a training with these losses in its epochs, of which half of each side is right."""
    records = tuple(
        EpochRecord(number, 1, 1.0, 0.1, seen, None if named.get("kind") == "values" else 0.5, judged, 0.5)
        for number, (seen, judged) in enumerate(zip(*curves, strict=True))
    )
    history = History(records, int(np.argmin(curves[1])), "", (), 4, 4)
    card = WeightsCard(library, net or "resnet18", 32, RGB, RGB)
    settings = named.pop("settings", SETTINGS)
    trained = Trained(torch.nn.Identity(), card, "", history, np.zeros((4, 1), np.float32), settings=settings)
    side = Pictures(np.zeros((len(labels), 1, 1, 3), np.uint8), labels)
    return Attempt(
        "a", trained, None, Sides(side, side, side.pixels), trained.valid_logits, 1.0, net, **named
    )  # type: ignore[arg-type]


CLASSES = np.tile(np.arange(4), 100)
NUMBERS = np.random.default_rng(0).normal(size=(400, 1)).astype(np.float32)


def test_numbers_are_held_against_always_answering_their_mean() -> None:
    (finding,) = findings_of(attempt(STAYS, NUMBERS, kind="values"))
    gone = 1 - 0.9 / NUMBERS.var()
    assert f"only {100 * gone:.0f} % of the loss of always answering the mean is gone" in finding.text
    assert (finding.kind, finding.try_next) == ("underfitting", "a larger network (--net)")


def test_labels_are_held_against_how_frequent_each_is_and_their_smoothing_is_no_loss() -> None:
    labels = (np.random.default_rng(0).random((400, 5)) < 0.02).astype(np.float32)
    curves = ([0.2, 0.15, 0.13, 0.129], [0.08, 0.03, 0.02, 0.0199])
    smoothed = replace(SETTINGS, regularisation=Regularisation(0.05))
    (finding,) = findings_of(attempt(curves, labels, kind="labels", settings=smoothed))
    assert finding.kind == "fits"  # the smoothed labels themselves lose 0.117
    shares = curves[0], [0.2, 0.1, 0.096, 0.095]
    (finding,) = findings_of(attempt(shares, labels, kind="labels"))
    assert (finding.kind, "always answering how frequent each label is" in finding.text) == (
        "underfitting",
        True,
    )


@pytest.mark.parametrize(
    ("net", "library", "dropout", "told"),
    [
        ("lenet5", "fovea", None, "--dropout 0.2"),
        ("highway", "fovea", None, "--dropout 0.2"),
        ("bncnn", "fovea", 0.3, "--dropout 0.5"),
        ("resnet20", "fovea", None, ""),
        ("fast", "fovea", None, ""),
        ("alexnet", "torchvision", 0.2, "--dropout 0.4"),
        ("resnet18", "torchvision", None, ""),
        (None, "torchvision", None, ""),
    ],
)
def test_dropout_is_advised_where_it_is_known_that_the_network_takes_it(
    net: str | None, library: str, dropout: float | None, told: str
) -> None:
    settings = replace(SETTINGS, regularisation=Regularisation(dropout=dropout))
    (finding,) = findings_of(attempt(RISES, CLASSES, net=net, library=library, settings=settings))
    assert finding.try_next == " ".join(["--epochs 2 --augment strong", told]).strip() + ", or more pictures"


def test_a_module_of_the_users_is_told_no_options_of_the_command() -> None:
    (finding,) = findings_of(attempt(RISES, CLASSES, net=None, library="own", is_module=True))
    assert finding.try_next == (
        "epochs=2, mixup=0.2, more dropout in the module, stronger augmentation in the loaders, or more pictures"
    )
