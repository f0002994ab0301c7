"""Several classifiers as one: the mean of calibrated log-probabilities by hand; classes by name; refusals."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from colour_model import SIDE_PX, colour_head

from fovea.errors import InputError
from fovea.features import Encoder
from fovea.judge import softmax
from fovea.learn import Head
from fovea.model import Member, average_members, require_same_classes
from fovea.model.average import stack_heads


def drawn_head(names: tuple[str, ...], *, seed: int, d: int = 4) -> Head:
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(size=(3, d)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    scale = np.array([0.5, 2, 1, 0], np.float32)
    return Head(weights, bias, rng.normal(size=d).astype(np.float32), scale, names, 0.0)


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z.astype(np.float64)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def test_the_answer_is_the_mean_of_the_calibrated_log_probabilities(encoder: Encoder, tmp_path: Path) -> None:
    names = ("blue", "green", "red")
    heads, temperatures = [drawn_head(names, seed=k) for k in range(3)], (0.5, 1.0, 3.0)
    members = [
        Member(str(k), encoder, head, t) for k, (head, t) in enumerate(zip(heads, temperatures, strict=True))
    ]
    joined, head = average_members(members, tmp_path / "average", name="average")
    pixels = np.random.default_rng(0).integers(0, 256, (9, SIDE_PX, SIDE_PX, 3)).astype(np.uint8)
    alone = encoder.encode(pixels)
    mean = np.mean(
        [log_softmax(one.logits(alone) / t) for one, t in zip(heads, temperatures, strict=True)], axis=0
    )
    by_hand = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    assert np.allclose(softmax(head.logits(joined.encode(pixels))), by_hand, atol=1e-6)


def test_classes_in_another_order_are_brought_into_the_firsts(encoder: Encoder) -> None:
    head = colour_head()
    turned = dataclasses.replace(
        head, weights=head.weights[[2, 0, 1]], bias=head.bias[[2, 0, 1]], class_names=("red", "blue", "green")
    )
    both = stack_heads([Member("a", encoder, head, 1.0), Member("b", encoder, turned, 1.0)])
    features = np.random.default_rng(1).uniform(0, 1, (5, 4)).astype(np.float32)
    twice = np.concatenate([features, features], axis=1)
    assert both.class_names == ("blue", "green", "red")
    assert np.allclose(both.logits(twice), head.logits(features), atol=1e-6)


def test_members_of_other_classes_are_refused(encoder: Encoder) -> None:
    other = drawn_head(("blue", "green", "teal"), seed=0)
    members = [Member("runs/a", encoder, colour_head(), 1.0), Member("runs/b", encoder, other, 1.0)]
    with pytest.raises(InputError) as caught:
        require_same_classes(members)
    assert str(caught.value) == (
        "'runs/b' tells the class 'teal', which 'runs/a' does not know: only classifiers of the same classes can be averaged. "
        "Train them on the same classes (--drop, --merge), or leave one out."
    )
