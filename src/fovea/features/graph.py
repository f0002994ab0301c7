"""The layers of a network's graph: which there are, which of them to take as features, and the graph that pools them.

In: a network as the runtime read it, its input fixed to one size of picture, its batch open. Out: the same, from uint8
(n, h, w, 3) to float32 (n, d). Layers are found by what reads them: a map is what a convolution has made of a picture
when its bias, scaling and activation are done. openvino itself comes in through `openvino.py`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Graph: TypeAlias = Any  # openvino.Model
POOLS = ("mean", "max", "root", "flat", "softmax")
_CONVOLUTIONS = {"Convolution", "GroupConvolution"}
_WINDOWS = {"MaxPool", "AvgPool"}
_SOFTMAXES = {"Softmax", "LogSoftmax"}
_MOVES = {"Reshape", "Squeeze", "Unsqueeze", "Transpose", "Split", "VariadicSplit", "Convert"} | {
    *("Gather", "Slice", "StridedSlice", "Pad", "Broadcast", "Sigmoid")
}
_ACTIVATIONS = {
    "Relu",
    "Clamp",
    "Minimum",
    "Swish",
    "HSwish",
    "Multiply",
}  # x * sigmoid(x) is often a product
_IMAGENET_WIDTHS = (1000, 1001)  # the second with a class for the background
_MOST_SAME_SIZE = 3  # maps of the last size that are taken


@dataclass(frozen=True, slots=True)
class Layer:
    """A place in a graph: `name` is the node's, `tensor` what the file calls its output.

    `shape` is that for one picture, without the batch: (c, h, w), (t, c) or (c,). `origin` is the kind of operation that
    made it, before bias and activation. `is_trunk`: whatever goes from the picture to the answer goes through it.
    `is_widened`: made by a depthwise convolution, and no longer signed.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    origin: str
    is_trunk: bool
    is_widened: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def n_channels(self) -> int:
        """How many columns it gives when it is pooled."""
        return self.shape[-1] if len(self.shape) == 2 else self.shape[0]

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of a map; None where there is no space."""
        return (self.shape[1], self.shape[2]) if len(self.shape) == 3 else None


@dataclass(frozen=True, slots=True)
class Taken:
    """A layer and how it is pooled over space: "mean", "max", "root", "flat" (as it is) or "softmax"."""

    layer: Layer
    pool: str

    @property
    def name(self) -> str:
        """The stage's name, as in `conv5:mean`."""
        return f"{self.layer.name}:{self.pool}"


def find_layers(graph: Graph) -> tuple[Layer, ...]:
    """Return the layers of a graph with an open batch in the order of computing."""
    nodes = graph.get_ordered_ops()
    forward, backward = _paths(graph, nodes)
    total = max(forward.values(), default=0) and max(
        backward[node.get_name()] for node in graph.get_parameters()
    )
    found: list[Layer] = []
    origins: dict[str, str] = {}
    planar: set[str] = set()
    names: set[str] = set()
    for node in nodes:
        key, kind = node.get_name(), node.get_type_name()
        data = [one for one in _sources(node) if forward.get(one.get_name())]
        if not data or not forward.get(key):
            continue
        changes = kind in _CONVOLUTIONS | _WINDOWS | _MOVES | _SOFTMAXES | {"MatMul"} or len(data) > 1
        origins[key] = kind if changes else origins.get(data[0].get_name(), kind)
        if kind in _CONVOLUTIONS | _WINDOWS or (
            kind not in _MOVES | {"MatMul"} and any(one.get_name() in planar for one in data)
        ):
            planar.add(key)
        if not backward.get(key) or kind in _MOVES or not _is_read(node, forward):
            continue
        shape = _shape(node.output(0), planar=key in planar)
        tensor = min(node.output(0).get_names(), default="")
        if shape is None or not tensor:
            continue
        is_trunk = forward[key] * backward[key] == total
        if len(shape) == 3 and shape[1:] == (1, 1) and not is_trunk:  # a gate, as in squeeze-and-excitation
            continue
        name = node.get_friendly_name() or tensor
        is_widened = origins[key] == "GroupConvolution" and kind in _ACTIVATIONS
        name = tensor if name in names else name
        found.append(Layer(name, tensor, shape, origins[key], is_trunk, is_widened))
        names.add(name)
    return _with_aliases(found)


