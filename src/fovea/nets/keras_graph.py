"""A keras network as a torch one: normalised planes in, every layer reachable by its name, in torch's own layout.

Keras keeps channels last, and on torch every convolution turns its maps around and back: laid out anew with channels
first a network converts to one that is up to three times as fast. That is tried, and taken where the answers agree.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from fovea.errors import BackboneError
from fovea.nets.keras_start import quiet

if TYPE_CHECKING:
    import torch

_LAST_AXIS = {
    "BatchNormalization",
    "LayerNormalization",
    "GroupNormalization",
    "Normalization",
    "Concatenate",
    "Softmax",
}
_NO_PLACES = ("Input", "ZeroPadding", "Cropping", "Dropout", "SpatialDropout", "Gaussian", "Alpha", "Random")
_REASONS = (ValueError, TypeError, RuntimeError, AssertionError, IndexError)  # why a network takes no picture
SAME_ANSWER = 1e-4  # of the largest value, in float32
_SEEDS_APART = 0x9E3779B1  # a generator counts up from its seed by ones: neighbours would draw alike


def torch_network(keras: Any, model: Any, *, shape_px: tuple[int, int], bgr: bool) -> "torch.nn.Module":
    """Return a module from planes (n, 3, h, w) float32, RGB, normalised, to what the keras model answers.

    Its submodules are the model's layers by name; those of a model inside it are called `inner.layer`. `maps_axis` is the
    axis of channels in their maps: 1 where the network could be laid out anew, else 3. With `bgr` blue enters first.
    Raises BackboneError where the network cannot take pictures.
    """
    import torch

    with quiet(keras):
        generator = torch.Generator().manual_seed(0)
        planes = torch.randn((1, 3, *shape_px), generator=generator)
        network = _network(keras, model, bgr=bgr)
        expected = network.answer(planes, as_converted=False)  # type: ignore[operator]
        again = _channels_first(keras, model)
        for candidate in (again, model):
            if candidate is None:
                continue
            found = network if candidate is model else _network(keras, candidate, bgr=bgr)
            if _agree(found, planes, expected):
                return found
    raise BackboneError(
        f"The keras network {model.name!r} answers differently where its operations are called by the names that the "
        "converter knows. Give another network."
    )


def _agree(network: "torch.nn.Module", planes: "torch.Tensor", expected: "torch.Tensor") -> bool:
    import torch

    with torch.inference_mode():
        try:
            found = network(planes)
        except BackboneError:
            return False
    largest = expected.abs().max()
    return found.shape == expected.shape and bool((expected - found).abs().max() <= SAME_ANSWER * largest)


def layers_of(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (name, layer) of a model and of the models in it, in the order of its configuration.

    Names are keras's, but for dots, and for words that every torch module has as methods, such as "half": "half_".
    """
    import torch

    for layer in model.layers:
        own = layer.name.replace(".", "_")
        name = f"{prefix}{own}_" if hasattr(torch.nn.Module, own) else prefix + own
        yield name, layer
        if hasattr(layer, "layers"):
            yield from layers_of(layer, f"{name}.")


def _linear_answers(keras: Any, model: Any) -> None:
    """Take the softmax or sigmoid off the end, a layer of its own too: stages, and losses, are of the logits."""
    last = model.layers[-1]
    while hasattr(last, "layers"):
        last = last.layers[-1]
    if getattr(last, "activation", None) in (keras.activations.softmax, keras.activations.sigmoid):
        last.activation = keras.activations.linear
    if isinstance(last, keras.layers.Softmax):
        last.call = lambda inputs, mask=None: inputs


