"""What pictures are compared by: any stage of any network, by its values as they are or at length 1."""

from pathlib import Path

import numpy as np
import pytest

from fovea.errors import InputError
from fovea.features import Encoder
from fovea.tasks import spaces
from fovea.tasks.options import BackboneOptions
from fovea.tasks.spaces import open_space

WEIGHTS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Return an ONNX file: the mean of each colour, a fully connected layer of 5, ReLU, and one of 4 classes."""
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Conv", ["pixels", "same"], ["conv"], kernel_shape=[1, 1]),
        helper.make_node("GlobalAveragePool", ["conv"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "first"], ["first_sum"], transB=1),
        helper.make_node("Relu", ["first_sum"], ["fc7"]),
        helper.make_node("Gemm", ["fc7", "second"], ["fc8"], transB=1),
    ]
    weights = {
        "same": np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1),
        "first": WEIGHTS,
        "second": np.ones((4, 5), np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("fc8", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "net.onnx"


def test_a_fully_connected_layer_is_compared_by_its_values(network: Path) -> None:
    space = open_space(BackboneOptions(weights=network, stages=("fc7",), compute="f32"), metric="dot")
    assert (space.width, space.metric) == (5, "dot")
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    pixels[0], pixels[1, :, :, 0] = (10, 200, 90), 250
    features = space.encoder.encode(pixels)[:, space.columns]
    scaled = (pixels.mean((1, 2)) / 255 - [0.485, 0.456, 0.406]) / [
        0.229,
        0.224,
        0.225,
    ]  # as ImageNet's networks are
    np.testing.assert_allclose(
        space.project(features), np.maximum(scaled @ WEIGHTS.T, 0), rtol=1e-4, atol=1e-4
    )


def test_a_network_that_is_not_used_is_not_converted(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, ...]] = []
    real = spaces.open_network

    def note(options: BackboneOptions, **named: object) -> tuple[Encoder, tuple[str, ...]]:
        opened.append(options.stages)
        return real(options, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(spaces, "open_network", note)
    open_space(BackboneOptions(weights=network, stages=("mean",)))  # not among what is taken of it anyway
    assert opened == [("mean",)]


def test_several_stages_count_the_same_at_length_1() -> None:
    space = open_space(BackboneOptions(stages=("blocks.6.0.around:root", "head:root")))
    features = (
        np.random.default_rng(0).normal(size=(3, space.columns.stop - space.columns.start)).astype(np.float32)
    )
    rows = space.project(features)
    first = space.encoder.stages[5]
    assert first.name == "blocks.6.0.around:root"
    width = first.stop - first.start
    np.testing.assert_allclose((rows**2).sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose((rows[:, :width] ** 2).sum(1), 0.5, rtol=1e-5)


def test_an_unknown_metric_names_the_closest() -> None:
    with pytest.raises(InputError) as caught:
        open_space(BackboneOptions(), metric="cosin")
    assert (
        str(caught.value) == "metric is 'cosin' (did you mean 'cosine'?); there are: cosine, dot, euclidean."
    )
