"""Small keras networks with random weights, and `.keras` files written by keras or put together by hand."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from fovea.nets.keras_start import quiet


def shake(model: Any, *, seed: int = 0) -> Any:
    """Give every variable a random value as after training: batch statistics that matter, variances above 0."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        spread = (0.5, 1.5) if "variance" in variable.path or "gamma" in variable.path else (-0.4, 0.4)
        if not variable.path.endswith("seed_generator_state"):
            variable.assign(rng.uniform(*spread, variable.shape))
    return model


def small_model(keras: Any, *, activation: str = "softmax", size_px: tuple[int, int] = (32, 32)) -> Any:
    """Return a Sequential network of 32 px: scaled, two convolutions, five classes."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((*size_px, 3)),
            layers.RandomFlip(),
            layers.Rescaling(1 / 255, name="scaled"),
            layers.Conv2D(6, 3, padding="same", activation="relu", kernel_regularizer="l2", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D(name="half"),
            layers.Conv2D(8, 3, strides=2, name="second"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.3),
            layers.Dense(5, activation=activation, name="classes"),
        ]
    )
    return shake(model)


def save(keras: Any, model: Any, file: Path) -> Path:
    """Save a model as keras does, whose own warnings are no matter of ours."""
    with quiet(keras):
        model.save(file)
    return file


def rewrite(file: Path, **members: bytes | None) -> Path:
    """Change members of an archive: `config` is config.json, `metadata` metadata.json; None takes one out."""
    names = {"config": "config.json", "metadata": "metadata.json", "weights": "model.weights.h5"}
    with zipfile.ZipFile(file) as archive:
        contents: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    contents |= {names[key]: content for key, content in members.items()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)
    return file


def layer(class_name: str, *, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    """Return a layer's entry in a configuration."""
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def write_file(file: Path, *layers: dict[str, Any], version: str = "3.15.1", **top: Any) -> Path:
    """Write a `.keras` file by hand: a Sequential model of these layers, and no weights worth the name."""
    config = {**layer("Sequential", module="keras", name="hand", layers=list(layers)), **top}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"")
    return file