def _paths(graph: Graph, nodes: Sequence[Any]) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many ways lead from the picture to each node, and from each node to the answer.

    Where their product is the number of ways through the whole network, none goes around the node.
    """
    answer = next((one for one in graph.get_results() if len(one.get_output_partial_shape(0)) == 2), None)
    answer = answer or graph.get_results()[0]
    forward: dict[str, int] = {}
    for node in nodes:
        key, kind = node.get_name(), node.get_type_name()
        if kind == "Parameter":
            forward[key] = 1
        elif kind != "ShapeOf":
            forward[key] = sum(forward.get(one.get_name(), 0) for one in _sources(node))
    backward: dict[str, int] = {answer.get_name(): 1}
    for node in reversed(nodes):
        if node.get_type_name() != "ShapeOf":
            n_ways = sum(backward.get(one.get_name(), 0) for one in _readers(node))
            backward[node.get_name()] = backward.get(node.get_name(), 0) + n_ways
    return forward, backward


def _sources(node: Any) -> list[Any]:
    return [one.get_node() for one in node.input_values()]


def _readers(node: Any) -> list[Any]:
    return [one.get_node() for output in node.outputs() for one in output.get_target_inputs()]


def _is_read(node: Any, forward: dict[str, int]) -> bool:
    """Return whether more than a bias, a scaling or an activation comes next."""
    for reader in _readers(node):
        kind = reader.get_type_name()
        n_data = sum(bool(forward.get(one.get_name())) for one in _sources(reader))
        ends = _CONVOLUTIONS | _WINDOWS | _MOVES | _SOFTMAXES | {"MatMul", "Result"}
        if n_data > 1 or kind in ends or kind.startswith(("Reduce", "MVN", "AdaptiveAvgPool")):
            return True
    return False


def _shape(output: Any, *, planar: bool) -> tuple[int, ...] | None:
    """Return an output's shape without the batch, channels first for maps; None where it is no layer's."""
    shape = output.get_partial_shape()
    if shape.rank.is_dynamic or not 2 <= len(shape) <= 4 or shape[0].is_static:
        return None
    if not output.get_element_type().is_real() or any(one.is_dynamic for one in list(shape)[1:]):
        return None
    sides = tuple(one.get_length() for one in list(shape)[1:])
    return None if len(sides) == 3 and not planar else sides


def _with_aliases(layers: list[Layer]) -> tuple[Layer, ...]:
    """Add what people call the three fully connected layers of AlexNet and VGG, and the answers."""
    connected = [layer for layer in layers if layer.origin == "MatMul" and len(layer.shape) == 1]
    names: dict[str, tuple[str, ...]] = {}
    logits = _logits(layers)
    if logits is not None:
        names[logits.tensor] = ("logits",)
    if len(connected) == 3:
        for layer, name in zip(connected, ("fc6", "fc7", "fc8"), strict=True):
            names[layer.tensor] = (name, *names.get(layer.tensor, ()))
    return tuple(dataclasses.replace(one, aliases=names.get(one.tensor, ())) for one in layers)


def usual_places(layers: Sequence[Layer]) -> tuple[Taken, ...]:
    """Return what to take where nothing is said: late maps, the last hidden vector, the answers as a softmax.

    Of maps: the last before each halving and those of the last size that everything goes through. In networks of
    depthwise convolutions the widened maps behind these, as roots: measured in lab/LOG.md.
    """
    tokens = [layer for layer in layers if len(layer.shape) == 2 and layer.is_trunk]
    taken = [Taken(layer, "mean") for layer in tokens[-_MOST_SAME_SIZE:]] or _usual_maps(layers)
    vectors = [layer for layer in layers if len(layer.shape) == 1]
    logits = _logits(layers)
    hidden = [
        layer for layer in vectors if layer is not logits and layer.origin == "MatMul" and layer.is_trunk
    ]
    taken += [Taken(layer, "flat") for layer in hidden[-1:]]
    return (*taken, *([Taken(logits, "softmax")] if logits else []))


def _usual_maps(layers: Sequence[Layer]) -> list[Taken]:
    maps = [layer for layer in layers if layer.size and layer.size != (1, 1)]
    maps = [layer for layer in maps if layer.origin not in _WINDOWS] or maps
    trunk = [layer for layer in maps if layer.is_trunk] or maps
    if not trunk:
        return []
    sizes = list(dict.fromkeys(layer.size for layer in trunk))
    around = [layer for layer in maps if layer.is_widened and layer.size in sizes[-2:]]
    if len(around) >= 4:
        last = [layer for layer in around if layer.size == sizes[-1]]
        earlier = [layer for layer in around if layer.size != sizes[-1]][-2:]
        chosen = [*earlier, *last, *([trunk[-1]] if trunk[-1] not in last else [])]
        return [Taken(layer, "root") for layer in chosen]
    earlier = [[layer for layer in trunk if layer.size == size][-1] for size in sizes[-3:-1]]
    last = [layer for layer in trunk if layer.size == sizes[-1]]
    widest = max(layer.n_channels for layer in last)
    last = [layer for layer in last if layer.n_channels >= widest / 2][-_MOST_SAME_SIZE:]
    return [*(Taken(layer, "mean") for layer in (*earlier, *last)), Taken(last[-1], "max")]


def _logits(layers: Sequence[Layer]) -> Layer | None:
    """Return the layer whose softmax are the classes' probabilities, if the network ends in one."""
    last = layers[-1] if layers else None
    if last is None or last.size not in (None, (1, 1)):
        return None
    if len(layers) > 1 and last.origin in _SOFTMAXES:
        last = layers[-2]
    is_connected = last.origin == "MatMul" and len(last.shape) == 1
    return last if is_connected or last.n_channels in _IMAGENET_WIDTHS else None


