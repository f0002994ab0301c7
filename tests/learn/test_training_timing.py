"""The time of a step is that of all it does, and a network that was timed is as it was."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn

from fovea.learn.training import ArrayBatches, Looping, Optimisation, Regularisation, Training
from fovea.learn.training.averaging import Averages
from fovea.learn.training.losses import usual_criterion
from fovea.learn.training.optimisers import Optimizers
from fovea.learn.training.step import Goal
from fovea.learn.training.timing import Trial, time_step

SETTINGS = Training(
    Optimisation("adamw", lr=0.1),
    Regularisation(ema=0.9),
    Looping(batch_size=4, device="cpu", precision="f32"),
)


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(144, 2)
    ).eval()


def trial(network: nn.Module, *, prepare: Callable[[Tensor, Any], Tensor] | None = None) -> Trial:
    x = np.random.default_rng(0).random((12, 3, 8, 8), np.float32)
    batches = ArrayBatches(x, np.arange(12) % 2, batch_size=4, seed=0, prepare=prepare)
    return Trial(network, batches, Goal("class", usual_criterion("class", smoothing=0.0)))


def test_making_the_batch_moving_weights_and_averaging_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def passing(seconds: float, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            clock[0] += seconds
            return work(*given, **named)

        return run

    monkeypatch.setattr("fovea.learn.training.timing.perf_counter", lambda: clock[0])
    monkeypatch.setattr(Optimizers, "step", passing(2.0, Optimizers.step))
    monkeypatch.setattr(Averages, "update", passing(4.0, Averages.update))
    one = trial(small_network(), prepare=passing(1.0, lambda x, generator: x))
    assert time_step(one, settings=SETTINGS) == (1 + 2 + 4) / 4  # of each of the batch's four pictures


def test_a_network_that_was_timed_is_as_it_was_and_so_are_later_draws() -> None:
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state, strides = torch.random.get_rng_state(), network[0].weight.stride()
    assert time_step(trial(network), settings=SETTINGS) > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
    assert network[0].weight.stride() == strides
    assert not any(layer.training for layer in network.modules())
    assert all(weight.grad is None for weight in network.parameters())
