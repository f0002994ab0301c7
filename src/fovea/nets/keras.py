"""Keras networks: of keras.applications by name, or of a user's `.keras` file; pooled at their stages like all others.

Needs keras and torch, once; what is converted from them needs neither. See `keras_file` for what is read of a file.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import BackboneError
from fovea.nets.keras_file import Config, KerasFile, not_as_keras, read_keras_file, unpack_weights
from fovea.nets.keras_graph import planes_of, torch_network
from fovea.nets.keras_official import (
    SCALINGS,
    Scaling,
    applications,
    build_application,
    find_application,
    licence_of,
    load_application_weights,
    official_application,
    scaling_of,
)
from fovea.nets.keras_start import import_keras, quiet
from fovea.nets.layers import Layer, observe
from fovea.nets.named import NamedNetwork
from fovea.nets.places import places_of
from fovea.nets.stages import pooled_network
from fovea.nets.weights import WeightsCard

if TYPE_CHECKING:
    from fovea.nets.stages import TorchNetwork

SIZE_PX = 224
"""The side of pictures where a network takes any."""
_PASSED = ("Input", "Random", "Resizing", "CenterCrop", "ZeroPadding2D", "GetItem", "Stack", "Flip")
_SCALES = {"Rescaling", "Normalization", "TrueDivide", "Divide", "Multiply", "Subtract", "Add"}


def build_keras(
    spec: str,
    *,
    weights: Path | None = None,
    stages: tuple[str, ...] = (),
    offline: bool = True,
    folders: Sequence[Path] = (),
    downloads: Path,
) -> NamedNetwork:
    """Return the network that `keras:NAME` names, or that a `.keras` file holds, pooled.

    Without `weights` the official ones: in `folders`, in `downloads` or in keras' own cache, else fetched by keras' code
    into `downloads` unless `offline`. A `.keras` file is a whole network; NAME then tells how pixels enter it, where its
    layers do not: `keras:VGG16` as VGG16, or one of `SCALINGS`. `stages` are taken instead of the network's own.

    Raises BackboneError, MissingInputError, MissingExtraError.
    """
    name = spec.removeprefix("keras:")
    if weights is not None and weights.suffix == ".keras":
        held = read_keras_file(weights)
        keras = import_keras()
        scaling, told = scaling_of_file(keras, held, name=name)
        model = load_keras_model(keras, held)
        licence, source, file, title = "unknown", f"{weights.name}, pixels {told}", weights, "file"
    else:
        keras = import_keras()
        title = find_application(keras, name)
        scaling, licence = scaling_of(keras, title), licence_of(title)
        if weights is None:
            model, file, source = official_application(
                keras, title, folders=folders, downloads=downloads, offline=offline
            )
        else:
            model = build_application(keras, title)
            load_application_weights(keras, model, weights, name=title)
            licence, source, file = "unknown", weights.name, weights
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return _pooled(
        keras,
        model,
        scaling,
        title=title,
        shown=title if file.suffix != ".keras" else file.name,
        stages=stages,
        licence=licence,
        source=source,
        sha256=sha256,
    )


def outline_keras(spec: str) -> tuple["TorchNetwork", tuple[Layer, ...], str]:
    """Return the network that `keras:NAME` names, with random weights, or a `.keras` file holds, its layers and name.

    Nothing is fetched. Raises BackboneError, MissingInputError, MissingExtraError.
    """
    if spec.endswith(".keras"):
        held = read_keras_file(Path(spec))
        keras = import_keras()
        model, title = load_keras_model(keras, held), held.file.name
    else:
        keras = import_keras()
        title = find_application(keras, spec.removeprefix("keras:"))
        model = build_application(keras, title)
    size_px = side_px(model, title=spec)
    network = torch_network(keras, model, shape_px=(size_px, size_px), bgr=False)
    return network, observe(network, size_px=size_px), title


def _pooled(
    keras: Any,
    model: Any,
    scaling: Scaling,
    *,
    title: str,
    shown: str,
    stages: tuple[str, ...],
    licence: str,
    source: str,
    sha256: str,
) -> NamedNetwork:
    size_px = side_px(model, title=shown)
    network = torch_network(keras, model, shape_px=(size_px, size_px), bgr=scaling.bgr)
    places = places_of(network, library="keras", architecture=shown, size_px=size_px, stages=stages)
    card = WeightsCard(
        library="keras",
        architecture=title,
        size_px=size_px,
        mean=scaling.mean,
        std=scaling.std,
        kwargs={"order": "bgr"} if scaling.bgr else {},
        licence=licence,
        source=source,
    )
    pooled = pooled_network(network, places=places, mean=scaling.mean, std=scaling.std)
    return NamedNetwork(pooled=pooled, card=card, weights_sha256=sha256)


def side_px(model: Any, *, title: str, usual_px: int = SIZE_PX) -> int:
    """Return the side of the square pictures that a model takes, `usual_px` where it takes any; others raise BackboneError."""
    first = {3: 1, 1: 2}[planes_of(model)[1]]
    height_px, width_px = (int(side or usual_px) for side in model.input_shape[first : first + 2])
    if height_px != width_px:
        raise BackboneError(
            f"{title!r} takes pictures of {height_px} x {width_px} px, and only square ones are read of keras. Give another "
            "network."
        )
    return height_px


def load_keras_model(keras: Any, held: KerasFile) -> Any:
    """Return the network of a checked file, with its weights. Raises BackboneError."""
    with tempfile.TemporaryDirectory(prefix="fovea-keras-") as place:
        tensors = unpack_weights(held.file, Path(place))
        try:
            with quiet(keras):
                model = keras.saving.deserialize_keras_object(held.config, safe_mode=True)
                model.load_weights(str(tensors))
        except Exception as error:  # what does not fit is told by keras in many ways
            raise BackboneError(
                f"The network in {str(held.file)!r} cannot be built by keras {keras.__version__} (saved by {held.version}): "
                f"{' '.join(str(error).split())[:300]} Save it again with model.save('NAME.keras')."
            ) from error
    return model


def scaling_of_file(keras: Any, held: KerasFile, *, name: str) -> tuple[Scaling, str]:
    """Return how pixels enter a user's network, and that in words. Raises BackboneError where nothing tells."""
    if name in SCALINGS:
        return SCALINGS[name], f"as {name}"
    if name:
        found = find_application(keras, name)
        return scaling_of(keras, found), f"as in {found}"
    try:
        scaled, inside = _scales_itself(held.config), _application_inside(keras, held.config)
    except (TypeError, AttributeError, KeyError) as error:
        raise not_as_keras(held.file, error) from error
    if scaled:
        return SCALINGS["raw"], "scaled by its own layers"
    if inside:
        return scaling_of(keras, inside), f"as in {inside}, which is in it"
    raise BackboneError(
        f"{str(held.file)!r} does not say how pixels enter it: no layer behind its input scales them. Say it: --backbone "
        "keras:unit (0 to 1), keras:tf (-1 to 1), keras:torch or keras:caffe (by ImageNet's mean), keras:raw (0 to 255), "
        f"or the network whose preprocess_input was used, as in --backbone keras:VGG16 --weights {held.file.name}."
    )


