"""ONNX files into backbone folders, without torch: read by the runtime, cut, pooled, and compared with themselves.

What comes out takes any number of uint8 pictures; scaling and pooling are part of its graph.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import BackboneError, InputError
from fovea.features.card import NETWORK, BackboneCard, write_card
from fovea.features.convert import example_pictures, stage_differences, where_they_part
from fovea.features.encoder import Features, Pixels, Preprocess, Stage
from fovea.features.graph import (
    Graph,
    Layer,
    Taken,
    find_layers,
    named_place,
    open_batch,
    pooled_output,
    usual_places,
)
from fovea.features.openvino import (
    CompiledNetwork,
    compile_taps,
    fold_constants,
    operations,
    outputs_by_name,
    read_graph,
    readable,
    write_graph,
)
from fovea.features.outline import ONNX_VERSION, OnnxFacts, Outline

LARGEST_DIFFERENCE = 1e-3  # of the largest feature, in float32: sums in another order; residual networks 1e-6
_USUAL_SIZE_PX = 224
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # as Pillow makes grey of red, green and blue


@dataclass(frozen=True, slots=True)
class _Opened:
    """A graph with an open batch, and its layers for pictures of `height_px` x `width_px` in `n_planes` (3; 1: grey)."""

    graph: Graph
    layers: tuple[Layer, ...]
    height_px: int
    width_px: int
    is_nhwc: bool
    n_planes: int

    def shape(self, n: int, height_px: int, width_px: int) -> list[int]:
        """Return the shape of n pictures of this size as they enter."""
        planes = (
            [height_px, width_px, self.n_planes] if self.is_nhwc else [self.n_planes, height_px, width_px]
        )
        return [n, *planes]


def list_onnx_layers(outline: Outline, facts: OnnxFacts) -> tuple[tuple[Layer, ...], tuple[Taken, ...]]:
    """Return the layers of an ONNX file, and those that are taken where nothing is said. Raises BackboneError."""
    opened = _open(outline.file, facts)
    return opened.layers, usual_places(opened.layers)


def convert_onnx(
    outline: Outline, folder: Path, *, facts: OnnxFacts, sha256: str, stages: tuple[str, ...] = ()
) -> None:
    """Write the backbone of an ONNX file into the empty `folder`.

    Raises InputError for an unknown stage; BackboneError where the network takes or gives something else than a
    classifier of pictures does, or answers otherwise than its file; OSError where `folder` cannot be written.
    """
    opened = _open(outline.file, facts)
    taken = _choose(stages, opened.layers, name=facts.name)
    size = opened.height_px, opened.width_px
    write = partial(_write_pooled, opened, taken, folder / NETWORK, facts=facts)
    compare = partial(_difference, opened, taken, outline.file, converted=folder / NETWORK, facts=facts)
    any_shape = False
    other = size[0] + 32, max(32, size[1] - 32)
    if _fits(opened, size=other):
        try:
            write(size=(-1, -1))
            any_shape = max(compare(size=other).values()) <= LARGEST_DIFFERENCE
        except (RuntimeError, BackboneError):  # it holds numbers that fit its own size only
            any_shape = False
    with readable(outline.file):
        if not any_shape:
            write(size=size)
        differences = compare(size=size)
    difference = max(differences.values())
    if not difference <= LARGEST_DIFFERENCE:
        raise BackboneError(
            f"{where_they_part(differences, name=facts.name, allowed=LARGEST_DIFFERENCE)} Where it was written for one picture "
            "at a time, export it again with an open (dynamic) batch."
        )
    is_scaled = opened.graph.inputs[0].get_element_type().get_type_name() != "u8"
    structure = {"onnx": ONNX_VERSION, "mean": facts.mean, "std": facts.std}
    named = any(one.pool == "softmax" and one.layer.n_channels == len(facts.class_names) for one in taken)
    card = BackboneCard(
        name=facts.name,
        structure=json.dumps(structure, sort_keys=True),
        weights_sha256=sha256,
        stages=_stages_of(taken),
        preprocess=Preprocess(height_px=opened.height_px, width_px=opened.width_px, crop=facts.crop),
        licence=facts.licence,
        source=facts.source,
        difference=difference,
        any_shape=any_shape,
        class_names=facts.class_names if named else (),
        notes=facts.notes if is_scaled else (),
    )
    write_card(folder, card)


def _open(file: Path, facts: OnnxFacts) -> _Opened:
    graph = read_graph(file)
    with readable(file):
        is_nhwc, n_planes, height_px, width_px = _input_of(graph, file, size_px=facts.size_px)
    opened = _Opened(graph, (), height_px, width_px, is_nhwc, n_planes)
    try:
        graph.reshape(opened.shape(1, height_px, width_px))
        open_batch(graph, operations())
        graph.reshape(opened.shape(-1, height_px, width_px))
        fold_constants(graph)
    except RuntimeError as error:
        raise BackboneError(
            f"The network in {str(file)!r} cannot take several pictures of {height_px} x {width_px} px at once. "
            "Export it again with an open (dynamic) batch."
        ) from error
    with readable(file):
        return replace(opened, layers=find_layers(graph))


def _input_of(graph: Graph, file: Path, *, size_px: int | None) -> tuple[bool, int, int, int]:
    """Return whether channels come last, how many there are, height and width.

    Raises BackboneError where no picture can enter.
    """
    if len(graph.inputs) != 1:
        names = ", ".join(one.get_any_name() for one in graph.inputs) or "none"
        raise BackboneError(
            f"The network in {str(file)!r} has {len(graph.inputs)} inputs ({names}); one that takes a picture and nothing "
            "else is needed."
        )
    shape, kind = graph.inputs[0].get_partial_shape(), graph.inputs[0].get_element_type().get_type_name()
    sides = [] if shape.rank.is_dynamic else [one.get_length() if one.is_static else -1 for one in shape]
    ends = (sides[1], sides[3]) if len(sides) == 4 else ()
    n_planes = next((n for n in (3, 1) if n in ends), 3)
    if n_planes not in ends and -1 not in ends:
        raise BackboneError(
            f"The network in {str(file)!r} takes {kind} {shape}, and a picture is [n, 3, height, width] or "
            "[n, height, width, 3], or 1 in place of 3 for grey ones. Take a network for pictures."
        )
    if kind not in {"f32", "f16", "u8"}:
        raise BackboneError(
            f"The network in {str(file)!r} takes {kind} numbers; f32, f16 or u8 are needed. Export it again."
        )
    is_nhwc = sides[1] not in (n_planes, -1) or (sides[1] == -1 and sides[3] == n_planes)
    height_px, width_px = sides[1:3] if is_nhwc else sides[2:]
    usual = size_px or _USUAL_SIZE_PX
    return is_nhwc, n_planes, height_px if height_px > 0 else usual, width_px if width_px > 0 else usual


def _choose(stages: Sequence[str], layers: Sequence[Layer], *, name: str) -> tuple[Taken, ...]:
    """Return the layers to take: the named ones, or the usual. Raises InputError, BackboneError."""
    if not stages:
        taken = usual_places(layers)
        if not taken:
            raise BackboneError(
                f"{name!r} has nothing to take features from: no feature map and no fully connected layer lies between "
                "the picture and its answer. Take a network that was trained to classify pictures."
            )
        return taken
    taken = ()
    for stage in stages:
        place = named_place(stage, layers)
        if place is None:
            known = [word for layer in layers for word in (layer.name, *layer.aliases)]
            near = ", ".join(map(repr, get_close_matches(stage, known, n=3, cutoff=0.3) or known[-3:]))
            raise InputError(
                f"{name!r} has no stage {stage!r}; the nearest of its {len(layers)} are {near}. All are listed by "
                "`fovea backbones show`; a pool may follow the name: :mean, :max or :root for maps, :flat or :softmax for "
                "vectors."
            )
        taken = (*taken, *([] if place in taken else [place]))
    return taken


def _write_pooled(
    opened: _Opened, taken: Sequence[Taken], file: Path, *, facts: OnnxFacts, size: tuple[int, int]
) -> None:
    """Write the graph from uint8 (n, h, w, 3) to float32 (n, d); `size` is (h, w), -1 for any. Raises RuntimeError."""
    ops, graph = operations(), opened.graph.clone()
    graph.reshape(opened.shape(-1, *size))
    (old,) = graph.get_parameters()
    kind = old.get_element_type().get_type_name()
    pixels = ops.parameter([-1, *size, 3], np.uint8, name="pixels")
    entering: Any = pixels
    if opened.n_planes == 1:
        entering = ops.matmul(ops.convert(pixels, "f32"), _GREY[:, None], False, False)
    if kind != "u8":  # what takes bytes scales them itself
        shift, scale = (255 * values for values in _scaling(facts, opened.n_planes))
        entering = ops.divide(ops.subtract(ops.convert(entering, "f32"), shift), scale)
    entering = entering if kind == "f32" else ops.convert(entering, kind)
    if not opened.is_nhwc:
        entering = ops.transpose(entering, np.array([0, 3, 1, 2]))
    old.output(0).replace(entering.output(0))
    outputs = outputs_by_name(graph)
    parts = [pooled_output(outputs[one.layer.tensor], one.pool, ops) for one in taken]
    write_graph([ops.concat(parts, 1)], [pixels], file, name=facts.name)


def _scaling(facts: OnnxFacts, n_planes: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and deviation of values in 0..1 for each plane; of grey ones the average of the three."""
    mean, std = np.array(facts.mean, np.float32), np.array(facts.std, np.float32)
    return (mean, std) if n_planes == 3 else (mean.mean(keepdims=True), std.mean(keepdims=True))


