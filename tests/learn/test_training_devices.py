"""Where training computes, and in which precision."""

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.training.devices import Machine


def test_weights_that_change_within_a_block_without_gradients_answer_as_they_are_now() -> None:
    network, x = torch.nn.Linear(1, 1, bias=False), torch.ones(1, 1)
    with torch.no_grad(), Machine("cpu", "bf16").autocast():
        answers = []
        for weight in (1.0, 2.0):
            network.weight.data.fill_(weight)
            answers.append(float(network(x)))
    assert answers == [1.0, 2.0]
