"""Fine-tuning a Keras network: of a file or by name, its statistics kept, and what was tuned can be tuned again."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not all(importlib.util.find_spec(name) for name in ("keras", "h5py")):
    pytest.skip("the extra 'keras' is not installed", allow_module_level=True)

from fovea.features import Preprocess, open_backbone
from fovea.features.card import read_card
from fovea.features.convert import example_pictures
from fovea.learn.finetune import open_trainable
from fovea.learn.finetune.opening import _of_run
from fovea.learn.finetune.tune import _copied
from fovea.learn.trained import Trained
from fovea.learn.training.step import learning_mode
from fovea.model.export import export_trained
from fovea.nets.keras_start import import_keras, quiet
from fovea.nets.trainable import Trainable, add_head
from fovea.nets.zoo import build_network


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a model of 32 px that scales its pictures itself, with statistics that matter, saved."""
    keras = import_keras()
    layers = keras.layers
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, strides=2, name="first")(layers.Rescaling(1 / 255)(inputs))
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(6, 3, strides=2, activation="relu", name="second")(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    model.get_layer("norm").moving_mean.assign([0.5, -0.5, 0.2, 0.0])
    with quiet(keras):
        model.save(tmp_path / "own.keras")
    return tmp_path / "own.keras"


def features(trainable: Trainable, pixels: Any) -> Any:
    """Return what a head on the network would read of uint8 pictures, in the mode in which the network learns."""
    headed, card = add_head(trainable, class_names=("a", "b"))
    build_network(card).load_state_dict(headed.state_dict())  # it can be built again
    mean, std = (torch.tensor(one).reshape(1, 3, 1, 1) * 255 for one in (card.mean, card.std))
    learning_mode(headed, frozen_statistics=True)
    with torch.no_grad():
        return headed.features((torch.from_numpy(pixels).permute(0, 3, 1, 2) - mean) / std).numpy()


def test_a_file_is_opened_with_the_features_of_its_encoder(file: Path) -> None:
    pixels = example_pictures(height_px=32, width_px=32)
    expected = open_backbone(file, precision="f32", threads=1).encode(pixels)
    np.testing.assert_allclose(features(open_trainable(weights=file), pixels), expected, atol=1e-4)


def test_what_is_learned_does_not_move_its_statistics(file: Path) -> None:
    network = open_trainable(weights=file).network
    learned = {name.rpartition(".")[2] for name, one in network.named_parameters() if one.requires_grad}
    assert {"first/kernel", "second/bias"} <= learned
    assert not {"norm/moving_mean", "norm/moving_variance"} & learned
    before = {name: one.clone() for name, one in network.state_dict().items() if "moving" in name}
    learning_mode(network, frozen_statistics=True)
    network(torch.rand(4, 3, 32, 32) * 255)
    assert len(before) == 2
    assert all(torch.equal(network.state_dict()[name], one) for name, one in before.items())


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_a_run_tuned_from_a_file_begins_the_next(file: Path, tmp_path: Path, hidden: tuple[int, ...]) -> None:
    pixels = example_pictures(height_px=32, width_px=32)
    network, card = add_head(open_trainable(weights=file), class_names=("a", "b"), hidden=hidden)
    file.unlink()
    torch.nn.init.normal_(network.head[-1].weight)
    name = f"head.{len(network.head) - 1}"
    trained = Trained(network.eval(), card, name, None, np.zeros((0, 2), np.float32))  # type: ignore[arg-type]
    made = export_trained(
        trained, tmp_path, name="run", preprocess=Preprocess(32, 32), examples=pixels, precision="f32"
    )
    again = _of_run(tmp_path, read_card(tmp_path), stages=())
    np.testing.assert_allclose(features(again, pixels), made.encoder.encode(pixels), atol=1e-3)


def test_one_of_several_trainings_is_kept_with_its_answers(file: Path) -> None:
    network, card = add_head(open_trainable(weights=file), class_names=("a", "b"))
    torch.nn.init.normal_(network.head[-1].weight)
    trained = Trained(network.eval(), card, "head.0", None, np.zeros((0, 2), np.float32))  # type: ignore[arg-type]
    x = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        before = network(x)
        kept = _copied(trained)
        torch.nn.init.zeros_(network.head[-1].weight)  # the next training begins
        torch.testing.assert_close(kept(x), before)
        assert not torch.equal(network(x), before)


def test_a_network_of_kerass_own_is_built_again_by_its_name(tmp_path: Path) -> None:
    keras = import_keras()
    with quiet(keras):
        model = keras.applications.MobileNet(weights=None, classifier_activation=None)
        model.save_weights(tmp_path / "own.weights.h5")
    trainable = open_trainable("keras:MobileNet", weights=tmp_path / "own.weights.h5")
    again = build_network(trainable.card)
    again.load_state_dict(trainable.network.state_dict())
    x = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.allclose(again(x), trainable.network.eval()(x), atol=1e-5)