def _fits(opened: _Opened, *, size: tuple[int, int]) -> bool:
    """Return whether pictures of another size can go through the whole graph."""
    try:
        opened.graph.clone().reshape(opened.shape(-1, *size))
    except RuntimeError:
        return False
    return True


def _difference(
    opened: _Opened,
    taken: Sequence[Taken],
    file: Path,
    *,
    converted: Path,
    facts: OnnxFacts,
    size: tuple[int, int],
) -> dict[str, float]:
    """Return each stage's largest difference between the written graph and the file's own, over its largest value.

    The file's own computes one picture at a time; NumPy scales and pools. Raises RuntimeError, BackboneError where
    pictures of this size cannot enter.
    """
    height_px, width_px = size
    pixels = example_pictures(height_px=height_px, width_px=width_px)
    expected = _reference(opened, taken, file, facts=facts, pixels=pixels)
    network = CompiledNetwork(converted, height_px=height_px, width_px=width_px, precision="f32", threads=1)
    (found,) = network.run_batches([pixels])
    return stage_differences(found, expected, stages=_stages_of(taken))


def _stages_of(taken: Sequence[Taken]) -> tuple[Stage, ...]:
    edges = [0, *accumulate(one.layer.n_channels for one in taken)]
    return tuple(Stage(one.name, *edge) for one, edge in zip(taken, pairwise(edges), strict=True))


