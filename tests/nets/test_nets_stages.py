"""Places of networks and their pooling, against torch's own pooling."""

import numpy as np
import pytest

from fovea.errors import BackboneError
from fovea.nets import Place, pooled_network, run_pooled, stage_widths

torch = pytest.importorskip("torch")


@pytest.fixture
def network() -> "torch.nn.Module":
    torch.manual_seed(0)
    layers = [
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 6, 3, stride=2),
        torch.nn.Flatten(2),
    ]
    return torch.nn.Sequential(*layers)


def test_pooled_features_are_means_and_maxima_of_the_normalised_picture(network: "torch.nn.Module") -> None:
    places = (Place("1", "mean"), Place("2", "max"), Place("2", "root"))
    pooled = pooled_network(network, places=places, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 16, 3), dtype=np.uint8)
    found = run_pooled(pooled, pixels)
    scaled = (pixels / 255.0 - [0.5, 0.4, 0.3]) / [0.2, 0.25, 0.3]
    with torch.inference_mode():
        early = network[:2](torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32))
        late = network[2](early)
    mean = late.numpy().mean((2, 3))
    roots = np.copysign(np.sqrt(np.abs(mean)), mean)
    expected = np.hstack([early.numpy().mean((2, 3)), late.numpy().max((2, 3)), roots])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert stage_widths(pooled) == [("1:mean", 4), ("2:max", 6), ("2:root", 6)]


def test_tokens_are_pooled_too(network: "torch.nn.Module") -> None:
    pooled = pooled_network(network, places=(Place("3", "mean"),), mean=(0, 0, 0), std=(1, 1, 1))
    assert run_pooled(pooled, np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 36)


def test_answers_become_the_fourth_root_of_their_softmax() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    pooled = pooled_network(network, places=(Place("1", "softmax"),), mean=(0, 0, 0), std=(1, 1, 1))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 2, 2, 3), dtype=np.uint8)
    flat = (pixels.transpose(0, 3, 1, 2) / 255.0).reshape(5, 12)
    logits = flat @ network[1].weight.detach().numpy().T + network[1].bias.detach().numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(run_pooled(pooled, pixels), probabilities**0.25, rtol=1e-5)


def test_an_output_without_space_cannot_be_pooled() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten())
    pooled = pooled_network(network, places=(Place("0", "mean"),), mean=(0, 0, 0), std=(1, 1, 1))
    with pytest.raises(BackboneError) as raised:
        run_pooled(pooled, np.zeros((2, 4, 4, 3), np.uint8))
    assert str(raised.value) == "a place with an output of 2 axes cannot be pooled; 3 or 4 are needed."
