"""ONNX files made node by node, for tests: small networks with seeded weights, and broken ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(3)
FIRST = (RNG.normal(size=(8, 3, 3, 3)) / 5).astype(np.float32)
SECOND = (RNG.normal(size=(16, 8, 3, 3)) / 8).astype(np.float32)
BIAS = RNG.normal(size=8).astype(np.float32)
DENSE = RNG.normal(size=(10, 16)).astype(np.float32)


def write(
    file: Path,
    nodes: Sequence[Any],
    *,
    inputs: Sequence[tuple[str, int, Sequence[int | str]]],
    weights: dict[str, NDArray[Any]] | None = None,
    output: str = "answer",
    metadata: dict[str, str] | None = None,
    beside: str = "",
    opset: int = 13,
    ir_version: int = 8,
) -> Path:
    """Write a graph of nodes (see `node`); `beside` names a file that is to hold its weights."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(output, inputs[0][1], None)],
        [numpy_helper.from_array(values, name) for name, values in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    if metadata:
        helper.set_model_props(model, metadata)
    if beside:
        onnx.save_model(
            model,
            file,
            save_as_external_data=True,
            location=beside,
            size_threshold=0,
            convert_attribute=False,
        )
    else:
        file.write_bytes(model.SerializeToString())
    return file


def node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    """Return a node named as its output is, in capitals."""
    return helper.make_node(kind, inputs.split(), [output], name=output.upper(), **attributes)


def small_nodes() -> list[Any]:
    """Two convolutions of stride 2, ReLU behind each, the mean over space, ten answers."""
    strides = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    return [
        node("Conv", "picture first bias", "conv1", **strides),
        node("Relu", "conv1", "relu1"),
        node("Conv", "relu1 second", "conv2", **strides),
        node("Relu", "conv2", "relu2"),
        node("GlobalAveragePool", "relu2", "pool"),
        node("Flatten", "pool", "flat"),
        node("Gemm", "flat dense", "answer", transB=1),
    ]


SMALL_WEIGHTS: dict[str, NDArray[Any]] = {"first": FIRST, "bias": BIAS, "second": SECOND, "dense": DENSE}
NCHW = ("picture", TensorProto.FLOAT, [1, 3, 32, 32])


def write_small(file: Path, **settings: Any) -> Path:
    """Write the small network for one picture of 32 x 32."""
    return write(file, small_nodes(), **{"inputs": [NCHW], "weights": SMALL_WEIGHTS, **settings})