def _network(keras: Any, model: Any, *, bgr: bool) -> "torch.nn.Module":
    import torch

    _linear_answers(keras, model)
    aliases = _without_aliases()
    n_planes, axis = planes_of(model)

    class KerasNetwork(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps_axis = axis
            self._run: Callable[[torch.Tensor], Any] = lambda planes: model(planes, training=self.training)
            self._generators = [one for one in model.variables if one.name == "seed_generator_state"]
            for name, layer in layers_of(model):
                _add(self, name, layer)
                kernel = getattr(layer, "kernel", None)
                if kernel is not None:  # (..., n_in, n_out); see `places`
                    layer.widths = tuple(kernel.shape[-2:])
            self._hold_statistics()

        def _hold_statistics(self) -> None:
            """Let what is not learned (statistics, frozen weights) be buffers, as training expects; they are saved as weights."""
            frozen = (one for one in self.parameters() if one.is_floating_point() and not one.requires_grad)
            for number, held in enumerate(frozen):
                self.register_buffer(f"held_{number}", held, persistent=False)

        def keep_statistics(self) -> None:
            """Let batch normalisation answer by the statistics that it has, in training too, as keras' frozen layers do."""
            for _, layer in layers_of(model):
                if type(layer).__name__ == "BatchNormalization":
                    layer.trainable = False
            self._hold_statistics()

        def seed_draws(self, seed: int) -> None:
            """Seed what keras' layers draw from beside torch's generator: noise, masks of whole maps, random pictures.

            Each has a generator of its own, which begins anywhere whenever the model is built, and stands in no checkpoint; a
            seed that the model's configuration gives to a layer is overridden too.
            """
            with keras.device("cpu"):
                for number, state in enumerate(self._generators):
                    state.assign([(seed + number * _SEEDS_APART) % 2**31, 0])

        def _apply(self, fn: Any, recurse: bool = True) -> Any:
            super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
            self._hold_statistics()
            return self

        def __deepcopy__(self, memo: Any) -> torch.nn.Module:
            with quiet(keras):
                again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
                again.set_weights(model.get_weights())
                return _network(keras, again, bgr=bgr).train(self.training)

        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            return self.answer(planes)

        def answer(self, planes: torch.Tensor, *, as_converted: bool = True) -> torch.Tensor:
            planes = _entering(planes, n_planes=n_planes, bgr=bgr)
            turned = planes.permute(0, 2, 3, 1) if axis == 3 else planes
            try:
                converts = as_converted and not self.training
                with keras.device(planes.device.type), aliases if converts else contextlib.nullcontext():
                    return cast("torch.Tensor", self._run(turned))
            except BackboneError:
                raise
            except _REASONS as error:
                raise _refusal(model, planes, error) from error

    return KerasNetwork().eval()


def _entering(planes: "torch.Tensor", *, n_planes: int, bgr: bool) -> "torch.Tensor":
    """Return RGB planes (n, 3, h, w) as a model takes them: blue first, or one of grey as Pillow makes it."""
    import torch

    planes = planes.flip(1) if bgr else planes
    if n_planes != 1:
        return planes
    weights = torch.tensor([0.299, 0.587, 0.114], device=planes.device).reshape(1, 3, 1, 1)
    return (planes * weights).sum(1, keepdim=True)


def _refusal(model: Any, planes: "torch.Tensor", error: Exception) -> BackboneError:
    size = " x ".join(str(int(side)) for side in planes.shape[2:])
    reason = " ".join(str(error).split())[:300]
    return BackboneError(f"The keras network {model.name!r} does not take pictures of {size} px: {reason}")


def _add(network: "torch.nn.Module", path: str, layer: Any) -> None:
    """Put a layer into a network under its path, through the empty modules that stand for the models around it.

    Layers that change nothing in a trained network, or only its size, are no places for features.
    """
    import torch

    if type(layer).__name__.startswith(_NO_PLACES):
        return

    *outer, name = path.split(".")
    inner: Any = network
    for step in outer:
        inner = inner._modules[step]
    inner._modules[name] = (
        torch.nn.Module() if hasattr(layer, "layers") else layer
    )  # a name like "type" is fine here


def planes_of(model: Any) -> tuple[int, int]:
    """Return how many planes enter a model (3 or 1), and their axis (1 or 3). Raises BackboneError."""
    shapes = model.input_shape
    shape = (
        tuple(shapes) if isinstance(shapes, tuple | list) and not isinstance(shapes[0], tuple | list) else ()
    )
    if len(shape) == 4:
        if shape[3] in (1, 3):
            return int(shape[3]), 3
        if shape[1] in (1, 3):
            return int(shape[1]), 1
    raise BackboneError(
        f"The keras network {model.name!r} takes {shapes}, and not pictures: one input of (height, width, 3) or "
        "(height, width, 1) is needed. Give another network."
    )


def _without_aliases() -> Any:
    """Return a mode in which torch's functions are called by the one name each that the converter knows."""
    import torch
    from torch.overrides import TorchFunctionMode

    same = {
        torch.subtract: torch.sub,
        torch.multiply: torch.mul,
        torch.divide: torch.div,
        torch.true_divide: torch.div,
        torch.Tensor.subtract: torch.sub,
        torch.Tensor.multiply: torch.mul,
        torch.Tensor.divide: torch.div,
        torch.absolute: torch.abs,
        torch.concatenate: torch.cat,
        torch.negative: torch.neg,
        torch.Tensor.mul_: torch.mul,  # used in chains only; that it is so is checked against keras itself
        torch.Tensor.add_: torch.add,
        torch.Tensor.rsqrt_: torch.rsqrt,
    }

    class OneName(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if "padding" in kwargs and isinstance(
                kwargs["padding"], tuple | list
            ):  # reckoned from a traced size
                kwargs["padding"] = tuple(int(side) for side in kwargs["padding"])
            return same.get(func, func)(*args, **kwargs)

    return OneName()


def _channels_first(keras: Any, model: Any) -> Any:
    """Return the same model with channels first and the same weights, or None where it cannot be built so."""
    if planes_of(model)[1] == 1:
        return None
    try:
        told = keras.saving.serialize_keras_object(model)
        config = turned(json.loads(json.dumps(told)))  # with lists for tuples, as in a file
        again = keras.saving.deserialize_keras_object(config, safe_mode=True)
        again.set_weights(model.get_weights())
    except Exception:  # a layer that has no other layout says so in any way
        return None
    return again


def turned(config: Any) -> Any:
    """Return a model's configuration with channels first: layouts, axes, and every shape of maps in it."""
    if isinstance(config, list):
        return [turned(one) for one in config]
    if not isinstance(config, dict):
        return config
    config = {key: turned(value) for key, value in config.items()}
    for key in ("batch_shape", "input_shape", "shape"):
        if key in config:
            config[key] = _turned_shape(config[key])
    if config.get("data_format") == "channels_last":
        config["data_format"] = "channels_first"
    name, inner = config.get("class_name"), config.get("config")
    if isinstance(inner, dict) and name in _LAST_AXIS and _takes_maps(config):
        axes = inner.get("axis")
        if axes in (-1, 3):
            inner["axis"] = 1
        elif axes in ([-1], [3]):
            inner["axis"] = [1]
    if isinstance(inner, dict) and name == "Reshape" and list(inner.get("target_shape", ()))[:2] == [1, 1]:
        inner["target_shape"] = [inner["target_shape"][-1], 1, 1]
    if isinstance(inner, dict) and name == "Rescaling":
        for key in ("scale", "offset"):
            if isinstance(inner.get(key), list):  # a value a channel
                inner[key] = [[[value]] for value in inner[key]]
    return config


def _turned_shape(shape: Any) -> Any:
    if isinstance(shape, list) and shape and isinstance(shape[0], list):  # of a layer with several inputs
        return [_turned_shape(one) for one in shape]
    if isinstance(shape, list) and len(shape) == 4:
        n, h, w, c = shape
        return [n, c, h, w]
    return shape


def _takes_maps(layer: dict[str, Any]) -> bool:
    """Return whether a layer's (first) input has four axes, by what its configuration says of it."""
    shape = (layer.get("build_config") or {}).get("input_shape") or _first_shape(layer.get("inbound_nodes"))
    if isinstance(shape, list) and shape and isinstance(shape[0], list):
        shape = shape[0]
    return isinstance(shape, list) and len(shape) == 4


def _first_shape(value: Any) -> Any:
    """Return the shape of the first tensor in the description of what enters a layer, or None."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return value["config"]["shape"]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((shape for one in inner if (shape := _first_shape(one)) is not None), None)
