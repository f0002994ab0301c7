"""A network's vital signs: gradients by layer, units that never speak, the first number that is none."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn

from fovea.learn.training.vitals import dead_shares, find_non_finite, gradient_norms


def test_gradient_norms_are_euclidean_over_a_layer() -> None:
    network = nn.ModuleDict({"one": nn.Linear(1, 1), "two": nn.Linear(1, 1)})
    network["one"].weight.grad, network["one"].bias.grad = torch.tensor([[3.0]]), torch.tensor([4.0])
    assert gradient_norms(network) == {"one": 5.0}


def test_a_layer_that_does_not_learn_now_has_no_norm() -> None:
    network = nn.ModuleDict({"fixed": nn.Linear(1, 1), "faint": nn.Linear(1, 1)})
    network["fixed"].weight.grad = torch.zeros(1, 1)
    network["faint"].weight.grad = torch.full((1, 1), 1e-20)
    assert gradient_norms(network) == {"faint": pytest.approx(1e-20)}


def test_every_layer_is_told_however_deep_it_lies() -> None:
    network = nn.Sequential(nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1))), nn.LayerNorm(1))
    network(torch.ones(1, 1)).sum().backward()
    network[0][0].weight.grad, network[0][1][0].weight.grad = torch.ones(1, 1), torch.ones(1, 1)
    assert list(gradient_norms(network)) == ["0.0", "0.1.0"]


def test_a_network_of_vectors_alone_is_one_layer() -> None:
    network = nn.LayerNorm(2)
    network(torch.tensor([[1.0, 3.0]]))[0, 0].backward()
    assert list(gradient_norms(network)) == ["network"]


def test_what_vanishes_through_logistic_layers_is_seen() -> None:
    torch.manual_seed(0)
    layers = [layer for _ in range(8) for layer in (nn.Linear(20, 20), nn.Sigmoid())]
    network = nn.Sequential(nn.Sequential(*layers), nn.Linear(20, 2))
    network(torch.randn(50, 20)).logsumexp(1).mean().backward()
    norms = list(gradient_norms(network).values())
    assert len(norms) == 9
    assert norms[0] < 1e-4 * max(norms)


def test_units_that_answer_nothing_to_any_picture_are_dead() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.ReLU()).eval()
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.copy_(torch.tensor([-1.0, 1.0, -1.0, -2.0]))
    assert dead_shares(network, torch.rand(8, 2)) == {"1": 0.75}


def test_a_channel_that_speaks_at_one_place_of_one_picture_lives() -> None:
    x = torch.zeros(3, 2, 4, 4)
    x[2, 1, 3, 0] = 1.0
    assert dead_shares(nn.Sequential(nn.ReLU()).eval(), x) == {"0": 0.5}


def test_a_relu_that_runs_twice_counts_twice() -> None:
    relu = nn.ReLU()
    assert dead_shares(nn.Sequential(relu, nn.Linear(2, 2), relu), torch.ones(1, 2)).keys() == {"0", "0.2"}


def test_the_first_layer_to_overflow_is_named() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        network[1].weight.fill_(3e38)
    assert find_non_finite(network, torch.full((1, 2), 100.0)) == "the layer '1'"


def test_pictures_weights_and_gradients_that_are_not_finite_are_told_apart() -> None:
    network, x = nn.Sequential(nn.Linear(2, 2)), torch.ones(1, 2)
    assert find_non_finite(network, x) == "the loss"
    assert find_non_finite(network, x * torch.nan) == "the batch of pictures itself"
    network[0].bias.grad = torch.tensor([torch.inf, 0.0])
    assert find_non_finite(network, x) == "the gradient of '0.bias'"
    with torch.no_grad():
        network[0].weight[0, 0] = torch.nan
    assert find_non_finite(network, x) == "the weight '0.weight'"
