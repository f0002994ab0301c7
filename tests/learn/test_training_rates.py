"""The learning-rate finder: rates rise, a broken loss ends it, the network comes back as it was."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn
from training_parts import batches, pictures, settings, tiny_network, weights_of

from fovea.learn.training import ArrayBatches, find_learning_rate, train_network
from fovea.learn.training.rates import _suggest


def test_rates_rise_by_the_same_factor_and_the_loss_breaks() -> None:
    x, y = pictures(64)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
    search = find_learning_rate(
        network,
        ArrayBatches(x, y * 1.0, batch_size=16, seed=0),
        settings=settings(optimizer="sgd"),
        kind="values",
        n_steps=60,
    )
    factors = search.rates[1:] / search.rates[:-1]
    np.testing.assert_allclose(factors, factors[0])
    assert search.rates[0] == pytest.approx(0.1 / 1000)
    assert len(search.rates) == len(search.losses) < 60
    assert search.rates[0] < search.suggestion < search.rates[-1]


def test_the_suggested_rate_trains() -> None:
    search = find_learning_rate(tiny_network(), batches(), settings=settings(optimizer="sgd"))
    told = settings(optimizer="sgd")
    told = replace(told, optimisation=replace(told.optimisation, lr=search.suggestion))
    history = train_network(tiny_network(), batches(), settings=told)
    assert history.stopped == ""
    assert history.records[1].train_loss < history.records[0].train_loss  # type: ignore[operator]


def test_the_network_comes_back_as_it_was() -> None:
    network = tiny_network(dropout=0.2)
    before = weights_of(network)
    find_learning_rate(network, batches(), settings=settings(), n_steps=20)
    for name, values in weights_of(network).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)
    assert all(weight.grad is None for weight in network.parameters())


def test_the_steepest_fall_before_the_lowest_loss_is_suggested() -> None:
    rates = np.array([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert _suggest(rates, np.array([2.0, 1.9, 1.8, 0.8, 9.0])) == 1e-2
    assert _suggest(rates, np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == pytest.approx(1e-5)
