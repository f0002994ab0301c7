"""Averaged weights by hand."""

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.training.averaging import Averages


def layer(value: float) -> torch.nn.BatchNorm1d:
    norm = torch.nn.BatchNorm1d(1)
    torch.nn.init.constant_(norm.weight, value)
    return norm


def test_the_decay_warms_up_and_then_holds() -> None:
    network = layer(1.0)
    averages = Averages(network, decay=0.2)
    with torch.no_grad():
        network.weight.fill_(2.0)
    averages.update()  # decay (1 + 1) / (10 + 1) = 2/11
    assert float(averages.tensors["weight"]) == pytest.approx(2 / 11 * 1 + 9 / 11 * 2)
    averages.update()  # (1 + 2) / (10 + 2) is above 0.2
    assert float(averages.tensors["weight"]) == pytest.approx(0.2 * (2 / 11 + 18 / 11) + 0.8 * 2)


def test_statistics_are_averaged_and_counters_are_not() -> None:
    assert set(Averages(layer(1.0), decay=0.9).tensors) == {"weight", "bias", "running_mean", "running_var"}


def test_the_network_holds_the_averages_inside_the_block_only() -> None:
    network = layer(1.0)
    averages = Averages(network, decay=0.9)
    with torch.no_grad():
        network.weight.fill_(5.0)
    with averages.in_place():
        assert network.weight.item() == 1.0
    assert network.weight.item() == 5.0
    assert float(averages.tensors["weight"]) == 1.0


def test_frozen_weights_are_not_copied() -> None:
    network = layer(1.0)
    network.weight.requires_grad_(False)
    assert "weight" not in Averages(network, decay=0.9).tensors