def _scales_itself(model: Config) -> bool:
    """Return whether a layer directly behind a model's input scales pixels."""
    passed: set[str] = set()
    for layer in model["config"].get("layers", ()):
        kind, name = str(layer.get("class_name")), str(layer.get("name") or layer["config"].get("name"))
        before = set(_inbound(layer.get("inbound_nodes", ())))
        if before and not before <= passed:
            continue
        if kind in _SCALES:
            return True
        if "layers" in layer["config"]:
            return _scales_itself(layer)
        if kind.startswith(_PASSED):
            passed.add(name)
        elif model["class_name"] == "Sequential":
            return False
    return False


def _inbound(value: Any) -> list[str]:
    """Return the names of the layers that a layer's description says enter it."""
    if isinstance(value, dict):
        history = value.get("keras_history")
        if isinstance(history, list) and history:
            return [str(history[0])]
        return [name for one in value.values() for name in _inbound(one)]
    if isinstance(value, list):
        return [name for one in value for name in _inbound(one)]
    return []


def _application_inside(keras: Any, model: Config) -> str:
    """Return the network of keras.applications that a model is, or holds, by its name; "" where there is none."""
    known = {name.lower(): name for name in applications(keras)}
    names = [model["config"].get("name", "")]
    names += [
        one["config"].get("name", "")
        for one in model["config"].get("layers", ())
        if "layers" in one["config"]
    ]
    for name in names:
        fitting = [one for one in known if str(name).lower().replace("_", "").startswith(one)]
        if fitting:
            return known[max(fitting, key=len)]
    return ""