def _reference(
    opened: _Opened, taken: Sequence[Taken], file: Path, *, facts: OnnxFacts, pixels: Pixels
) -> Features:
    graph = read_graph(file)
    graph.reshape(opened.shape(1, *pixels.shape[1:3]))
    kind = graph.inputs[0].get_element_type().to_dtype()
    mean, std = _scaling(facts, opened.n_planes)
    planes = pixels if opened.n_planes == 3 else pixels @ _GREY[:, None]
    planes = planes if kind == np.uint8 else (planes / 255.0 - mean) / std
    planes = planes if opened.is_nhwc else planes.transpose(0, 3, 1, 2)
    tensors = list(dict.fromkeys(one.layer.tensor for one in taken))
    run = compile_taps(graph, tensors)
    rows = []
    for picture in planes.astype(kind):
        found = dict(zip(tensors, run(picture[None]), strict=True))
        rows.append(np.concatenate([_pool(found[one.layer.tensor][0], one.pool) for one in taken]))
    return np.stack(rows).astype(np.float32)


def _pool(values: NDArray[Any], pool: str) -> NDArray[np.float64]:
    """Pool one picture's (c, h, w), (t, c) or (c,) to (c,)."""
    axes = {3: (1, 2), 2: (0,), 1: ()}[values.ndim]
    if pool == "max":
        return np.asarray(values.max(axes), np.float64)
    mean: NDArray[np.float64] = values.mean(axes, dtype=np.float64)
    if pool == "root":
        return np.asarray(np.sign(mean) * np.sqrt(np.abs(mean)))
    if pool == "softmax":
        powers = np.exp(mean - mean.max())
        return np.asarray((powers / powers.sum()) ** 0.25)
    return mean
