"""A user's Keras model, trained: what it freezes stays, its statistics move, its card builds it again."""

import copy
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not all(importlib.util.find_spec(name) for name in ("keras", "h5py")):
    pytest.skip("the extra 'keras' is not installed", allow_module_level=True)

from fovea.errors import InputError
from fovea.learn.scratch import Making, scratch
from fovea.learn.trained import Pictures, Trained
from fovea.nets.keras_start import import_keras, quiet
from fovea.nets.zoo import build_network
from fovea.progress import Progress, silent

GIVEN = {"epochs": 3, "batch_size": 16, "precision": "f32", "device": "cpu", "lr": 0.01, "augment": "none"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a model of 12 px whose first convolution is frozen, saved."""
    keras = import_keras()
    layers = keras.layers
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, trainable=False, name="frozen")(layers.Rescaling(1 / 255)(inputs))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.5, name="norm")(x))
    x = layers.Dropout(0.1)(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", name="classes")(x))
    with quiet(keras):
        model.save(tmp_path / "own.keras")
    return tmp_path / "own.keras"


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """Return a model of 12 px whose layers draw from generators of their own, one from a seed of its own, saved."""
    keras = import_keras()
    layers = keras.layers
    inputs = keras.Input((12, 12, 3))
    x = layers.GaussianNoise(0.1)(layers.Rescaling(1 / 255)(inputs))
    x = layers.SpatialDropout2D(0.2)(layers.Conv2D(4, 3, activation="relu", name="maps")(x))
    x = layers.Dropout(0.1, seed=7)(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", name="classes")(x))
    with quiet(keras):
        model.save(tmp_path / "noisy.keras")
    return tmp_path / "noisy.keras"


def drawn(n: int, *, seed: int) -> Pictures:
    """Return pictures of a bright left (0) or upper (1) half, and noise."""
    labels = np.arange(n) % 2
    pixels = np.random.default_rng(seed).normal(100, 20, (n, 12, 12, 3))
    pixels[labels == 0, :, :6] += 80
    pixels[labels == 1, :6] += 80
    return Pictures(pixels.clip(0, 255).astype(np.uint8), labels)


def trained(
    file: Path,
    *,
    names: tuple[str, ...] = ("left", "upper"),
    workspace: str = "workspace",
    progress: Progress = silent,
    **options: Any,
) -> Trained:
    torch.set_num_threads(1)
    return scratch(
        str(file),
        drawn(64, seed=0),
        valid=drawn(20, seed=1),
        class_names=names,
        wish=Making(GIVEN, options),
        workspace=file.parent / workspace,
        progress=progress,
    )


def weights(network: Any) -> dict[str, Any]:
    return {name.rpartition(".")[2]: held for name, held in network.state_dict().items()}


def test_it_learns_and_what_its_layers_freeze_stays(file: Path) -> None:
    before = build_from_file(file)
    done = trained(file)
    after = weights(done.network)
    assert (done.valid_logits.argmax(1) == np.arange(20) % 2).mean() >= 0.9
    assert np.array_equal(before["frozen/kernel"], after["frozen/kernel"].numpy())
    for name in ("classes/kernel", "norm/gamma", "norm/moving_mean"):
        assert not np.allclose(before[name], after[name].numpy()), name


def build_from_file(file: Path) -> dict[str, Any]:
    keras = import_keras()
    with quiet(keras):
        model = keras.saving.load_model(file)
        return {one.path: one.numpy() for one in model.variables}


def test_its_card_builds_it_again_and_it_answers_the_same(file: Path) -> None:
    done = trained(file)
    again = build_network(done.card)
    again.load_state_dict(done.network.state_dict())
    x = torch.rand(4, 3, 12, 12) * 255
    with torch.no_grad():
        assert torch.allclose(again(x), done.network.eval()(x), atol=1e-5)


def test_a_copy_learns_apart_from_its_original(file: Path) -> None:
    network = trained(file).network
    twin = copy.deepcopy(network).train()
    twin(torch.rand(4, 3, 12, 12)).sum().backward()
    assert all(weight.grad is not None for weight in twin.parameters() if weight.requires_grad)
    ours = {id(weight) for weight in network.parameters()}
    assert not ours & {id(weight) for weight in twin.parameters()}


def test_the_same_seed_gives_the_same_network_whatever_its_layers_draw_from(noisy: Path) -> None:
    one, other = (weights(trained(noisy, workspace=name).network) for name in ("one", "other"))
    assert {"maps/kernel", "classes/kernel"} <= one.keys()
    for name, held in one.items():
        assert np.array_equal(held.numpy(), other[name].numpy()), name


def test_an_interrupted_training_of_layers_that_draw_ends_as_an_uninterrupted_one(
    noisy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.learn.training.state.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("fovea.learn.training.state._WRITING_SHARE", 1e9)

    def interrupt(stage: str, n_done: int, n_total: int) -> None:
        if n_done == 7:  # of 3 epochs with 4 batches each
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(noisy, workspace="stopped", progress=interrupt)
    again, whole = (trained(noisy, workspace=name) for name in ("stopped", "whole"))
    np.testing.assert_array_equal(again.valid_logits, whole.valid_logits)


def test_another_number_of_classes_is_refused(file: Path) -> None:
    with pytest.raises(InputError) as caught:
        trained(file, names=("left", "upper", "plain"))
    assert str(caught.value) == (
        f"The network in {str(file)!r} gives 2 answers, and there are 3 classes: its last layer must be Dense(3). Change it in "
        "Keras, and save it again."
    )


def test_settings_that_belong_to_its_layers_are_refused(file: Path) -> None:
    with pytest.raises(InputError) as caught:
        trained(file, init="he")
    assert (
        str(caught.value)
        == f"The layers of {str(file)!r} are as they are: leave out --init, or change them in Keras."
    )


def test_its_checkpoint_lies_in_the_workspace_and_not_beside_the_file(file: Path) -> None:
    trained(file)
    names = sorted(path.name for path in (file.parent / "workspace").iterdir())
    assert names == ["own.keras.checkpoint", "plan.json"]
    assert sorted(path.name for path in file.parent.iterdir()) == ["own.keras", "workspace"]