def named_place(name: str, layers: Sequence[Layer]) -> Taken | None:
    """Return what `name` means: a node, a tensor, an alias or a module's last layer, with `:POOL` behind it or without."""
    layer = _named(name, layers)
    if layer is not None:
        return Taken(layer, "flat" if len(layer.shape) == 1 else "mean")
    before, _, pool = name.rpartition(":")
    layer = _named(before, layers) if pool in POOLS else None
    if layer is None or (pool in ("flat", "softmax")) != (len(layer.shape) == 1 or layer.size == (1, 1)):
        return None
    return Taken(layer, pool)


def _named(name: str, layers: Sequence[Layer]) -> Layer | None:
    for layer in layers:
        if name in (layer.name, layer.tensor, *layer.aliases):
            return layer
    return next((layer for layer in reversed(layers) if name in layer.name.split("/")), None)


def open_batch(graph: Graph, ops: Any) -> None:
    """Let any number of pictures through a graph that was written for one: its input's first side is 1 when called.

    A network traced with one picture holds that 1 in reshapes and in what is joined to its tokens.
    """
    forward, _ = _paths(graph, graph.get_ordered_ops())
    for node in graph.get_ordered_ops():
        kind = node.get_type_name()
        sources = node.input_values()
        if kind == "Reshape" and forward.get(sources[0].get_node().get_name()):
            target = sources[1].get_node()
            if target.get_type_name() == "Constant" and _begins_with_one(sources[0]):
                sides = np.array(target.get_data(), np.int64)
                if len(sides) > 1 and sides[0] == 1:
                    sides[0] = 0
                    again = ops.reshape(sources[0], sides, special_zero=True)
                    _put_in_place(node, again)
        elif kind == "Concat" and node.get_axis() != 0:
            data = [one for one in sources if forward.get(one.get_node().get_name())]
            for number, one in enumerate(sources):
                if data and not forward.get(one.get_node().get_name()) and _begins_with_one(one):
                    n = ops.gather(ops.shape_of(data[0]), np.array([0]), np.array(0))
                    sides = np.array(
                        [one.get_length() for one in list(one.get_partial_shape())[1:]], np.int64
                    )
                    spread = ops.broadcast(one, ops.concat([n, ops.constant(sides)], 0))
                    node.input(number).replace_source_output(spread.output(0))


def _begins_with_one(output: Any) -> bool:
    shape = output.get_partial_shape()
    return shape.is_static and len(shape) > 0 and shape[0].get_length() == 1


def _put_in_place(old: Any, new: Any) -> None:
    names = set(old.output(0).get_names())
    new.set_friendly_name(old.get_friendly_name())
    old.output(0).replace(new.output(0))
    new.output(0).set_names(names)


def pooled_output(output: Any, pool: str, ops: Any) -> Any:
    """Return the node that pools an output (n, c, h, w), (n, t, c) or (n, c) to float32 (n, c)."""
    rank = len(output.get_partial_shape())
    whole = ops.convert(output, "f32") if output.get_element_type().get_type_name() != "f32" else output
    axes = np.array({4: (2, 3), 3: (1,)}.get(rank, ()), np.int64)
    if pool == "max":
        return ops.reduce_max(whole, axes)
    mean = ops.reduce_mean(whole, axes) if rank > 2 else whole
    if pool == "root":
        return ops.multiply(ops.sign(mean), ops.sqrt(ops.abs(mean)))
    return ops.sqrt(ops.sqrt(ops.softmax(mean, 1))) if pool == "softmax" else mean
