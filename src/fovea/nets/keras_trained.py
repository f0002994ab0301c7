"""A user's Keras model as a network that learns: what its layers freeze stays frozen, and its card builds it again.

Needs keras and torch. What is trained predicts without either, like all others.
"""

import contextlib
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError, InputError
from fovea.nets.keras import load_keras_model, scaling_of_file, side_px
from fovea.nets.keras_file import checked_config, read_keras_file
from fovea.nets.keras_graph import torch_network
from fovea.nets.keras_official import build_application, find_application
from fovea.nets.keras_start import import_keras, quiet
from fovea.nets.weights import WeightsCard

if TYPE_CHECKING:
    import torch

LIBRARY = "keras"
RGB = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class KerasMade:
    """A Keras model's network, with the weights of its file, and the card that builds it again."""

    network: "torch.nn.Module"
    card: WeightsCard


def is_keras_file(net: str) -> bool:
    """Return whether a network is named by a `.keras` file."""
    return net.endswith(".keras")


def keras_size(file: Path, *, small_px: int) -> int:
    """Return the side of pictures that the model in `file` takes; `small_px` where it takes any. Raises like `make_keras`."""
    model = load_keras_model(import_keras(), read_keras_file(file))
    return side_px(model, title=file.name, usual_px=small_px)


def make_keras(
    file: Path, *, class_names: tuple[str, ...], size_px: int, usual: tuple[RGB, RGB]
) -> KerasMade:
    """Return the network in a `.keras` file, ready to learn `class_names`, with the weights that the file holds.

    Pixels enter as its own layers scale them, or as the application in it takes them, else with mean and deviation `usual`.
    Raises:
        InputError: it answers another number of classes.
        BackboneError, MissingInputError, MissingExtraError: as for a `.keras` file as backbone.
    """
    held = read_keras_file(file)
    keras, config = import_keras(), deepcopy(held.config)  # keras changes what it reads
    (mean, std), order = usual, {}
    with contextlib.suppress(
        BackboneError
    ):  # where nothing in it says how it is scaled, it learns what it gets
        scaling, _ = scaling_of_file(keras, held, name="")
        mean, std = scaling.mean, scaling.std
        order = {"order": "bgr"} if scaling.bgr else {}
    model = load_keras_model(keras, held)
    n_answers = model.output_shape[-1] if isinstance(model.output_shape, tuple) else None
    if n_answers != len(class_names):
        raise InputError(
            f"The network in {str(file)!r} gives {n_answers} answers, and there are {len(class_names)} classes: its last layer "
            f"must be Dense({len(class_names)}). Change it in Keras, and save it again."
        )
    card = WeightsCard(
        LIBRARY, file.name, size_px, mean, std, kwargs={"config": config, **order}, class_names=class_names
    )
    return KerasMade(_network(keras, model, card), card)


def describe_keras(card: WeightsCard, file: Path) -> WeightsCard:
    """Return the card of a network in a `.keras` file with what builds it again where the file is gone."""
    kwargs = card.kwargs | {"config": read_keras_file(file).config}
    return replace(card, architecture=file.name, kwargs=kwargs)


def build_keras_again(card: WeightsCard) -> "torch.nn.Module":
    """Return the network that a card describes, its weights no trained ones: by its layers, or its name in keras.applications.

    Raises BackboneError, MissingExtraError.
    """
    config = card.kwargs.get("config")
    if config is None:
        keras = import_keras()
        return _network(keras, build_application(keras, find_application(keras, card.architecture)), card)
    if not isinstance(config, dict):
        raise BackboneError(
            f"The weights of {card.architecture!r} do not say which layers they belong to. Train again."
        )
    config = checked_config(config, file=Path(card.architecture))
    keras = import_keras()
    with quiet(keras):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    return _network(keras, model, card)


def _network(keras: Any, model: Any, card: WeightsCard) -> "torch.nn.Module":
    size = card.size_px, card.size_px
    return torch_network(keras, model, shape_px=size, bgr=card.kwargs.get("order") == "bgr").eval()
